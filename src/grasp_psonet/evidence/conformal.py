"""How wide an interval around a predicted number must be to hold the label of a new patient's visit."""

# Axes: V visits of patients that trained nothing.

import math
from collections.abc import Sequence

import numpy as np

from grasp_psonet.evidence.metrics import Floats


def conformal_width(error_V: Floats, patient_ids: Sequence[str], coverage: float) -> float:
    """Half the width, in the unit of the errors, of an interval that holds a label of a new patient with this probability.

    Hierarchical conformal prediction (Lee, Barber and Willett 2023): visits of one patient resemble one another, so every
    patient counts alike, and a new patient as one more whose error is infinite. The width is the smallest error below which
    that leaves at least ``coverage``. inf where there are too few patients: 9 allow 90 %.
    """
    assert len(error_V) == len(patient_ids)
    assert 0 < coverage < 1
    names, patient_V, num_visits_P = np.unique(
        np.asarray(patient_ids, dtype=str), return_inverse=True, return_counts=True
    )
    weight_V = 1 / (num_visits_P[patient_V] * (len(names) + 1))
    order = np.argsort(np.abs(error_V), kind="stable")
    reached = np.cumsum(weight_V[order]) >= coverage - 1e-12
    return float(np.abs(error_V)[order][reached.argmax()]) if reached.any() else math.inf
