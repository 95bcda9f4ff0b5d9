"""What the photos that stand out look like, learned from their features, and which others look like it.

Photos that stand out are few of those that carry a pattern. They are examples of it; the other photos of their class may
carry it or not, and photos of other classes mostly do not: a logistic regression of the examples against all the rest, on
features less the mean of their class, gives every photo an evidence. Within a class that has examples the evidence falls
into two heaps, which Otsu's threshold parts (Otsu 1979). Axes: P photos, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from grasp_psonet.features.store import unit_length
from grasp_psonet.pruning.stand_out import Flags, Floats

NUM_FOLDS = 5  # of patients: no photo is judged by a model that saw its patient
_INVERSE_PENALTY = 3e-3  # beside standardised features
_MAX_STEPS = 1000
_LEAST_SPREAD = 1e-9


@dataclass(frozen=True, eq=False)
class Photos:
    """Training photos: their features, the group (class) within which they are compared, and whose they are."""

    feature_PF: Floats
    group_P: NDArray[np.int64]
    patient_P: NDArray[np.int64]


def pattern_evidence(photos: Photos, example_P: Flags) -> Floats:
    """Log odds [P] that a photo carries what the examples share, out of fold by patient.

    NaN everywhere where there is nothing to learn: no example, or all of them of one patient.
    """
    evidence_P = np.full(len(example_P), np.nan)
    if len(np.unique(photos.patient_P[example_P])) < 2:
        return evidence_P
    standard_PF = _within_groups(photos)
    folds = GroupKFold(min(NUM_FOLDS, len(np.unique(photos.patient_P))))
    for learned, judged in folds.split(standard_PF, example_P, photos.patient_P):
        if not example_P[learned].any() or example_P[learned].all():
            return np.full(len(example_P), np.nan)
        model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_MAX_STEPS, class_weight="balanced")
        model.fit(standard_PF[learned], example_P[learned])
        evidence_P[judged] = model.decision_function(standard_PF[judged])
    return evidence_P


def carries_pattern(evidence_P: Floats, group_P: NDArray[np.int64], example_P: Flags) -> Flags:
    """Photos [P] above Otsu's threshold of their group, in groups that have examples, and the examples; none without evidence.

    The threshold always parts a group in two, also where its evidence is one heap: then about half of the group is named.
    """
    found_P = np.zeros(len(evidence_P), dtype=np.bool)
    if np.isnan(evidence_P).any():
        return found_P
    for group in np.unique(group_P[example_P]):
        rows = np.flatnonzero(group_P == group)
        found_P[rows] = evidence_P[rows] > otsu_threshold(evidence_P[rows])
    return found_P | example_P


def otsu_threshold(value_P: Floats) -> float:
    """The threshold that parts values into two heaps of least spread within (Otsu 1979), halfway between its neighbours.

    The largest value, above which there is none, where all are equal.
    """
    value_P = np.sort(value_P)
    if len(value_P) < 2 or value_P[0] == value_P[-1]:
        return float(value_P[-1]) if len(value_P) else float("nan")
    num_below = np.arange(1, len(value_P))
    sum_below = np.cumsum(value_P)[:-1]
    mean_below, mean_above = sum_below / num_below, (value_P.sum() - sum_below) / (len(value_P) - num_below)
    between = num_below * (len(value_P) - num_below) * (mean_above - mean_below) ** 2
    cut = int(between.argmax())
    return float((value_P[cut] + value_P[cut + 1]) / 2)


def _within_groups(photos: Photos) -> Floats:
    """Each photo's features less their own mean, at length 1; then less the mean of the group, over the spread of all."""
    feature_PF = unit_length(photos.feature_PF)
    for group in np.unique(photos.group_P):
        rows = photos.group_P == group
        feature_PF[rows] -= feature_PF[rows].mean(axis=0)
    standard_PF: Floats = feature_PF / np.maximum(feature_PF.std(axis=0), _LEAST_SPREAD)
    return standard_PF
