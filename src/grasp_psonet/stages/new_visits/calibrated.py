"""Whether a run's probabilities can be calibrated, and from which visits.

A temperature is fitted to what networks of the run's recipe said of visits whose patients they did not see (``grasp folds``
with ``out_of_fold.model``), else to validation, which has chosen the epoch but trained nothing. Probabilities of linear probes
say nothing about the network's.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.errors import GraspError
from grasp_psonet.evidence.calibration import class_calibration_error, fit_temperature, with_temperature
from grasp_psonet.proof import is_complete, proven, read_note
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import LABEL, VISIT_ID
from grasp_psonet.tables.schemas.out_of_fold import OUT_OF_FOLD

FEWEST_VISITS = 20
_LEAST_P = 1e-12
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """How probabilities were calibrated. ``source`` none: they are not, and ``why`` says why.

    ``error_as_said`` and ``error_calibrated``: on the run's test visits, how far the probability of the most probable class
    is from how often it is right (0 to 1); None without test visits.
    """

    source: Literal["out_of_fold", "validation", "none"]
    why: str
    temperature: float | None = None
    num_visits: int = 0
    error_as_said: float | None = None
    error_calibrated: float | None = None

    def probabilities(self, logit_VC: Floats) -> Floats | None:
        """Calibrated probabilities of the run's logits; None where there are none."""
        return None if self.temperature is None else with_temperature(logit_VC, self.temperature)


def calibration_of(run: TrainedRun) -> Calibration:
    """The calibration of a run's kept network."""
    if not run.outcome.gives_probabilities:
        return Calibration("none", "the outcome has no probabilities")
    found = _out_of_fold(run)
    if found is not None:
        logit_VC, label_V, num_visits = found
        why = "by what networks of this recipe said of visits whose patients they did not see (out of fold)"
        return _fitted(run, "out_of_fold", why, logit_VC, label_V, num_visits)
    val = run.predictions_of("val")
    if len(val) < FEWEST_VISITS:
        why = (
            f"validation has {len(val)} visits, fewer than {FEWEST_VISITS}, and grasp folds trained no network "
            "(out_of_fold.model: head or full)"
        )
        return Calibration("none", why)
    why = "by validation, which chose the epoch as well"
    logit_VC = val[run.outcome.output_columns].to_numpy(np.float64)
    return _fitted(run, "validation", why, logit_VC, val[LABEL].to_numpy(np.int64), len(val))


def _fitted(
    run: TrainedRun,
    source: Literal["out_of_fold", "validation"],
    why: str,
    logit_VC: Floats,
    label_V: NDArray[np.int64],
    num_visits: int,
) -> Calibration:
    temperature = fit_temperature(logit_VC, label_V)
    test = run.predictions_of("test")
    if test.empty:
        return Calibration(source, why, temperature, num_visits)
    logits, labels = test[run.outcome.output_columns].to_numpy(np.float64), test[LABEL].to_numpy(np.int64)
    as_said, calibrated = (class_calibration_error(with_temperature(logits, t), labels) for t in (1.0, temperature))
    return Calibration(source, why, temperature, num_visits, as_said, calibrated)


def _out_of_fold(run: TrainedRun) -> tuple[Floats, NDArray[np.int64], int] | None:
    """Logits, labels and number of visits out of fold, where networks of the run's recipe made them under its classes."""
    folder = run.job.study.out_of_fold
    try:
        if not is_complete(folder) or not _is_of_recipe(read_note(folder)["settings"], run):
            return None
        table = OUT_OF_FOLD.read(proven(folder) / "predictions.parquet")
    except GraspError:  # damaged, or not read by this version: it calibrates nothing
        return None
    columns = run.outcome.probability_columns
    if not set(columns) <= set(table.columns) or table[VISIT_ID].nunique() < FEWEST_VISITS:
        return None
    p_VC = table[columns].to_numpy(np.float64)
    labels = pd.to_numeric(table[LABEL]).to_numpy(np.int64)
    return np.log(np.maximum(p_VC, _LEAST_P)), labels, int(table[VISIT_ID].nunique())


def _is_of_recipe(note: dict[str, Any], run: TrainedRun) -> bool:
    """Whether the networks of the folds were trained as the run was: ``head`` only where the run's encoder stands still too."""
    made = note.get("out_of_fold") or {}
    model = made.get("model") if isinstance(made, dict) else note.get("out_of_fold.model")
    stands_still = run.settings.network.is_frozen or run.job.kind == "features"
    return model == "full" or (model == "head" and stands_still)
