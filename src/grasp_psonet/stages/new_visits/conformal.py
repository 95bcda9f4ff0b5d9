"""The interval around the score that a run tells of a new visit: by its errors on validation, patient by patient."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.evidence.conformal import conformal_width
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import LABEL, PATIENT_ID, PREDICTED, VISIT_ID

COVERAGE = 0.9
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreInterval:
    """``points`` to either side of a score; None where validation allows no bound, and ``why_not`` says why."""

    points: float | None
    num_visits: int
    num_patients: int
    why_not: str = ""
    coverage: float = COVERAGE

    def around(self, score_V: Floats, score_range: tuple[float, float]) -> tuple[Floats, Floats]:
        """Both ends of the intervals, within the score's range; the whole range where there is no bound."""
        points, (least, most) = math.inf if self.points is None else self.points, score_range
        return np.clip(score_V - points, least, most), np.clip(score_V + points, least, most)


def score_interval_of(run: TrainedRun) -> ScoreInterval:
    """The interval of a run whose outcome is a number. Validation chose the epoch, so that it is a little too narrow."""
    val = run.predictions_of("val")
    val = val[run.outcome.has_value(val[LABEL])]
    patient_of = run.cohort.visits.set_index(VISIT_ID)[PATIENT_ID].astype(str)
    patients = val[VISIT_ID].map(patient_of).tolist()
    error_V = (val[PREDICTED] - val[LABEL]).to_numpy(np.float64)
    width, num_patients = conformal_width(error_V, patients, COVERAGE), len(set(patients))
    if math.isinf(width):
        needed = math.ceil(COVERAGE / (1 - COVERAGE) - 1e-9)
        why_not = f"validation has {num_patients} patients, and {needed} are needed for {COVERAGE:.0%}"
        return ScoreInterval(None, len(val), num_patients, why_not)
    return ScoreInterval(width, len(val), num_patients)
