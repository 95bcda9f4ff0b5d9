"""Runs against readers on the test split: figures, paired differences to the baseline, confusion matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import ADJUDICATED, READERS
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.groups import groups_of
from grasp_psonet.evidence.intervals import Estimate, Resamples, estimate_of, replicated, resample_patients
from grasp_psonet.evidence.reported import Metric
from grasp_psonet.evidence.settings import EvaluateSettings, IntervalRule
from grasp_psonet.tables.columns import (
    BASELINE_RUN,
    DIFFERENCE,
    GROUP,
    GROUP_COLUMN,
    LABEL,
    METRIC,
    NUM_LEFT_OUT,
    NUM_VISITS,
    PATIENT_ID,
    PREDICTED,
    READER,
    RUN,
    SPLIT,
    VALUE,
    VISIT_ID,
)
from grasp_psonet.tables.schemas import evaluation as tables

TESTED = "test"  # the split whose visits the figures are of
OfSeeds = pd.DataFrame | Sequence[pd.DataFrame]  # predictions of a run, or of its trainings, one per training seed


@dataclass(frozen=True)
class Evaluation:
    """Tidy tables, one row per number. ``num_left_out`` counts the group's visits that the reader did not read; of figures of
    numbers also those of which only a class is known."""

    figures: pd.DataFrame
    differences: pd.DataFrame
    confusions: pd.DataFrame


@dataclass(frozen=True)
class _Cell:
    """One run, one reader, one group; ``answers`` of each training seed."""

    place: dict[str, str]
    outcome: Outcome
    answers: list[Any]
    num_left_out: int


def evaluate_runs(
    predictions: Mapping[str, OfSeeds],
    visits: pd.DataFrame,
    outcome: Outcome,
    settings: EvaluateSettings,
    seed: int,
    baseline: str = "baseline",
    adjudicated: "pd.Series[Any] | None" = None,
) -> Evaluation:
    """The outcome's figures of every run against both readers, in every group, with intervals.

    Of classes: micro AUC, linear kappa and accuracy (``evidence/figures.py``).

    ``predictions`` are the tables of predictions.parquet by run name, ``visits`` the cohort's. A run of several training
    seeds has the mean of their figures, its replicates draw seeds as well as patients, and its confusions are of the first.
    All runs of a (reader, group) share their bootstrap replicates, so differences (run minus ``baseline``) are paired. A
    reader's unread visits are left out and counted. ``adjudicated``: labels by visit id (``label_rules.adjudicated_labels``),
    which stand beside the two readers as a third. AUC needs every class among the reader's labels of the group; kappa needs
    chance disagreement; what does not exist is NaN with its reason in ``why_not``. Raises EvidenceError.
    """
    visits = visits.loc[visits[SPLIT] == TESTED].reset_index(drop=True)
    if visits.empty:
        raise EvidenceError(f"no visit is in the {TESTED} split\n  next: see the split column of visits.csv")
    aligned = {  # what is predicted are numbers; to pass over texts spares most of the time of a cell
        run: [one.select_dtypes("number") for one in aligned_to(visits, tables, run)]
        for run, tables in predictions.items()
    }
    figures: list[dict[str, object]] = []
    differences: list[dict[str, object]] = []
    confusions: list[dict[str, object]] = []
    for (column, group, is_member), (reader, label_V) in product(
        groups_of(visits, settings.subgroups), _labels_by(visits, outcome, adjudicated).items()
    ):
        place = {READER: reader, GROUP_COLUMN: column, GROUP: group}
        cells_of: dict[bool, tuple[list[_Cell], Resamples]] = {}
        for of_classes in (False, True):
            is_read = is_member & (label_V.notna() if of_classes else outcome.has_value(label_V))
            if of_classes and (is_read == is_member & outcome.has_value(label_V)).all():
                cells_of[True] = cells_of[False]  # there is no visit of which only the class is known
                continue
            patients = visits.loc[is_read, PATIENT_ID].tolist()
            resamples = resample_patients(patients, settings.replicates, seed, TESTED, reader, column, group)
            cells = [
                _Cell(
                    {RUN: run} | place,
                    outcome,
                    [answers_of(table.loc[is_read], label_V.loc[is_read], outcome) for table in of_seed],
                    int((is_member & ~is_read).sum()),
                )
                for run, of_seed in aligned.items()
            ]
            cells_of[of_classes] = cells, resamples
        for cell in cells_of[True][0]:
            confusions += _confusion_rows(cell)
        for name, metric in figures_of(outcome).metrics.items():
            table_rows = _metric_rows(name, metric, *cells_of[metric.of_classes], settings.interval_rule, baseline)
            figures += table_rows[0]
            differences += table_rows[1]
    return Evaluation(
        pd.DataFrame(figures, columns=tables.FIGURES.names),
        pd.DataFrame(differences, columns=tables.DIFFERENCES.names),
        pd.DataFrame(confusions, columns=tables.CONFUSIONS.names),
    )


def _labels_by(
    visits: pd.DataFrame, outcome: Outcome, adjudicated: "pd.Series[Any] | None"
) -> "dict[str, pd.Series[Any]]":
    """By name whose labels are the truth, and these, by the rows of ``visits``."""
    found = {reader: outcome.labels_of(visits, number) for number, reader in enumerate(READERS)}
    if adjudicated is not None:
        found[ADJUDICATED] = outcome.as_labels(visits[VISIT_ID].map(adjudicated))
    return found


def aligned_to(visits: pd.DataFrame, predictions: OfSeeds, run: str) -> list[pd.DataFrame]:
    """Of each training seed the run's predictions in the order and with the index of ``visits``.

    Raises EvidenceError on gaps and repeats.
    """
    return [_aligned(visits, table, run) for table in _by_seed(predictions)]


def _by_seed(predictions: OfSeeds) -> Sequence[pd.DataFrame]:
    return [predictions] if isinstance(predictions, pd.DataFrame) else predictions


def _aligned(visits: pd.DataFrame, predictions: pd.DataFrame, run: str) -> pd.DataFrame:
    table = predictions.set_index(VISIT_ID)
    elsewhere = table.loc[table.index.isin(visits[VISIT_ID]), SPLIT] if SPLIT in table else None
    if elsewhere is not None and not elsewhere.isin(visits[SPLIT].unique()).all():
        wrong = elsewhere[~elsewhere.isin(visits[SPLIT].unique())]
        raise EvidenceError(
            f"run {run} had {len(wrong)} of these visits in its {wrong.iloc[0]} split, and may have trained on them"
            "\n  next: `grasp run` trains again on the splits of now"
        )
    missing = visits.loc[~visits[VISIT_ID].isin(table.index), VISIT_ID]
    if len(missing) or table.index.has_duplicates:
        raise EvidenceError(
            f"run {run} has {len(missing)} of {len(visits)} visits without a prediction and "
            f"{int(table.index.duplicated().sum())} predicted twice\n  next: train the run again on this cohort"
        )
    return table.loc[visits[VISIT_ID]].set_index(visits.index)


def answers_of(predictions: pd.DataFrame, labels: "pd.Series[Any]", outcome: Outcome) -> Any:
    """What the outcome's metrics read, from rows of predictions.parquet and one reader's labels, in the same order."""
    return figures_of(outcome).answers(outcome, predictions, labels)


def figure_of_split(predictions: pd.DataFrame, outcome: Outcome, split: str = "val") -> float | None:
    """The figure that chooses (of classes: micro AUC) against the training label (Reader 1) on one split.

    None where it does not exist: of classes, one is missing from the split.
    """
    rows = predictions.loc[predictions[SPLIT] == split]
    if rows.empty:
        return None
    metric = figures_of(outcome).chooser
    value = float(metric.value(answers_of(rows, rows[LABEL], outcome), np.ones((1, len(rows))))[0])
    return value if np.isfinite(value) else None


def mean_figure_of_split(predictions: OfSeeds, outcome: Outcome, split: str = "val") -> float | None:
    """``figure_of_split``, its mean over training seeds; None where it does not exist of one."""
    values = [figure_of_split(table, outcome, split) for table in _by_seed(predictions)]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _metric_rows(
    name: str, metric: Metric, cells: list[_Cell], resamples: Resamples, rule: IntervalRule, baseline: str
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    found_of = {
        cell.place[RUN]: replicated([partial(metric.value, answers) for answers in cell.answers], resamples)
        for cell in cells
    }
    figures, differences = [], []
    for cell in cells:
        run = cell.place[RUN]
        why_not = why_no_figure(cell.outcome, name, cell.answers[0], cell.place[READER])
        found = estimate_of(found_of[run], resamples, rule, why_not)
        figures.append(cell.place | {METRIC: name, NUM_LEFT_OUT: cell.num_left_out} | asdict(found))
        if run != baseline and baseline in found_of:
            paired = estimate_of(found_of[run] - found_of[baseline], resamples, rule, why_not)
            differences.append(cell.place | {METRIC: name, BASELINE_RUN: baseline} | _as_difference(paired, cell))
    return figures, differences


def _as_difference(paired: Estimate, cell: _Cell) -> dict[str, object]:
    numbers = asdict(paired)
    return {DIFFERENCE: numbers.pop(VALUE), NUM_LEFT_OUT: cell.num_left_out} | numbers


def why_no_figure(outcome: Outcome, metric: str, answers: Any, reader: str) -> str:
    """Why a figure of these answers does not exist, should it not; ``reader`` as in the tables."""
    named = "adjudication" if reader == ADJUDICATED else reader.replace("reader", "Reader ")
    if len(answers) == 0:
        return f"no visits of this group with a label of {named}"
    return figures_of(outcome).why_not(outcome, metric, answers, named)


def _confusion_rows(cell: _Cell) -> list[dict[str, object]]:
    counts = figures_of(cell.outcome).confusions(cell.outcome, cell.answers[0])
    return [
        cell.place | {LABEL: label, PREDICTED: predicted, NUM_VISITS: count}
        for (label, predicted), count in counts.items()
    ]
