"""The figures of a scale of classes, each for many weightings of the visits at once.

Axes: R weightings (bootstrap replicates), V visits, C classes. A weight says how often a visit counts; the plain
figure is the one weighting with all ones. A figure that does not exist under a weighting is NaN there, never 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.errors import EvidenceError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What one run said about V visits and what one reader said.

    ``p`` probabilities [V, C], ``predicted`` and ``label`` classes 0..C-1 [V]. Raises EvidenceError on
    classes outside 0..C-1 and on probabilities that are not finite.
    """

    p: Floats
    predicted: Ints
    label: Ints

    def __post_init__(self) -> None:
        num_visits = len(self.label)
        assert self.p.ndim == 2
        assert len(self.p) == num_visits
        assert self.predicted.shape == (num_visits,)
        if not np.isfinite(self.p).all():
            broken = int((~np.isfinite(self.p).all(axis=1)).sum())
            raise EvidenceError(
                f"{broken} of {num_visits} predictions hold NaN or infinity\n  next: train the run again"
            )
        for name, class_V in (("predicted", self.predicted), ("label", self.label)):
            if not np.isin(class_V, range(self.num_classes)).all():
                raise EvidenceError(
                    f"{name} classes {sorted(set(class_V.tolist()))}; wanted: 0 to {self.num_classes - 1}"
                )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def num_classes(self) -> int:
        return int(self.p.shape[1])


def micro_auc(answers: Answers, weight_RV: Floats) -> Floats:
    """Micro-average one-vs-rest AUC [R], ties counted half; NaN where a class has no visit.

    All V x C probabilities go into one pool, those of each visit's own class being the positives (all classes, also
    two, binarised). So it is the chance that a visit's probability for its own class exceeds a visit's probability for a
    class that is not its own: a sum over pairs of visits, taken once and then weighted.
    """
    num_classes = answers.num_classes
    own_V = answers.p[np.arange(len(answers)), answers.label]
    wrong_VC = np.arange(num_classes) != answers.label[:, None]
    wins_VV = np.zeros((len(answers), len(answers)))
    for c in range(num_classes):
        other_V = answers.p[:, c]
        wins_VV += wrong_VC[:, c] * ((own_V[:, None] > other_V) + 0.5 * (own_V[:, None] == other_V))
    total_R = weight_RV.sum(axis=1)
    value_R = _ratio(((weight_RV @ wins_VV) * weight_RV).sum(axis=1), total_R * total_R * (num_classes - 1))
    return np.where(has_all_classes(answers, weight_RV), value_R, np.nan)


def linear_kappa(answers: Answers, weight_RV: Floats) -> Floats:
    """Linearly weighted Cohen's kappa [R] over the classes 0..C-1; NaN where chance alone predicts no disagreement."""
    confusion_RCC = weighted_confusion(answers, weight_RV)
    distance_CC = np.abs(np.arange(answers.num_classes)[:, None] - np.arange(answers.num_classes))
    total_R = confusion_RCC.sum(axis=(1, 2))
    by_chance_RCC = confusion_RCC.sum(axis=2)[:, :, None] * confusion_RCC.sum(axis=1)[:, None, :]
    observed_R = (confusion_RCC * distance_CC).sum(axis=(1, 2)) * total_R
    expected_R = (by_chance_RCC * distance_CC).sum(axis=(1, 2))
    return 1 - _ratio(observed_R, expected_R)


def accuracy(answers: Answers, weight_RV: Floats) -> Floats:
    """Fraction of visits [R] whose predicted class is the reader's."""
    return _ratio(weight_RV @ (answers.predicted == answers.label).astype(np.float64), weight_RV.sum(axis=1))


def weighted_confusion(answers: Answers, weight_RV: Floats) -> Floats:
    """Counts [R, C by label, C by prediction]."""
    num_classes = answers.num_classes
    cell_VK = np.eye(num_classes**2)[answers.label * num_classes + answers.predicted]
    count_RCC: Floats = (weight_RV @ cell_VK).reshape(-1, num_classes, num_classes)
    return count_RCC


def confusion(answers: Answers) -> Ints:
    """Counts [C by label, C by prediction]."""
    count_CC: Ints = weighted_confusion(answers, np.ones((1, len(answers))))[0].astype(np.int64)
    return count_CC


def has_all_classes(answers: Answers, weight_RV: Floats) -> NDArray[np.bool]:
    """Whether every class is the label of a visit under each weighting [R]."""
    count_RC: Floats = weight_RV @ np.eye(answers.num_classes)[answers.label]
    return np.asarray((count_RC > 0).all(axis=1), dtype=np.bool)


def _ratio(top_R: Floats, bottom_R: Floats) -> Floats:
    value_R: Floats = np.divide(top_R, bottom_R, out=np.full(len(top_R), np.nan), where=bottom_R > 0)
    return value_R
