"""Calibration: whether what is said to happen with a probability happens that often. Axes: V visits, C classes."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]
_LEAST_P = 1e-12
_MOST_TEMPERATURE = 20.0


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


def fit_temperature(logit_VC: Floats, label_V: NDArray[np.int64]) -> float:
    """The temperature by which logits are divided so that the labels are most likely (Guo et al. 2017); 0.05 to 20.

    It changes no order of the classes. Above 1: what was said was too sure.
    """

    def loss(log_temperature: float) -> float:
        p_VC = with_temperature(logit_VC, float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(p_VC[np.arange(len(label_V)), label_V], _LEAST_P)).mean())

    bound = np.log(_MOST_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def with_temperature(logit_VC: Floats, temperature: float) -> Floats:
    """The classes' probabilities [V, C] of logits divided by the temperature."""
    scaled_VC = logit_VC / temperature
    odds_VC = np.exp(scaled_VC - scaled_VC.max(axis=1, keepdims=True))
    p_VC: Floats = odds_VC / odds_VC.sum(axis=1, keepdims=True)
    return p_VC
