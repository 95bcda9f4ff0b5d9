"""Statistics of scores against retraining: scipy's own numbers, and what must hold whatever they are."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.truth.counterfactual import (
    datamodel_score,
    harmful_overlap,
    mean_over_queries,
    mean_over_seeds,
    spearman,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_spearman_is_scipys_for_each_query_ties_included(rng: np.random.Generator) -> None:
    score_QZ = rng.integers(0, 6, (4, 25)).astype(float)
    truth_QZ = score_QZ + rng.normal(size=score_QZ.shape).round(0)
    slow_Q = [stats.spearmanr(a, b).statistic for a, b in zip(score_QZ, truth_QZ, strict=True)]
    np.testing.assert_allclose(spearman(score_QZ, truth_QZ), slow_Q, rtol=1e-12)
    assert 0.3 < min(slow_Q) < max(slow_Q) < 0.99


def test_spearman_of_a_constant_does_not_exist() -> None:
    found_Q = spearman(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]]), np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    assert np.isnan(found_Q[0])
    assert found_Q[1] == -1
    assert mean_over_queries(found_Q) == -1
    assert np.isnan(mean_over_queries(found_Q[:1]))


def test_overlap_looks_at_the_harmful_end() -> None:
    truth_QZ = np.arange(20.0)[None] - 10
    assert harmful_overlap(truth_QZ, truth_QZ).tolist() == [1.0]
    assert harmful_overlap(-truth_QZ, truth_QZ).tolist() == [0.0]
    half = truth_QZ.copy()
    half[0, 1] = 100
    assert harmful_overlap(half, truth_QZ).tolist() == [0.5]


def test_overlap_of_equal_scores_is_that_of_chance(rng: np.random.Generator) -> None:
    truth_QZ = rng.normal(size=(3, 40))
    np.testing.assert_allclose(harmful_overlap(np.zeros((3, 40)), truth_QZ, 0.25), 0.25)
    found = [harmful_overlap(rng.normal(size=(3, 40)), truth_QZ, 0.25).mean() for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.25, abs=0.02)


def test_datamodel_score_of_true_additive_effects_is_one(rng: np.random.Generator) -> None:
    effect_QZ, is_kept_KZ = rng.normal(size=(3, 30)), rng.random((25, 30)) < 0.8
    loss_KQ = 2.0 + (~is_kept_KZ) @ effect_QZ.T
    np.testing.assert_allclose(datamodel_score(effect_QZ, is_kept_KZ, loss_KQ), 1)
    np.testing.assert_allclose(datamodel_score(-effect_QZ, is_kept_KZ, loss_KQ), -1)
    noisy_KQ = loss_KQ + rng.normal(size=loss_KQ.shape)
    foretold = (~is_kept_KZ) @ effect_QZ[1]
    slow = stats.spearmanr(foretold, noisy_KQ[:, 1]).statistic
    assert datamodel_score(effect_QZ, is_kept_KZ, noisy_KQ)[1] == pytest.approx(slow)
    assert slow < 0.99


def test_interval_over_seeds_is_students(rng: np.random.Generator) -> None:
    value_S = rng.normal(0.8, 0.1, 6)
    found = mean_over_seeds([*value_S, float("nan")])
    low, high = stats.t.interval(0.95, 5, loc=value_S.mean(), scale=stats.sem(value_S))
    assert (found.mean, found.low, found.high) == pytest.approx((value_S.mean(), low, high))
    assert found.num_seeds == 6
    alone = mean_over_seeds([0.5])
    assert (alone.mean, alone.low, alone.high, alone.num_seeds) == (0.5, None, None, 1)
    assert np.isnan(mean_over_seeds([float("nan")]).mean)
