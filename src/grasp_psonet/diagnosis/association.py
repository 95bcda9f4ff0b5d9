"""How a trait goes with a class: in training, in validation, and by how much more in training, with intervals over patients.

Axes: P photos, A patients, V views, W weightings of the patients (each once, then replicates).
"""

from dataclasses import dataclass

import numpy as np

from grasp_psonet.diagnosis.permutation import Bools, Photos
from grasp_psonet.diagnosis.traits import Floats
from grasp_psonet.evidence.intervals import MIN_PATIENTS, resample_patients

REPLICATES = 400
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Excess:
    """By how much the share of photos with a trait is higher, 95 % interval; low and high are None where there is none."""

    value: float
    low: float | None
    high: float | None

    def is_at_least(self, least: float) -> bool:
        """Whether it is so large, and above 0 for certain."""
        return self.value >= least and self.low is not None and self.low > 0


@dataclass(frozen=True)
class Association:
    """``in_training``: by how much more of the photos of the class have the trait than of other classes, in training.
    ``beyond_validation``: that less the same in validation."""

    in_training: Excess
    beyond_validation: Excess


def association(has_P: Bools, is_class_P: Bools, photos: Photos, is_train_P: Bools, seed: int) -> Association | None:
    """How the trait goes with the class, patients drawn anew in either split; None where a split has no photos of the class in
    a view that another class has, too."""
    values = []
    num_patients = []
    for split, chosen_P in (("train", is_train_P), ("val", ~is_train_P)):
        rows = np.flatnonzero(chosen_P)
        own = photos.rows(rows)
        excess_W = _excess(has_P[rows], is_class_P[rows], own, (seed, split))
        if not len(excess_W) or not np.isfinite(excess_W[0]):
            return None
        values.append(excess_W)
        num_patients.append(len(np.unique(own.patient_P[is_class_P[rows]])))
    train_W, val_W = values
    return Association(_with_interval(train_W, num_patients[0]), _with_interval(train_W - val_W, min(num_patients)))


def _excess(has_P: Bools, is_class_P: Bools, photos: Photos, key: tuple[int, str]) -> Floats:
    """Excess [W] of the class over other classes in views that both have; NaN where a weighting leaves no such view."""
    if not len(has_P):
        return np.zeros(0)
    patient_A, patient_P = np.unique(photos.patient_P, return_inverse=True)
    shape = (len(patient_A), int(photos.view_P.max()) + 1)

    def counts(which_P: Bools) -> Floats:
        cell_P = patient_P[which_P] * shape[1] + photos.view_P[which_P]
        return np.asarray(np.bincount(cell_P, minlength=shape[0] * shape[1]).reshape(shape), dtype=np.float64)

    drawn = resample_patients([str(one) for one in patient_A], REPLICATES, *key, "class of a trait")
    weight_WA = np.vstack([np.ones((1, len(patient_A))), drawn.weight])
    own_WV, own_has_WV = weight_WA @ counts(is_class_P), weight_WA @ counts(is_class_P & has_P)
    other_WV, other_has_WV = weight_WA @ counts(~is_class_P), weight_WA @ counts(~is_class_P & has_P)
    has_others_WV = other_WV > 0
    share_WV = np.divide(other_has_WV, other_WV, out=np.zeros_like(other_WV), where=has_others_WV)
    beyond_W = ((own_has_WV - own_WV * share_WV) * has_others_WV).sum(axis=1)
    num_W = (own_WV * has_others_WV).sum(axis=1)
    excess_W: Floats = np.divide(beyond_W, num_W, out=np.full(len(num_W), np.nan), where=num_W > 0)
    return excess_W


def _with_interval(value_W: Floats, num_patients: int) -> Excess:
    """The first weighting's value and percentiles of the others; no interval where too few patients are of the class."""
    value, usable = float(value_W[0]), value_W[1:][np.isfinite(value_W[1:])]
    if num_patients < MIN_PATIENTS or 2 * len(usable) < REPLICATES:
        return Excess(value, None, None)
    low, high = np.quantile(usable, ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2))
    return Excess(value, float(low), float(high))
