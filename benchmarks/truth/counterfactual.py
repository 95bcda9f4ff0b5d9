"""Scores against what retraining really did: rank correlation, overlap of the most harmful, and the mean over seeds.

The true effect of a training photo or visit on a query is ``loss(trained without it) - loss(trained with it)``: positive =
it was helpful, negative = it was harmful, the sign that every score has. Queries are compared one by one and then averaged.
"""

# Axes: Q queries, Z training photos or visits, K keep lists, S seeds.

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def spearman(score_QZ: Floats, truth_QZ: Floats) -> Floats:
    """Spearman's rank correlation of each query [Q]; equal values share their mean rank; NaN where one side is constant."""
    _refuse_other_shapes(score_QZ, truth_QZ)
    centred = []
    for value_QZ in (score_QZ, truth_QZ):
        rank_QZ = stats.rankdata(value_QZ, axis=1)
        centred.append(rank_QZ - rank_QZ.mean(axis=1, keepdims=True))
    norm_Q = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    product_Q = (centred[0] * centred[1]).sum(axis=1)
    rho_Q: Floats = np.divide(product_Q, norm_Q, out=np.full(len(norm_Q), np.nan), where=norm_Q > 0)
    return rho_Q


def harmful_overlap(score_QZ: Floats, truth_QZ: Floats, fraction: float = 0.1) -> Floats:
    """Of each query's truly most harmful fraction (at least one), the part that its most negative scores name [Q].

    By chance the fraction itself. Where equal scores stand at the edge, each counts for its chance of being drawn.
    """
    _refuse_other_shapes(score_QZ, truth_QZ)
    count = max(1, round(fraction * score_QZ.shape[1]))
    shared_QZ = _chance_of_being_among_lowest(score_QZ, count) * _chance_of_being_among_lowest(truth_QZ, count)
    overlap_Q: Floats = shared_QZ.sum(axis=1) / count
    return overlap_Q


def datamodel_score(score_QZ: Floats, is_kept_KZ: Bools, loss_KQ: Floats) -> Floats:
    """Linear datamodeling score of each query [Q] (Park et al. 2023): Spearman's correlation over keep lists.

    What the scores foretell for a list is that the query's loss rises by the summed scores of what it leaves out;
    ``loss_KQ`` are the losses after training on each list.
    """
    foretold_QK = score_QZ @ (~is_kept_KZ).astype(np.float64).T
    return spearman(foretold_QK, np.ascontiguousarray(loss_KQ.T))


@dataclass(frozen=True)
class MeanOverSeeds:
    """A mean over independent seeds and its t interval; ``low`` and ``high`` are None for fewer than two seeds."""

    mean: float
    low: float | None
    high: float | None
    num_seeds: int


def mean_over_seeds(value_S: Sequence[float] | Floats, confidence: float = 0.95) -> MeanOverSeeds:
    """Mean of one value per seed and Student's interval; NaN values (not estimable) are left out and not counted.

    The mean is NaN where no seed has a value.
    """
    value_S = np.asarray(value_S, dtype=np.float64)
    value_S = value_S[np.isfinite(value_S)]
    num_seeds = len(value_S)
    if num_seeds == 0:
        return MeanOverSeeds(float("nan"), None, None, 0)
    mean = float(value_S.mean())
    if num_seeds == 1:
        return MeanOverSeeds(mean, None, None, 1)
    half = float(stats.t.ppf((1 + confidence) / 2, num_seeds - 1) * value_S.std(ddof=1) / np.sqrt(num_seeds))
    return MeanOverSeeds(mean, mean - half, mean + half, num_seeds)


def mean_over_queries(value_Q: Floats) -> float:
    """Mean of the queries that have a value; NaN where none has."""
    usable_Q = value_Q[np.isfinite(value_Q)]
    return float(usable_Q.mean()) if len(usable_Q) else float("nan")


def _chance_of_being_among_lowest(value_QZ: Floats, count: int) -> Floats:
    """1 below each row's ``count``-th lowest value, 0 above, and equal shares of the places left for those at it."""
    edge_Q1 = np.sort(value_QZ, axis=1)[:, count - 1 : count]
    is_below_QZ, is_at_QZ = value_QZ < edge_Q1, value_QZ == edge_Q1
    places_Q1 = count - is_below_QZ.sum(axis=1, keepdims=True)
    chance_QZ: Floats = is_below_QZ + is_at_QZ * (places_Q1 / is_at_QZ.sum(axis=1, keepdims=True))
    return chance_QZ


def _refuse_other_shapes(score_QZ: Floats, truth_QZ: Floats) -> None:
    assert score_QZ.shape == truth_QZ.shape, f"scores {score_QZ.shape}, truth {truth_QZ.shape}"
