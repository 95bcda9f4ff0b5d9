"""Every visit predicted by models that saw none of its patient's visits. Axes: V visits, F features, C classes.

Another kind of outcome is one more entry in ``PREDICTORS``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.calibration import class_calibration_error
from grasp_psonet.out_of_fold.folds import patient_folds
from grasp_psonet.out_of_fold.probe import fit_probe, fit_score_probe
from grasp_psonet.out_of_fold.settings import OutOfFoldSettings
from grasp_psonet.tables.columns import FOLD, LABEL, PATIENT_ID, PREDICTED, REPEAT, SCORE, VISIT_ID

Floats = NDArray[np.float64]
OnFold = Callable[[int, int], None]  # (done, total)


@dataclass(frozen=True)
class Fold:
    """Which part of which dealing of the patients is predicted, both from 0."""

    repeat: int
    number: int


@dataclass(frozen=True)
class ProbeInputs:
    """What probes learn from: visits (visit_id, patient_id, Reader 1's label, score where there is one), and the mean feature
    of each [V, F], in the same order."""

    visits: pd.DataFrame
    feature_VF: Floats
    outcome: Outcome

    def __post_init__(self) -> None:
        assert len(self.visits) == len(self.feature_VF)

    @property
    def patient_ids(self) -> list[str]:
        return self.visits[PATIENT_ID].astype(str).tolist()

    @property
    def strata(self) -> NDArray[np.int64]:
        """The groups over which patients are spread: of a scale, Reader 1's classes."""
        labels = self.visits[self.outcome.label_column]
        return np.array([self.outcome.stratum_of(label) for label in labels], dtype=np.int64)

    @property
    def scores(self) -> Floats | None:
        """Reader 1's score of every visit; None where the scale has none or one is missing."""
        if not self.outcome.score_columns:
            return None
        score_V = self.visits[self.outcome.score_columns[0]].to_numpy(np.float64)
        return score_V if np.isfinite(score_V).all() else None

    def rows(self, chosen: NDArray[np.bool]) -> "ProbeInputs":
        return ProbeInputs(self.visits[chosen], self.feature_VF[chosen], self.outcome)


PredictFold = Callable[
    [ProbeInputs, ProbeInputs, Fold], pd.DataFrame
]  # (learned, held out, which): as predicted_by_probe


def folds_of(
    inputs: ProbeInputs, settings: OutOfFoldSettings, seed: int
) -> Iterator[tuple[Fold, ProbeInputs, ProbeInputs]]:
    """Every fold with the visits that are learned from and those that are held out; patients are dealt anew in each repeat.

    Raises EvidenceError for fewer patients than folds.
    """
    for repeat in range(settings.repeats):
        fold_V = patient_folds(inputs.patient_ids, inputs.strata, settings.folds, seed, repeat)
        for number in range(settings.folds):
            held_out = fold_V == number
            yield Fold(repeat, number), inputs.rows(~held_out), inputs.rows(held_out)


def out_of_fold_predictions(
    inputs: ProbeInputs,
    settings: OutOfFoldSettings,
    seed: int,
    on_fold: OnFold = lambda done, total: None,
    predict: PredictFold | None = None,
) -> pd.DataFrame:
    """Rows visit_id, repeat, fold, label and what is predicted (of a scale p_*, and score where Reader 1 gave scores), one per
    visit and repeat.

    ``predict`` learns in a fold and predicts what it holds out (default: probes). Raises EvidenceError for fewer patients
    than folds.
    """
    parts = []
    for fold, learned, held_out in folds_of(inputs, settings, seed):
        told = predict(learned, held_out, fold) if predict else predicted_by_probe(learned, held_out, seed)
        told = told.drop(columns=PREDICTED)
        told.insert(1, REPEAT, fold.repeat)
        told.insert(2, FOLD, fold.number)
        parts.append(told)
        on_fold(fold.repeat * settings.folds + fold.number + 1, settings.repeats * settings.folds)
    return pd.concat(parts, ignore_index=True).sort_values([REPEAT, VISIT_ID], ignore_index=True)


def predicted_by_probe(learned: ProbeInputs, new: ProbeInputs, seed: int) -> pd.DataFrame:
    """visit_id, label, predicted and what the kind of outcome predicts of the new visits, by probes of the learned ones."""
    predictor = PREDICTORS[learned.outcome.kind]
    with threadpool_limits(1):  # sums over threads come in an order of their own
        told = predictor.predict(learned, new, seed)
    visits = new.visits
    labels = visits[new.outcome.label_column].to_numpy()
    table = pd.DataFrame({VISIT_ID: visits[VISIT_ID].to_numpy(), LABEL: labels})
    table[PREDICTED] = predictor.answer(new.outcome, told)
    return pd.concat([table, told], axis=1)


def averaged(predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """One row per visit: visit_id, label, and what was predicted (and score), averaged over repeats; p_* add up to 1."""
    columns = PREDICTORS[outcome.kind].columns(outcome)
    told = [*columns, *([SCORE] if SCORE in predictions and SCORE not in columns else [])]
    of_visit = predictions.groupby(VISIT_ID, sort=True)
    return pd.concat([of_visit[LABEL].first(), of_visit[told].mean()], axis=1).reset_index()


@dataclass(frozen=True)
class Predictor:
    """How probes predict a kind of outcome.

    ``columns`` are those that say what the outcome of a visit is; ``predict`` gives them for new visits from the learned ones
    (and a score, where there is one), ``answer`` the predicted label of each row, ``calibration_error`` how far the averaged
    predictions are off in how sure they are (None: they say no probability).
    """

    columns: Callable[[Outcome], list[str]]
    predict: Callable[[ProbeInputs, ProbeInputs, int], pd.DataFrame]
    answer: Callable[[Outcome, pd.DataFrame], NDArray[Any]]
    calibration_error: Callable[[Outcome, pd.DataFrame], float] | None = None


def _predict_classes(learned: ProbeInputs, new: ProbeInputs, seed: int) -> pd.DataFrame:
    """Class probabilities, and the score where Reader 1 gave every learned visit one."""
    outcome, class_V = learned.outcome, learned.strata
    probe = fit_probe(learned.feature_VF, class_V, outcome.num_outputs, learned.patient_ids, seed)
    table = pd.DataFrame(probe(new.feature_VF), columns=outcome.probability_columns)
    score_V = learned.scores
    if score_V is not None:
        fitted = fit_score_probe(learned.feature_VF, score_V, class_V, learned.patient_ids, seed)
        table[SCORE] = fitted(new.feature_VF)
    return table


def _most_probable(outcome: Outcome, told: pd.DataFrame) -> NDArray[np.int64]:
    predicted_V: NDArray[np.int64] = told[outcome.probability_columns].to_numpy(np.float64).argmax(axis=1)
    return predicted_V


def _calibration_of_classes(outcome: Outcome, mean: pd.DataFrame) -> float:
    p_VC = mean[outcome.probability_columns].to_numpy(np.float64)
    return class_calibration_error(p_VC, mean[LABEL].to_numpy(np.int64))


def _predict_number(learned: ProbeInputs, new: ProbeInputs, seed: int) -> pd.DataFrame:
    """The score within its range, in units as a network gives it; visits with only a class teach nothing here."""
    outcome = learned.outcome
    scored = learned.rows(outcome.has_value(learned.visits[outcome.label_column]).to_numpy(bool))
    score_V = scored.visits[outcome.label_column].to_numpy(np.float64)
    if len(score_V) < 2:
        raise EvidenceError(
            f"{len(score_V)} of {len(learned.visits)} visits that a fold learns from have a {outcome.score_word}; a probe of it"
            " takes at least 2\n  next: score more visits, or fewer out_of_fold.folds"
        )
    fitted = fit_score_probe(scored.feature_VF, score_V, scored.strata, scored.patient_ids, seed)
    points_V = np.clip(fitted(new.feature_VF), *outcome.scale.score_range)
    return pd.DataFrame({outcome.output_columns[0]: points_V / outcome.scale.points_per_unit})


def _points(outcome: Outcome, told: pd.DataFrame) -> Floats:
    assert isinstance(outcome, PasiTotal)
    points_V: Floats = outcome.points_of(told[outcome.output_columns[0]])
    return points_V


PREDICTORS: dict[str, Predictor] = {
    "classes": Predictor(
        lambda outcome: outcome.probability_columns, _predict_classes, _most_probable, _calibration_of_classes
    ),
    "pasi": Predictor(lambda outcome: outcome.output_columns, _predict_number, _points),
    "pasi regional": Predictor(lambda outcome: outcome.output_columns[:1], _predict_number, _points),
}
