"""Two readers of the same visits: noise on every sub-score, rarely a gross error. Axes: V visits, R regions, S sub-scores."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from grasp_psonet import chance
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.cohort.synthetic.pasi import AREA_MAX, GRADE_MAX, SUB_SCORES, Scores, pasi_of
from grasp_psonet.tables.columns import (
    CAUSE,
    DISAGREE,
    GROSS_ERROR_READER1,
    GROSS_ERROR_READER2,
    PASI_READER1,
    PASI_READER2,
    PASI_TRUE,
    READER2_ID,
    SEVERITY_READER1,
    SEVERITY_READER2,
    SEVERITY_TRUE,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

READER1_IDS = tuple(f"R{number}" for number in range(1, 8))
SECOND_READER = "R8"
GROSS_ERRORS = ("region left out", "area too large", "grades too high", "grades too low")
NEAR_CUTOFF = 1.5  # PASI points
_SCORE_MAX = np.array([GRADE_MAX, GRADE_MAX, GRADE_MAX, AREA_MAX])


@dataclass(frozen=True)
class Reading:
    """What a reader scored at one visit, what the PASI had been without the gross error, which error ("" for none), and the
    sub-scores that give ``pasi``."""

    pasi: float
    pasi_without_error: float
    gross_error: str
    scores_RS: Scores


@dataclass(frozen=True)
class Imperfection:
    """How readers err: the spread of a sub-score's noise, and the chance of a gross error per visit."""

    noise: float
    gross_errors: float


def read(seed: int, visit_id: str, reader: int, truth_RS: Scores, errs: Imperfection) -> Reading:
    """One reader's score of one visit. A clear region is seen to be clear, an affected one never scores area 0."""
    rng = chance.generator("reader", seed, visit_id, reader)
    scores_RS = np.clip(np.round(truth_RS + rng.normal(0, errs.noise, truth_RS.shape)), 0, _SCORE_MAX).astype(np.int64)
    affected_R = truth_RS[:, 3] > 0
    scores_RS[:, 3] = np.maximum(scores_RS[:, 3], 1)
    scores_RS[~affected_R] = 0
    honest = float(pasi_of(scores_RS))
    if rng.random() >= errs.gross_errors:
        return Reading(honest, honest, "", scores_RS)
    error = GROSS_ERRORS[int(rng.integers(len(GROSS_ERRORS)))]
    spoilt_RS = _spoilt(scores_RS, error)
    return Reading(float(pasi_of(spoilt_RS)), honest, error, spoilt_RS)


def _spoilt(scores_RS: Scores, error: str) -> Scores:
    """The scores with a gross error."""
    spoilt_RS = scores_RS.copy()
    affected_R = scores_RS[:, 3] > 0
    if error == "region left out":
        spoilt_RS[(scores_RS[:, :3].sum(axis=1) * scores_RS[:, 3]).argmax()] = 0
    elif error == "area too large":
        spoilt_RS[affected_R, 3] += 2
    else:
        spoilt_RS[affected_R, :3] += 2 if error == "grades too high" else -2
    return np.clip(spoilt_RS, 0, _SCORE_MAX)


def readings_of(
    visits: pd.DataFrame, scores_VRS: Scores, outcome: Outcome, seed: int, errs: Imperfection
) -> pd.DataFrame:
    """True and read PASI and class of every visit by both readers, where they disagree, and why.

    Both readers are computed for every visit; ``keep_read`` then empties what Reader 2 did not score.
    """
    rows = []
    for visit_id, truth_RS in zip(visits[VISIT_ID], scores_VRS, strict=True):
        first, second = (read(seed, str(visit_id), reader, truth_RS, errs) for reader in (1, 2))
        true = float(pasi_of(truth_RS))
        classes = [outcome.class_of_score(reading.pasi) for reading in (first, second)]
        rows.append(
            {
                VISIT_ID: visit_id,
                PASI_TRUE: true,
                SEVERITY_TRUE: outcome.class_of_score(true),
                PASI_READER1: first.pasi,
                SEVERITY_READER1: classes[0],
                GROSS_ERROR_READER1: first.gross_error,
                PASI_READER2: second.pasi,
                SEVERITY_READER2: classes[1],
                GROSS_ERROR_READER2: second.gross_error,
                DISAGREE: classes[0] != classes[1],
                CAUSE: _cause(true, first, second, outcome),
            }
        )
    return pd.DataFrame(rows)


def parts_read(visits: pd.DataFrame, scores_VRS: Scores, seed: int, errs: Imperfection) -> pd.DataFrame:
    """Both readers' sub-scores of every visit, from which their PASI is worked out, in columns such as head_erythema_reader1;
    missing where Reader 2 did not score it (``visits`` has Reader 2's name empty)."""
    columns = {}
    for number, reader in enumerate(READERS, start=1):
        read_VRS = np.array(
            [
                read(seed, str(visit_id), number, truth_RS, errs).scores_RS
                for visit_id, truth_RS in zip(visits[VISIT_ID], scores_VRS, strict=True)
            ]
        )
        is_read = (visits[READER2_ID] != "") if number == 2 else pd.Series(True, index=visits.index)
        for r, region in enumerate(BODY_REGIONS):
            for s, part in enumerate(SUB_SCORES):
                read_V = pd.Series(read_VRS[:, r, s], index=visits.index, dtype="Int64")
                columns[f"{region}_{part}_{reader}"] = read_V.where(is_read)
    return pd.DataFrame(columns)


def keep_read(readings: pd.DataFrame, is_read_twice: "pd.Series[bool]") -> pd.DataFrame:
    """The readings with Reader 2's columns empty (and no disagreement) where Reader 2 did not score the visit."""
    kept = readings.astype({SEVERITY_READER2: "Int64"})
    once = ~is_read_twice.to_numpy()
    kept.loc[once, PASI_READER2] = np.nan
    kept.loc[once, SEVERITY_READER2] = pd.NA
    kept.loc[once, [GROSS_ERROR_READER2]] = ""
    kept.loc[once, DISAGREE] = False
    kept.loc[once, CAUSE] = "not read twice"
    return kept


def _cause(true: float, first: Reading, second: Reading, outcome: Outcome) -> str:
    """Why the readers' classes differ; none where they agree."""

    def differ(pasi1: float, pasi2: float) -> bool:
        return outcome.class_of_score(pasi1) != outcome.class_of_score(pasi2)

    if not differ(first.pasi, second.pasi):
        return "none"
    if first.gross_error and not differ(first.pasi_without_error, second.pasi):
        return "gross error reader1"
    if second.gross_error and not differ(first.pasi, second.pasi_without_error):
        return "gross error reader2"
    if first.gross_error and second.gross_error and not differ(first.pasi_without_error, second.pasi_without_error):
        return "gross errors of both readers"
    near = min(abs(true - cutoff) for cutoff in outcome.scale.cutoffs) <= NEAR_CUTOFF
    return "noise near cut-off" if near else "noise"
