"""Calibration: whether what is said to happen with a probability happens that often. Axes: V visits, C classes."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def calibration_error(p_V: Floats, happened_V: NDArray[np.bool], num_bins: int = 10) -> float:
    """Expected calibration error: mean distance, over bins of equally many visits by rising probability, between the mean
    probability and how often it happened; NaN without visits. Bins are fewer where visits are.
    """
    order_V = np.argsort(p_V, kind="stable")
    bins = [part for part in np.array_split(order_V, num_bins) if len(part)]
    if not bins:
        return float("nan")
    distance = [abs(float(p_V[part].mean()) - float(happened_V[part].mean())) * len(part) for part in bins]
    return sum(distance) / len(p_V)


def class_calibration_error(p_VC: Floats, label_V: NDArray[np.int64], num_bins: int = 10) -> float:
    """Expected calibration error of the most probable class (Guo et al. 2017, bins of equally many visits)."""
    return calibration_error(p_VC.max(axis=1), p_VC.argmax(axis=1) == label_V, num_bins)
