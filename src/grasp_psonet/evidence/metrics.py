"""The figures of the evaluation, each for many weightings of the visits at once.

Axes: R weightings (bootstrap replicates), V visits, C = 3 classes. A weight says how often a visit counts; the plain
figure is the one weighting with all ones. A figure that does not exist under a weighting is NaN there, never 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.cohort.severity import SEVERITIES
from grasp_psonet.errors import EvidenceError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_C = len(SEVERITIES)


@dataclass(frozen=True)
class Answers:
    """What one run said about V visits and what one reader said.

    ``p`` probabilities [V, 3], ``predicted`` and ``label`` classes 0..2 [V]. Raises EvidenceError on
    classes outside 0..2 and on probabilities that are not finite.
    """

    p: Floats
    predicted: Ints
    label: Ints

    def __post_init__(self) -> None:
        num_visits = len(self.label)
        assert self.p.shape == (num_visits, _C)
        assert self.predicted.shape == (num_visits,)
        if not np.isfinite(self.p).all():
            broken = int((~np.isfinite(self.p).all(axis=1)).sum())
            raise EvidenceError(
                f"{broken} of {num_visits} predictions hold NaN or infinity\n  next: train the run again"
            )
        for name, class_V in (("predicted", self.predicted), ("label", self.label)):
            if not np.isin(class_V, range(_C)).all():
                raise EvidenceError(
                    f"{name} classes {sorted(set(class_V.tolist()))}; wanted: 0 mild, 1 moderate, 2 severe"
                )

    def __len__(self) -> int:
        return len(self.label)


Metric = Callable[[Answers, Floats], Floats]  # (answers, weight_RV) -> value_R


def micro_auc(answers: Answers, weight_RV: Floats) -> Floats:
    """Micro-average one-vs-rest AUC [R], ties counted half; NaN where a class has no visit.

    All V x 3 probabilities go into one pool, those of each visit's own class being the positives (all three classes
    binarised). So it is the chance that a visit's probability for its own class exceeds a visit's probability for a
    class that is not its own: a sum over pairs of visits, taken once and then weighted.
    """
    own_V = answers.p[np.arange(len(answers)), answers.label]
    wrong_VC = np.arange(_C) != answers.label[:, None]
    wins_VV = np.zeros((len(answers), len(answers)))
    for c in range(_C):
        other_V = answers.p[:, c]
        wins_VV += wrong_VC[:, c] * ((own_V[:, None] > other_V) + 0.5 * (own_V[:, None] == other_V))
    total_R = weight_RV.sum(axis=1)
    value_R = _ratio(((weight_RV @ wins_VV) * weight_RV).sum(axis=1), total_R * total_R * (_C - 1))
    return np.where(has_all_classes(answers.label, weight_RV), value_R, np.nan)


def linear_kappa(answers: Answers, weight_RV: Floats) -> Floats:
    """Linearly weighted Cohen's kappa [R] over the classes 0..2; NaN where chance alone predicts no disagreement."""
    confusion_RCC = weighted_confusion(answers, weight_RV)
    distance_CC = np.abs(np.arange(_C)[:, None] - np.arange(_C))
    total_R = confusion_RCC.sum(axis=(1, 2))
    by_chance_RCC = confusion_RCC.sum(axis=2)[:, :, None] * confusion_RCC.sum(axis=1)[:, None, :]
    observed_R = (confusion_RCC * distance_CC).sum(axis=(1, 2)) * total_R
    expected_R = (by_chance_RCC * distance_CC).sum(axis=(1, 2))
    return 1 - _ratio(observed_R, expected_R)


def accuracy(answers: Answers, weight_RV: Floats) -> Floats:
    """Fraction of visits [R] whose predicted class is the reader's."""
    return _ratio(weight_RV @ (answers.predicted == answers.label).astype(np.float64), weight_RV.sum(axis=1))


def weighted_confusion(answers: Answers, weight_RV: Floats) -> Floats:
    """Counts [R, 3 by label, 3 by prediction]."""
    cell_VK = np.eye(_C * _C)[answers.label * _C + answers.predicted]
    count_RCC: Floats = (weight_RV @ cell_VK).reshape(-1, _C, _C)
    return count_RCC


def confusion(answers: Answers) -> Ints:
    """Counts [3 by label, 3 by prediction]."""
    count_CC: Ints = weighted_confusion(answers, np.ones((1, len(answers))))[0].astype(np.int64)
    return count_CC


def has_all_classes(label_V: Ints, weight_RV: Floats) -> NDArray[np.bool]:
    """Whether every class has a visit under each weighting [R]."""
    count_RC: Floats = weight_RV @ np.eye(_C)[label_V]
    return np.asarray((count_RC > 0).all(axis=1), dtype=np.bool)


def _ratio(top_R: Floats, bottom_R: Floats) -> Floats:
    value_R: Floats = np.divide(top_R, bottom_R, out=np.full(len(top_R), np.nan), where=bottom_R > 0)
    return value_R


METRICS: dict[str, Metric] = {"auc": micro_auc, "kappa": linear_kappa, "accuracy": accuracy}
