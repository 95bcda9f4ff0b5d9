"""The bootstrap spreads as cluster-robust theory says, is keyed, and is paired between runs."""

import numpy as np
import pytest

from grasp_psonet.evidence.intervals import (
    MIN_PATIENTS,
    Replicated,
    estimate_of,
    figure,
    replicated,
    resample_patients,
)
from grasp_psonet.evidence.settings import IntervalRule

PERCENTILE, BCA = (IntervalRule(0.95, method) for method in ("percentile", "bca"))


def mean_of(value_V: np.ndarray):
    return lambda weight_RV: weight_RV @ value_V / weight_RV.sum(axis=1)


def clustered(num_patients: int, visits_each: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    value_PV = rng.normal(size=(num_patients, 1)) + 0.3 * rng.normal(size=(num_patients, visits_each))
    return [f"p{p:03d}" for p in range(num_patients) for _ in range(visits_each)], value_PV.ravel()


def test_bootstrap_spread_equals_the_cluster_robust_standard_error() -> None:
    """Closed form for a mean over equal clusters: the standard deviation of the patient means over sqrt(P)."""
    patient_ids, value_V = clustered(num_patients=50, visits_each=4)
    replicate_R = mean_of(value_V)(resample_patients(patient_ids, 20_000, 1).weight)
    patient_mean_P = value_V.reshape(50, 4).mean(axis=1)
    cluster_robust = patient_mean_P.std() / np.sqrt(50)
    as_if_independent = value_V.std() / np.sqrt(200)
    assert replicate_R.std() == pytest.approx(cluster_robust, rel=0.03)
    assert as_if_independent < 0.7 * cluster_robust, "no clustering in the data: the comparison would prove nothing"


def test_percentile_interval_of_a_mean_equals_the_normal_one() -> None:
    patient_ids, value_V = clustered(num_patients=80, visits_each=3, seed=2)
    found = figure(mean_of(value_V), resample_patients(patient_ids, 20_000, 5), PERCENTILE, "")
    error = value_V.reshape(80, 3).mean(axis=1).std() / np.sqrt(80)
    assert found.value == pytest.approx(value_V.mean())
    assert found.low == pytest.approx(value_V.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(value_V.mean() + 1.96 * error, abs=0.1 * error)
    assert (found.num_visits, found.num_patients, found.num_replicates, found.why_not) == (240, 80, 20_000, "")


def test_visits_of_a_patient_are_drawn_together() -> None:
    patient_ids = ["b", "a", "b", "c", "a", "c", "c"]
    weight = resample_patients(patient_ids, 200, "together").weight
    for patient in "abc":
        rows = [i for i, name in enumerate(patient_ids) if name == patient]
        assert (weight[:, rows] == weight[:, rows[:1]]).all()
    assert (weight[:, 0] + weight[:, 1] + weight[:, 3] == 3).all(), "as many patients as there are"


def test_resamples_are_named_by_their_key() -> None:
    ids = [str(i) for i in range(20)]
    assert (resample_patients(ids, 10, 0, "x").weight == resample_patients(ids, 10, 0, "x").weight).all()
    assert (resample_patients(ids, 10, 0, "x").weight != resample_patients(ids, 10, 1, "x").weight).any()


def test_paired_difference_of_a_shifted_run_has_no_width() -> None:
    patient_ids, value_V = clustered(30, 2)
    resamples = resample_patients(patient_ids, 500, 0)
    shifted, unshifted = (replicated([mean_of(value_V + by)], resamples) for by in (0.25, 0.0))
    paired = estimate_of(shifted - unshifted, resamples, PERCENTILE, "")
    alone = estimate_of(unshifted, resamples, PERCENTILE, "")
    assert paired.low == pytest.approx(0.25)
    assert paired.high == pytest.approx(0.25)
    assert alone.high - alone.low > 0.1


def test_replicates_without_the_figure_are_left_out_and_counted() -> None:
    resamples = resample_patients([str(i) for i in range(10)], 100, 0)
    value_R = np.arange(100.0)
    value_R[:30] = np.nan
    all_P = np.arange(10.0)
    found = estimate_of(Replicated(50.0, value_R, all_P), resamples, IntervalRule(0.9, "percentile"), "")
    assert found.num_replicates == 70
    assert found.low == pytest.approx(np.quantile(np.arange(30, 100), 0.05))
    value_R[:60] = np.nan
    rarely = estimate_of(Replicated(50.0, value_R, all_P), resamples, IntervalRule(0.9, "percentile"), "")
    assert (rarely.value, rarely.low, rarely.why_not) == (50.0, None, "no interval: exists in 40 of 100 replicates")


def test_too_few_patients_have_a_value_but_no_interval() -> None:
    few = resample_patients([str(i % (MIN_PATIENTS - 1)) for i in range(40)], 100, 0)
    found = figure(mean_of(np.arange(40.0)), few, PERCENTILE, "")
    assert (found.value, found.low, found.high) == (19.5, None, None)
    assert "no interval" in found.why_not


def test_nothing_has_no_figure() -> None:
    found = figure(mean_of(np.zeros(0)), resample_patients([], 10, 0), PERCENTILE, "no visits")
    assert (found.value, found.low, found.why_not) == (None, None, "no visits")
