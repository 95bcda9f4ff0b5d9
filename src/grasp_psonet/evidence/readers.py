"""Agreement among all readers of a study, pair by pair and all together, and how each reader differs from the others."""

# Axes: V visits, K readers.

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, combinations

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.repeats import AGAIN_LABEL, AGAIN_SCORE
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.intervals import Floats, Statistic, figure, resample_patients
from grasp_psonet.evidence.reliability import alpha_of_classes, alpha_of_scores, icc_2_1, mean_of
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import (
    LABEL,
    METRIC,
    OTHER_READER,
    PATIENT_ID,
    READER,
    READER_ID,
    SCORE,
    SPLIT,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.evaluation import READER_AGREEMENT

ALL_READERS = ""  # in place of a name: of all readers together
MOST_PAIRS = 40
SCORE_ALPHA, CLASS_ALPHA, ICC, SCORE_BIAS, CLASS_BIAS = "alpha_score", "alpha", "icc", "bias_score", "bias"


@dataclass(frozen=True)
class _Asked:
    """One figure to be made: its place, the visits it rests on (rows of the tables [V, K]), and the statistic of them."""

    metric: str
    reader: str
    other: str
    row_V: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    statistic: Statistic
    why_not: str


def agreement_of_readers(
    readings: pd.DataFrame,
    repeats: pd.DataFrame,
    visits: pd.DataFrame,
    outcome: Outcome,
    settings: EvaluateSettings,
    seed: int,
) -> pd.DataFrame:
    """One row per (split, metric, reader, other reader), with patient-clustered intervals; of all visits and of test.

    ``readings``: columns ``label_rules.ALL_READINGS``, each reader of a visit once. ``repeats``: columns
    ``repeats.REPEATS``. Of pairs: the figures between readers (of classes: linear kappa, agreement) and ICC(2,1) of scores,
    for the ``MOST_PAIRS`` pairs that share most visits. Of all readers together (both names empty): Krippendorff's alpha,
    ordinal of classes and interval of scores, and ICC(2,1) over the visits that all of them scored. Of each reader: the
    mean difference to the mean of the other readers of the same visits; and where the reader was given visits twice, the
    figures of a pair between both readings, under the reader's name as reader and as other.
    """
    rows: list[dict[str, object]] = []
    for split in ("all", "test"):
        within = visits if split == "all" else visits[visits[SPLIT] == split]
        within = within[within[VISIT_ID].isin(readings[VISIT_ID])]
        tables = _Tables(readings, within[VISIT_ID].tolist(), outcome)
        patient_V = within[PATIENT_ID].to_numpy(dtype=str)
        for asked in chain(tables.asked(), _asked_of_repeats(repeats, within[VISIT_ID].tolist(), outcome)):
            patients = patient_V[asked.row_V].tolist()
            resamples = resample_patients(
                patients, settings.replicates, seed, split, "readers", asked.reader, asked.other
            )
            found = figure(asked.statistic, resamples, settings.interval_rule, asked.why_not)
            place = {SPLIT: split, METRIC: asked.metric, READER: asked.reader, OTHER_READER: asked.other}
            rows.append(place | asdict(found))
    return pd.DataFrame(rows, columns=READER_AGREEMENT.names)


class _Tables:
    """Labels and scores by visit and reader [V, K], NaN where a reader did not read; the readers in alphabetical order."""

    def __init__(self, readings: pd.DataFrame, visit_ids: list[str], outcome: Outcome) -> None:
        self.outcome = outcome
        self.readers = sorted(map(str, readings[READER_ID].unique()))
        self.label_VK = self._wide(readings, visit_ids, LABEL)
        self.score_VK = self._wide(readings, visit_ids, SCORE)

    def _wide(self, readings: pd.DataFrame, visit_ids: list[str], column: str) -> Floats:
        row_of = dict(zip(visit_ids, range(len(visit_ids)), strict=True))
        within = readings[readings[VISIT_ID].isin(visit_ids)]
        found: Floats = np.full((len(visit_ids), len(self.readers)), np.nan)
        places = (within[VISIT_ID].map(row_of), within[READER_ID].map(self.readers.index))
        found[tuple(place.to_numpy(np.int64) for place in places)] = (
            within[column].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        )
        return found

    def asked(self) -> Iterator[_Asked]:
        yield from self._together()
        for k in range(len(self.readers)):
            yield from self._bias(k)
        for first, second in self._pairs():
            yield from self._pair(first, second)

    def _together(self) -> Iterator[_Asked]:
        if self.outcome.is_ordinal:
            class_C = np.arange(len(self.outcome.classes))
            count_VC = (self.label_VK[:, :, None] == class_C).sum(axis=1).astype(float)
            yield self._of(
                CLASS_ALPHA, count_VC, count_VC.sum(axis=1) > 1, alpha_of_classes, "all readings are one class"
            )
        if np.isfinite(self.score_VK).any():
            is_scored_VK = np.isfinite(self.score_VK)
            yield self._of(
                SCORE_ALPHA, self.score_VK, is_scored_VK.sum(axis=1) > 1, alpha_of_scores, "all scores are one"
            )
            by_all_V = is_scored_VK.sum(axis=1) == len(self.readers)
            yield self._of(ICC, self.score_VK, by_all_V, icc_2_1, "all scores are one")

    def _of(
        self,
        metric: str,
        value_VX: Floats,
        is_used_V: "np.ndarray[tuple[int], np.dtype[np.bool]]",
        statistic: Callable[[Floats, Floats], Floats],
        why_not: str,
    ) -> _Asked:
        row_V = np.flatnonzero(is_used_V)
        if len(self.readers) < 2:
            row_V, why_not = row_V[:0], "there is one reader"
        elif not len(row_V):
            all_read = metric == ICC
            why_not = (
                f"no visit was scored by all {len(self.readers)} readers" if all_read else "no visit was read twice"
            )
        return _Asked(metric, ALL_READERS, ALL_READERS, row_V, partial(statistic, value_VX[row_V]), why_not)

    def _bias(self, k: int) -> Iterator[_Asked]:
        """How far the reader's values lie above the mean of the others' of the same visits."""
        for metric, value_VK in ((CLASS_BIAS, self.label_VK), (SCORE_BIAS, self.score_VK)):
            if metric == SCORE_BIAS and not np.isfinite(value_VK).any():
                continue
            others_VK = np.delete(value_VK, k, axis=1)
            row_V = np.flatnonzero(np.isfinite(value_VK[:, k]) & np.isfinite(others_VK).any(axis=1))
            apart_V = value_VK[row_V, k] - (np.nanmean(others_VK[row_V], axis=1) if len(row_V) else 0.0)
            why_not = "nobody else read a visit of this reader"
            yield _Asked(metric, self.readers[k], ALL_READERS, row_V, partial(mean_of, apart_V), why_not)

    def _pairs(self) -> list[tuple[int, int]]:
        is_read_VK = np.isfinite(self.label_VK)
        shared = {
            pair: int((is_read_VK[:, pair[0]] & is_read_VK[:, pair[1]]).sum())
            for pair in combinations(range(len(self.readers)), 2)
        }
        most = sorted((pair for pair, count in shared.items() if count), key=lambda pair: (-shared[pair], pair))
        return sorted(most[:MOST_PAIRS])

    def _pair(self, first: int, second: int) -> Iterator[_Asked]:
        pair = [first, second]
        names = (self.readers[first], self.readers[second])
        yield from _of_two(self.outcome, names, self.label_VK[:, pair], self.score_VK[:, pair])


def _of_two(outcome: Outcome, names: tuple[str, str], label_V2: Floats, score_V2: Floats) -> Iterator[_Asked]:
    """The figures between two columns of readings; NaN where a visit was not read."""
    row_V = np.flatnonzero(np.isfinite(label_V2).all(axis=1))
    figures = figures_of(outcome)
    labels = [outcome.as_labels(pd.Series(label_V2[row_V, place])) for place in (0, 1)]
    answers = figures.between(outcome, labels[1], labels[0])
    for name, metric in figures.between_pairs.items():
        statistic = partial(figures.metrics[metric].value, answers)
        yield _Asked(name, *names, row_V, statistic, figures.why_not_between)
    row_V = np.flatnonzero(np.isfinite(score_V2).all(axis=1))
    if len(row_V):
        yield _Asked(ICC, *names, row_V, partial(icc_2_1, score_V2[row_V]), "all scores are one")


def _asked_of_repeats(repeats: pd.DataFrame, visit_ids: list[str], outcome: Outcome) -> Iterator[_Asked]:
    """Of each reader the figures between the first and the second reading of the visits that came twice."""
    for reader, own in repeats[repeats[VISIT_ID].isin(visit_ids)].groupby(READER_ID):
        of_visit = own.set_index(VISIT_ID).reindex(visit_ids)
        label_V2, score_V2 = (
            of_visit[columns].to_numpy(np.float64) for columns in ([LABEL, AGAIN_LABEL], [SCORE, AGAIN_SCORE])
        )
        yield from _of_two(outcome, (str(reader), str(reader)), label_V2, score_V2)
