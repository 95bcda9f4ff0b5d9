"""How a visit is read: where it truly lies given the prediction, and what readers make of that.

On the latent scale (``latent_scale.py``) the true place is S ~ N(intercept + slope * predicted, spread^2). A reader sees it
with normal noise, or, rarely, makes a gross error and reads as of a visit drawn at random. All of it is estimated from the
study's own readings, visits read twice telling the noise apart from the error of the prediction; weak priors stand in for
what they leave open.

Axes: V visits, G places on a grid around each visit's prediction, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, ndtr, ndtri

from grasp_psonet.audit.latent_scale import Intervals, class_intervals
from grasp_psonet.errors import EvidenceError

Floats = NDArray[np.float64]

PRIOR_RELIABILITY = 0.9  # part of the variance of readings that is true: ICC of PASI read from photos
PRIOR_GROSS = 0.03
_PRIOR_SD_LOG_NOISE, _PRIOR_SD_LOGIT_GROSS = 1.0, 2.0
_NODES_G = np.linspace(-4.0, 4.0, 61)
_LEAST = 1e-300
_LEAST_GAP = 0.05


@dataclass(frozen=True)
class ReaderModel:
    """``noise``: standard deviation of a reading around the truth; ``gross``: chance of a gross error, whose readings are
    N(mean, sd^2); ``spread``: standard deviation of the truth around the prediction. All on the latent scale."""

    intercept: float
    slope: float
    spread: float
    noise: float
    gross: float
    mean: float
    sd: float
    num_twice: int = 0

    def places(self, predicted_V: Floats) -> tuple[Floats, Floats]:
        """Grid of true places [V, G] around each visit's prediction, and their prior weights [G], which add up to 1."""
        weight_G = np.exp(-(_NODES_G**2) / 2)
        centre_V = self.intercept + self.slope * predicted_V
        return centre_V[:, None] + self.spread * _NODES_G, weight_G / weight_G.sum()

    def chance_of(self, read: Intervals, place_VG: Floats) -> Floats:
        """Chance [V, G] that a reader of a visit at each place gives a reading in the visit's interval."""
        honest_VG = mass(read.low[:, None], read.high[:, None], place_VG, self.noise)
        slip_V = mass(read.low, read.high, self.mean, self.sd)
        chance_VG: Floats = (1 - self.gross) * honest_VG + self.gross * slip_V[:, None]
        return chance_VG


def mass(low: Floats, high: Floats, mean: Floats | float, sd: float) -> Floats:
    """Normal probability of an interval; taken in the tail where it is small, so that far intervals keep their digits."""
    a, b = (low - mean) / sd, (high - mean) / sd
    sign = np.where(a > 0, -1.0, 1.0)
    probability: Floats = np.abs(ndtr(sign * b) - ndtr(sign * a))
    return probability


def log_likelihood(model: ReaderModel, predicted_V: Floats, first: Intervals, second: Intervals) -> float:
    """Log probability of all readings: Reader 1's of every visit, with Reader 2's where there is one."""
    twice = ~np.isnan(second.low)
    place_VG, weight_G = model.places(predicted_V[twice])
    both_VG = model.chance_of(first.rows(twice), place_VG) * model.chance_of(second.rows(twice), place_VG)
    once, centre_V = first.rows(~twice), model.intercept + model.slope * predicted_V[~twice]
    honest_V = mass(once.low, once.high, centre_V, float(np.hypot(model.spread, model.noise)))
    once_V = (1 - model.gross) * honest_V + model.gross * mass(once.low, once.high, model.mean, model.sd)
    return float(np.log(np.maximum(np.concatenate([both_VG @ weight_G, once_V]), _LEAST)).sum())


def fit_to_scores(predicted_V: Floats, first: Intervals, second: Intervals, latent_V: Floats) -> ReaderModel:
    """The model of readings that are scores; ``latent_V``: Reader 1's on the latent scale."""
    mean, sd = float(latent_V.mean()), float(max(latent_V.std(), 1e-3))
    slope, intercept = np.polyfit(predicted_V, latent_V, 1) if np.ptp(predicted_V) > 0 else (0.0, mean)
    residual = float(max((latent_V - intercept - slope * predicted_V).std(), 0.1 * sd))
    prior_noise = np.sqrt(1 - PRIOR_RELIABILITY) * sd

    def model_at(x: Floats) -> ReaderModel:
        return ReaderModel(x[0], x[1], _exp(x[2]), _exp(x[3]), expit(x[4]), mean, sd, _num_twice(second))

    start = np.array([intercept, slope, np.log(residual), np.log(prior_noise), logit(PRIOR_GROSS)])
    return _most_probable(model_at, start, np.log(prior_noise), lambda x: (predicted_V, first, second))[0]


def fit_to_classes(
    predicted_V: Floats, first: "pd.Series[int]", second: "pd.Series[int]", num_classes: int
) -> tuple[ReaderModel, Floats]:
    """The model of readings that are classes, and the class edges [C + 1] on the scale where a reading's variance around
    the prediction is 1. Raises EvidenceError where Reader 1 gave a single class.
    """
    class_V = first.to_numpy(np.int64)
    if len(np.unique(class_V)) < 2:
        raise EvidenceError("Reader 1 gave one class alone: there is no scale to place visits on")
    reached_C = np.array([(class_V >= c).mean() for c in range(1, num_classes)])
    middle, sd = float(predicted_V.mean()), float(predicted_V.std())
    start_edge_C = middle - np.sqrt(1 + sd**2) * ndtri(np.clip(reached_C, 1e-3, 1 - 1e-3))
    gap_C = np.maximum(np.diff(start_edge_C), _LEAST_GAP)
    prior_noise = np.sqrt((1 - PRIOR_RELIABILITY) * (1 + sd**2))

    def model_at(x: Floats) -> ReaderModel:
        share = expit(x[1])
        slope = float(x[0])
        total = float(np.sqrt(slope**2 * sd**2 + 1))
        return ReaderModel(
            0.0,
            slope,
            np.sqrt(1 - share),
            np.sqrt(share),
            expit(x[2]),
            slope * middle,
            total,
            int(second.notna().sum()),
        )

    def edges_at(x: Floats) -> Floats:
        return np.concatenate([[-np.inf, x[3]], x[3] + _exp(x[4:]).cumsum(), [np.inf]])

    start = np.array([1.0, logit(min(prior_noise**2, 0.8)), logit(PRIOR_GROSS), start_edge_C[0], *np.log(gap_C)])
    model, x = _most_probable(
        model_at,
        start,
        np.log(prior_noise),
        lambda x: (predicted_V, class_intervals(first, edges_at(x)), class_intervals(second, edges_at(x))),
    )
    return model, edges_at(x)


def _most_probable(
    model_at: Callable[[Floats], ReaderModel],
    start: Floats,
    log_noise: float,
    readings_at: Callable[[Floats], tuple[Floats, Intervals, Intervals]],
) -> tuple[ReaderModel, Floats]:
    """The model, and its parameters, of highest posterior probability."""

    def loss(x: Floats) -> float:
        model = model_at(x)
        prior = ((np.log(model.noise) - log_noise) / _PRIOR_SD_LOG_NOISE) ** 2 / 2
        prior += ((logit(model.gross) - logit(PRIOR_GROSS)) / _PRIOR_SD_LOGIT_GROSS) ** 2 / 2
        return float(prior) - log_likelihood(model, *readings_at(x))

    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-2})
    return model_at(found.x), found.x


def _exp(x: float | Floats) -> Any:
    """Exponential of a search's parameter, which may stray."""
    return np.exp(np.clip(x, -12.0, 12.0))


def _num_twice(second: Intervals) -> int:
    return int((~np.isnan(second.low)).sum())
