"""Every visit predicted by models that saw none of its patient's visits. Axes: V visits, F features, C classes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.out_of_fold.folds import patient_folds
from grasp_psonet.out_of_fold.probe import fit_probe, fit_score_probe
from grasp_psonet.out_of_fold.settings import OutOfFoldSettings
from grasp_psonet.tables.columns import FOLD, LABEL, PATIENT_ID, REPEAT, SCORE, VISIT_ID

Floats = NDArray[np.float64]
OnFold = Callable[[int, int], None]  # (done, total)


@dataclass(frozen=True)
class ProbeInputs:
    """What probes learn from: visits (visit_id, patient_id, Reader 1's class, score where there is one), and the mean feature
    of each [V, F], in the same order."""

    visits: pd.DataFrame
    feature_VF: Floats
    outcome: Outcome

    def __post_init__(self) -> None:
        assert len(self.visits) == len(self.feature_VF)

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.visits[self.outcome.label_column].to_numpy(np.int64)

    @property
    def scores(self) -> Floats | None:
        """Reader 1's score of every visit; None where the scale has none or one is missing."""
        if not self.outcome.score_columns:
            return None
        score_V = self.visits[self.outcome.score_columns[0]].to_numpy(np.float64)
        return score_V if np.isfinite(score_V).all() else None

    def rows(self, chosen: NDArray[np.bool]) -> "ProbeInputs":
        return ProbeInputs(self.visits[chosen], self.feature_VF[chosen], self.outcome)


def out_of_fold_predictions(
    inputs: ProbeInputs, settings: OutOfFoldSettings, seed: int, on_fold: OnFold = lambda done, total: None
) -> pd.DataFrame:
    """Rows visit_id, repeat, fold, label, p_* (and score where Reader 1 gave scores), one per visit and repeat.

    Raises EvidenceError for fewer patients than folds.
    """
    patient_ids = inputs.visits[PATIENT_ID].astype(str).tolist()
    parts = []
    for repeat in range(settings.repeats):
        fold_V = patient_folds(patient_ids, inputs.labels, settings.folds, seed, repeat)
        for fold in range(settings.folds):
            held_out = fold_V == fold
            told = predicted_by_probe(inputs.rows(~held_out), inputs.rows(held_out), seed)
            told.insert(1, REPEAT, repeat)
            told.insert(2, FOLD, fold)
            parts.append(told)
            on_fold(repeat * settings.folds + fold + 1, settings.repeats * settings.folds)
    return pd.concat(parts, ignore_index=True).sort_values([REPEAT, VISIT_ID], ignore_index=True)


def predicted_by_probe(learned: ProbeInputs, asked: ProbeInputs, seed: int) -> pd.DataFrame:
    """visit_id, label, p_* and, where Reader 1 gave scores, score of the asked visits, by probes of the learned ones."""
    patient_ids = learned.visits[PATIENT_ID].astype(str).tolist()
    outcome, score_V = learned.outcome, learned.scores
    with threadpool_limits(1):  # sums over threads come in an order of their own
        probe = fit_probe(learned.feature_VF, learned.labels, outcome.num_outputs, patient_ids, seed)
        table = pd.DataFrame(probe(asked.feature_VF), columns=outcome.probability_columns)
        if score_V is not None:
            table[SCORE] = fit_score_probe(learned.feature_VF, score_V, learned.labels, patient_ids, seed)(
                asked.feature_VF
            )
    table.insert(0, VISIT_ID, asked.visits[VISIT_ID].to_numpy())
    table.insert(1, LABEL, asked.labels)
    return table


def averaged(predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """One row per visit: visit_id, label, p_* (and score) averaged over repeats; p_* add up to 1."""
    told = [LABEL, *outcome.probability_columns, *([SCORE] if SCORE in predictions else [])]
    mean = predictions.groupby(VISIT_ID, sort=True)[told].mean().reset_index()
    return mean.astype({LABEL: "int64"})
