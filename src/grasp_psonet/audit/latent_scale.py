"""Readings on one latent scale: what a score or a class says of where a visit lies, and where classes begin.

A score's latent place is its square root above the lowest score, on which readers' noise is about as large everywhere:
their noise in points grows with the score. A study with classes alone has the latent scale of an ordinal model, whose
class edges are estimated. Either way a reading is an interval: what rounds to the score, or what falls in the class.

Axes: V visits, C classes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from grasp_psonet.cohort.outcome import Outcome

Floats = NDArray[np.float64]
_LEAST_P = 1e-3


@dataclass(frozen=True)
class Intervals:
    """Latent intervals, one per visit: NaN where there is no reading. Ends may be infinite."""

    low: Floats
    high: Floats

    def rows(self, chosen: NDArray[np.bool]) -> "Intervals":
        return Intervals(self.low[chosen], self.high[chosen])


def score_step(scores: Floats) -> float:
    """What scores are rounded to: the largest of 1, .5, .1, .05, .01 that all are multiples of, else .01."""
    known = scores[np.isfinite(scores)]
    for step in (1.0, 0.5, 0.1, 0.05):
        if np.allclose(known / step, np.round(known / step), atol=1e-6):
            return step
    return 0.01


def score_intervals(scores_V: Floats, step: float, outcome: Outcome) -> Intervals:
    """What rounds to each score; open at the ends of the range."""
    least, most = outcome.scale.score_range
    low_V = np.where(scores_V - step / 2 <= least, -np.inf, latent_of_score(scores_V - step / 2, outcome))
    high_V = np.where(scores_V + step / 2 >= most, np.inf, latent_of_score(scores_V + step / 2, outcome))
    is_missing_V = ~np.isfinite(scores_V)
    return Intervals(np.where(is_missing_V, np.nan, low_V), np.where(is_missing_V, np.nan, high_V))


def score_intervals_around(scores_V: Floats, points: float, outcome: Outcome) -> Intervals:
    """What lies within so many points of each score; open at the ends of the range."""
    return score_intervals(scores_V, 2 * points, outcome)


def latent_of_score(score_V: Floats, outcome: Outcome) -> Floats:
    """Square root of the points above the lowest score; a prediction below it counts as the lowest."""
    latent_V: Floats = np.sqrt(np.maximum(score_V - outcome.scale.score_range[0], 0.0))
    return latent_V


def class_edges_of_scores(step: float, outcome: Outcome) -> Floats:
    """Latent edges [C + 1] of the classes, the outer ones infinite: half a step from the cut-off where scores fall on it."""
    edges = []
    for cutoff, tie in zip(outcome.scale.cutoffs, outcome.scale.ties, strict=True):
        place = cutoff / step
        nearest = np.round(place)
        if abs(place - nearest) < 1e-6:
            edge = (nearest - 0.5 if tie == "upper" else nearest + 0.5) * step
        else:
            edge = (np.floor(place) + 0.5) * step
        edges.append(edge)
    return np.concatenate([[-np.inf], latent_of_score(np.array(edges), outcome), [np.inf]])


def class_intervals(class_V: "pd.Series[int]", edges: Floats) -> Intervals:
    """What falls in each class (missing where not read)."""
    known_V = class_V.notna().to_numpy()
    at_V = class_V.fillna(0).to_numpy(np.int64)
    return Intervals(np.where(known_V, edges[at_V], np.nan), np.where(known_V, edges[at_V + 1], np.nan))


def latent_of_probabilities(p_VC: Floats) -> Floats:
    """Where class probabilities place a visit: the mean over class borders of how far they put it above them, in probits."""
    above_VC = np.clip(1 - p_VC.cumsum(axis=1)[:, :-1], _LEAST_P, 1 - _LEAST_P)
    place_V: Floats = norm.ppf(above_VC).mean(axis=1)
    return place_V
