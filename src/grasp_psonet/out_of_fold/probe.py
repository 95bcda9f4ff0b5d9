"""The probe: a linear model on the mean feature of a bag, the plainest thing that a trained network has to beat.

Classes by logistic regression, scores by ridge regression. Features are standardised and turned onto their principal axes,
both learned on the training visits alone; with a penalty on the squared weights the turn changes no prediction and makes
the fit as small as the number of visits. The strength of the penalty is the one that predicts held-out patients of the
training visits best.

Axes: V visits, F features, K principal axes, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from grasp_psonet.out_of_fold.folds import patient_folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES = (1e1, 1e2, 3e2, 1e3, 1e4)  # on half the sum of squared weights, beside the summed loss of the visits
_INNER_FOLDS = 3
_MAX_STEPS = 2000
_LEAST_P = 1e-12


@dataclass(frozen=True)
class Axes:
    """How features become coordinates: less ``mean_F``, over ``spread_F``, onto ``axis_FK``."""

    mean_F: Floats
    spread_F: Floats
    axis_FK: Floats

    def __call__(self, feature_VF: Floats) -> Floats:
        coordinate_VK: Floats = (feature_VF - self.mean_F) / self.spread_F @ self.axis_FK
        return coordinate_VK


@dataclass(frozen=True)
class Probe:
    """A fitted probe: class probabilities [V, C] of features [V, F]. ``penalty`` is the chosen one, 0 where none was needed."""

    axes: Axes
    weight_KC: Floats
    bias_C: Floats
    penalty: float

    def __call__(self, feature_VF: Floats) -> Floats:
        logit_VC = self.axes(feature_VF) @ self.weight_KC + self.bias_C
        odds_VC = np.exp(logit_VC - logit_VC.max(axis=1, keepdims=True))
        p_VC: Floats = odds_VC / odds_VC.sum(axis=1, keepdims=True)
        return p_VC


@dataclass(frozen=True)
class ScoreProbe:
    """A fitted probe of a number: value [V] of features [V, F]."""

    axes: Axes
    weight_K: Floats
    bias: float
    penalty: float

    def __call__(self, feature_VF: Floats) -> Floats:
        value_V: Floats = self.axes(feature_VF) @ self.weight_K + self.bias
        return value_V


def fit_probe(feature_VF: Floats, label_V: Ints, num_classes: int, patient_ids: Sequence[str], seed: int) -> Probe:
    """Logistic regression of the class. A class without a training visit gets probability 0."""
    axes = principal_axes(feature_VF)
    coordinate_VK = axes(feature_VF)

    def held_out_loss(penalty: float, learned: NDArray[np.bool]) -> float:
        weight_KC, bias_C = _logistic(coordinate_VK[learned], label_V[learned], num_classes, penalty)
        p_VC = Probe(axes, weight_KC, bias_C, penalty)(feature_VF[~learned])
        return float(-np.log(np.maximum(p_VC[np.arange(len(p_VC)), label_V[~learned]], _LEAST_P)).sum())

    penalty = _best_penalty(held_out_loss, patient_ids, label_V, seed) if len(np.unique(label_V)) > 1 else 0.0
    return Probe(axes, *_logistic(coordinate_VK, label_V, num_classes, penalty), penalty)


def fit_score_probe(
    feature_VF: Floats, score_V: Floats, label_V: Ints, patient_ids: Sequence[str], seed: int
) -> ScoreProbe:
    """Ridge regression of a number; ``label_V`` (any classes) only spreads the held-out patients."""
    axes = principal_axes(feature_VF)
    coordinate_VK = axes(feature_VF)

    def held_out_loss(penalty: float, learned: NDArray[np.bool]) -> float:
        ridge = Ridge(alpha=penalty).fit(coordinate_VK[learned], score_V[learned])
        return float(((ridge.predict(coordinate_VK[~learned]) - score_V[~learned]) ** 2).sum())

    penalty = _best_penalty(held_out_loss, patient_ids, label_V, seed)
    ridge = Ridge(alpha=penalty).fit(coordinate_VK, score_V)
    return ScoreProbe(axes, ridge.coef_, float(ridge.intercept_), penalty)


def principal_axes(feature_VF: Floats) -> Axes:
    """Standardisation and principal axes of these features; one that never varies is left as it is."""
    mean_F, spread_F = feature_VF.mean(axis=0), feature_VF.std(axis=0)
    spread_F = np.where(spread_F > 0, spread_F, 1.0)
    _, _, axis_KF = np.linalg.svd((feature_VF - mean_F) / spread_F, full_matrices=False)
    return Axes(mean_F, spread_F, axis_KF.T)


def _best_penalty(
    loss_of: Callable[[float, NDArray[np.bool]], float], patient_ids: Sequence[str], label_V: Ints, seed: int
) -> float:
    """The penalty of least loss on held-out patients, the strongest of equals; the middle one where too few can be held out."""
    num_patients = len(set(patient_ids))
    if num_patients < _INNER_FOLDS:
        return PENALTIES[len(PENALTIES) // 2]
    fold_V = patient_folds(patient_ids, label_V, _INNER_FOLDS, "penalty", seed)
    losses = {
        penalty: sum(loss_of(penalty, fold_V != fold) for fold in range(_INNER_FOLDS)) for penalty in PENALTIES[::-1]
    }
    return min(losses, key=losses.__getitem__)


def _logistic(coordinate_VK: Floats, label_V: Ints, num_classes: int, penalty: float) -> tuple[Floats, Floats]:
    """Weights [K, C] and biases [C]; a class that is not there has bias minus infinity."""
    present = np.unique(label_V)
    weight_KC = np.zeros((coordinate_VK.shape[1], num_classes))
    bias_C = np.full(num_classes, -np.inf)
    if len(present) == 1:
        bias_C[present] = 0.0
        return weight_KC, bias_C
    fit = LogisticRegression(C=1 / penalty, max_iter=_MAX_STEPS).fit(coordinate_VK, label_V)
    if len(present) == 2:  # one logit stands for two
        weight_KC[:, present[1]], bias_C[present] = fit.coef_[0], (0.0, float(fit.intercept_[0]))
        return weight_KC, bias_C
    weight_KC[:, present], bias_C[present] = fit.coef_.T, fit.intercept_
    return weight_KC, bias_C
