"""The figures of a number, each for many weightings of the visits at once, as those of classes in ``metrics.py``.

Axes: R weightings (bootstrap replicates), V visits, C cut-offs. A weight says how often a visit counts. A figure that does not
exist under a weighting is NaN there, never 0. Differences are what was predicted less what the reader said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.metrics import Answers, accuracy, linear_kappa
from grasp_psonet.evidence.reliability import icc_2_1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LIMITS_SD = 1.96  # standard deviations of the differences on either side of the bias: limits of agreement


@dataclass(frozen=True)
class Numbers:
    """What one run said about V visits and what one reader said, in points.

    ``predicted_class`` and ``label_class`` [V]: the classes 0..``num_classes`` - 1 that the cut-offs make of them. ``noise``:
    points beyond which two readings differ; None where no figure asks for it. ``is_scored`` [V]: which labels are numbers, and
    not a class alone; None: all. Raises EvidenceError on values that are not
    finite.
    """

    predicted: Floats
    label: Floats
    predicted_class: Ints
    label_class: Ints
    num_classes: int
    noise: float | None = None
    is_scored: "NDArray[np.bool_] | None" = None

    def __post_init__(self) -> None:
        assert self.predicted.shape == self.label.shape == self.predicted_class.shape == self.label_class.shape
        for name, value_V in (("predictions", self.predicted), ("labels", self.label)):
            if not np.isfinite(value_V).all():
                broken = int((~np.isfinite(value_V)).sum())
                raise EvidenceError(
                    f"{broken} of {len(value_V)} {name} are NaN or infinite\n  next: train the run again"
                )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def scored(self) -> "Numbers":
        """The visits whose labels are numbers."""
        if self.is_scored is None:
            return self
        at_V = self.is_scored
        classes = (self.predicted_class[at_V], self.label_class[at_V])
        return Numbers(self.predicted[at_V], self.label[at_V], *classes, self.num_classes, self.noise)

    @property
    def difference(self) -> Floats:
        """Predicted less label [V]."""
        return self.predicted - self.label

    @property
    def classes(self) -> Answers:
        """The same as classes; probabilities are 0 and 1."""
        p_VC = np.eye(self.num_classes)[self.predicted_class]
        return Answers(p_VC, self.predicted_class, self.label_class)


def of_scores(value: Callable[[Numbers, Floats], Floats]) -> Callable[[Numbers, Floats], Floats]:
    """The same figure of the visits whose labels are numbers."""
    return partial(_of_scored, value=value)


def _of_scored(numbers: Numbers, weight_RV: Floats, value: Callable[[Numbers, Floats], Floats]) -> Floats:
    if numbers.is_scored is None:
        return value(numbers, weight_RV)
    return value(numbers.scored, weight_RV[:, numbers.is_scored])


def mean_absolute_error(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Mean distance [R] between prediction and label, in points."""
    return _mean(np.abs(numbers.difference), weight_RV)


def bias(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Mean difference [R] in points: above 0 where too much is predicted."""
    return _mean(numbers.difference, weight_RV)


def lower_limit(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Lower limit of agreement [R]: bias less 1.96 standard deviations of the differences (Bland & Altman 1986)."""
    return bias(numbers, weight_RV) - LIMITS_SD * _deviation(numbers.difference, weight_RV)


def upper_limit(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Upper limit of agreement [R]."""
    return bias(numbers, weight_RV) + LIMITS_SD * _deviation(numbers.difference, weight_RV)


def absolute_agreement(numbers: Numbers, weight_RV: Floats) -> Floats:
    """ICC(2,1) [R] of prediction and label: two-way, absolute agreement, single."""
    return icc_2_1(np.column_stack([numbers.predicted, numbers.label]), weight_RV)


def concordance(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Lin's concordance correlation [R] (Lin 1989, with variances over n); NaN where both are constant and the same."""
    first_R, second_R = _mean(numbers.predicted, weight_RV), _mean(numbers.label, weight_RV)
    spread_R = _variance(numbers.predicted, weight_RV) + _variance(numbers.label, weight_RV)
    together_R = _covariance(numbers.predicted, numbers.label, weight_RV)
    return _ratio(2 * together_R, spread_R + (first_R - second_R) ** 2, _least(numbers.label))


def calibration_slope(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Slope [R] of the label on the prediction by least squares: 1 is right, below 1 the predictions lie too far apart.

    NaN where all predictions are one number.
    """
    together_R = _covariance(numbers.predicted, numbers.label, weight_RV)
    return _ratio(together_R, _variance(numbers.predicted, weight_RV), _least(numbers.predicted))


def calibration_intercept(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Intercept [R] of the same line, in points: the label where 0 is predicted."""
    slope_R = calibration_slope(numbers, weight_RV)
    return _mean(numbers.label, weight_RV) - slope_R * _mean(numbers.predicted, weight_RV)


def within_noise(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Part of the visits [R] that are predicted as near the label as readers lie to each other."""
    assert numbers.noise is not None, "the readers' noise is not known"
    return _mean((np.abs(numbers.difference) <= numbers.noise).astype(np.float64), weight_RV)


def class_auc(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Mean over the cut-offs [R] of the AUC with which the predicted number tells visits beyond a cut-off, by the reader, from
    those below; ties count half. NaN where a cut-off has no visit on one side."""
    higher_VV = numbers.predicted[:, None] - numbers.predicted
    wins_VV = (higher_VV > 0) + 0.5 * (higher_VV == 0)
    total_R = np.zeros(len(weight_RV))
    for cut in range(1, numbers.num_classes):
        above_RV = weight_RV * (numbers.label_class >= cut)
        below_RV = weight_RV * (numbers.label_class < cut)
        won_R = ((above_RV @ wins_VV) * below_RV).sum(axis=1)
        total_R += _ratio(won_R, above_RV.sum(axis=1) * below_RV.sum(axis=1))
    mean_R: Floats = total_R / (numbers.num_classes - 1)
    return mean_R


def class_kappa(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Linearly weighted kappa [R] of the classes that the cut-offs make of both numbers."""
    return linear_kappa(numbers.classes, weight_RV)


def class_accuracy(numbers: Numbers, weight_RV: Floats) -> Floats:
    """Part of the visits [R] whose predicted number falls in the reader's class."""
    return accuracy(numbers.classes, weight_RV)


def bias_of_third(numbers: Numbers, weight_RV: Floats, third: int) -> Floats:
    """Mean difference [R] among the visits of one third (0 lowest, 1, 2) by the mean of prediction and label.

    The thirds are those of the visits themselves and stay the same under every weighting.
    """
    middle_V = (numbers.predicted + numbers.label) / 2
    if not len(middle_V):
        return np.full(len(weight_RV), np.nan)
    third_V = np.searchsorted(np.quantile(middle_V, (1 / 3, 2 / 3)), middle_V, side="left")
    return _mean(numbers.difference, weight_RV * (third_V == third))


def _mean(value_V: Floats, weight_RV: Floats) -> Floats:
    return _ratio(weight_RV @ value_V, weight_RV.sum(axis=1))


def _covariance(first_V: Floats, second_V: Floats, weight_RV: Floats) -> Floats:
    """Over n, about weighted means; values are centred first, so that large ones keep their digits."""
    first_V, second_V = (value_V - (value_V.mean() if len(value_V) else 0.0) for value_V in (first_V, second_V))
    return _mean(first_V * second_V, weight_RV) - _mean(first_V, weight_RV) * _mean(second_V, weight_RV)


def _variance(value_V: Floats, weight_RV: Floats) -> Floats:
    return np.maximum(_covariance(value_V, value_V, weight_RV), 0.0)


def _deviation(value_V: Floats, weight_RV: Floats) -> Floats:
    """Standard deviation over n - 1 [R]; NaN for a single visit."""
    num_R = weight_RV.sum(axis=1)
    return np.sqrt(_ratio(_variance(value_V, weight_RV) * num_R, num_R - 1))


def _least(value_V: Floats) -> float:
    """What is rounding of a variance of such values."""
    return 1e-12 * max(1.0, float((value_V**2).max(initial=0.0)))


def _ratio(top_R: Floats, bottom_R: Floats, least: float = 0.0) -> Floats:
    value_R: Floats = np.divide(top_R, bottom_R, out=np.full(len(top_R), np.nan), where=bottom_R > least)
    return value_R
