"""Neighbour ratio: a visit that lies nearer to visits of other classes than to its own (Groeger et al. 2024, SelfClean).

Axes: V visits, F features.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def neighbour_ratio(feature_VF: Floats, label_V: NDArray[np.int64], patient_ids: Sequence[str]) -> Floats:
    """d_same^2 / (d_same^2 + d_other^2) [V], by the nearest visit of the label's class and the nearest of any other.

    Distance is the angle's 1 - cos between standardised features. A patient's own visits are no neighbours: they look alike
    whatever their labels. Above .5 the nearest is of another class; .5 where a visit has no neighbour of either kind.
    """
    spread_F = feature_VF.std(axis=0)
    z_VF = (feature_VF - feature_VF.mean(axis=0)) / np.where(spread_F > 0, spread_F, 1.0)
    length_V = np.linalg.norm(z_VF, axis=1, keepdims=True)
    z_VF = z_VF / np.where(length_V > 0, length_V, 1.0)
    distance_VV = np.clip(1 - z_VF @ z_VF.T, 0.0, 2.0)
    patient_V = np.asarray(patient_ids, dtype=str)
    distance_VV[patient_V[:, None] == patient_V] = np.inf
    is_same_VV = label_V[:, None] == label_V
    same_V = np.where(is_same_VV, distance_VV, np.inf).min(axis=1)
    other_V = np.where(is_same_VV, np.inf, distance_VV).min(axis=1)
    known_V = np.isfinite(same_V) & np.isfinite(other_V) & (same_V + other_V > 0)
    ratio_V = np.full(len(label_V), 0.5)
    ratio_V[known_V] = same_V[known_V] ** 2 / (same_V[known_V] ** 2 + other_V[known_V] ** 2)
    return ratio_V
