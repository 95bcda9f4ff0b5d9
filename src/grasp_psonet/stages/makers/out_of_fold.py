"""``grasp folds``: every visit predicted by models that saw none of its patient's visits."""

import logging
from pathlib import Path
from typing import Protocol

import pandas as pd

from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.features.store import open_features
from grasp_psonet.files import write_json
from grasp_psonet.out_of_fold.predict import (
    PREDICTORS,
    Fold,
    ProbeInputs,
    averaged,
    out_of_fold_predictions,
    predicted_by_probe,
)
from grasp_psonet.progress import progress
from grasp_psonet.stages.declared.needs import OutOfFoldNeeds
from grasp_psonet.tables.columns import LABEL, PREDICTED, SPLIT, VISIT_ID
from grasp_psonet.tables.schemas.out_of_fold import OUT_OF_FOLD, PROBE_PREDICTIONS

log = logging.getLogger("grasp_psonet")


class FoldModels(Protocol):
    """What learns in every fold in place of the probe."""

    def make(self, inputs: ProbeInputs) -> None:
        """Trains all that are wanted."""

    def predict(self, learned: ProbeInputs, held_out: ProbeInputs, fold: Fold) -> pd.DataFrame:
        """As ``predicted_by_probe``."""

    def close(self) -> None:
        """Leaves nothing but what the stage is to hold."""


def make_out_of_fold(
    folder: Path, own: OutOfFoldNeeds, features: Path, cohort: Cohort, models: FoldModels | None = None
) -> None:
    """Leaves the out-of-fold predictions of train and val (by probes, or by ``models``), and the probe's own predictions of
    val and test.

    Test visits teach nobody: what is read again because of them would reach the evaluation.
    """
    visits, outcome = cohort.visits, own.outcome
    normed = own.out_of_fold.feature_norm == "unit_length"
    inputs = ProbeInputs(visits, open_features(features).means(visits[VISIT_ID].tolist(), normed), outcome)
    split_V = visits[SPLIT].to_numpy()
    taught = inputs.rows(split_V != "test")
    if models is not None:
        models.make(taught)
    predictions = out_of_fold_predictions(
        taught,
        own.out_of_fold,
        own.seed,
        progress("  out of fold").advance,
        None if models is None else models.predict,
    )
    if models is not None:
        models.close()
    OUT_OF_FOLD.write(predictions, folder / "predictions.parquet")
    predictor = PREDICTORS[outcome.kind]
    probe = predicted_by_probe(inputs.rows(split_V == "train"), inputs.rows(split_V != "train"), own.seed)
    probe[SPLIT] = split_V[split_V != "train"]
    PROBE_PREDICTIONS.write(
        probe[[VISIT_ID, LABEL, PREDICTED, *predictor.columns(outcome), SPLIT]], folder / "probe.parquet"
    )
    mean = averaged(predictions, outcome)
    error = None if predictor.calibration_error is None else predictor.calibration_error(outcome, mean)
    write_json(folder / "calibration.json", {"calibration_error": error, "num_visits": len(mean)})
    off = "" if error is None else f"; the most probable class is off by {error:.2f} from how often it is right"
    log.info("  out of fold: %d visits%s", len(mean), off)
