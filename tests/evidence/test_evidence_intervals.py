"""The bootstrap spreads as cluster-robust theory says, is keyed, and is paired between runs."""

import numpy as np
import pytest
from scipy.stats import norm, t

from grasp_psonet.evidence.intervals import (
    MIN_PATIENTS,
    Replicated,
    corrected_tails,
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
    tail = norm.cdf(-np.sqrt(10 / 9) * t.ppf(0.95, 9))
    assert 0.02 < tail < 0.05, "10 patients: further out"
    assert found.low == pytest.approx(np.quantile(np.arange(30, 100), tail))
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


# Efron & Tibshirani, An Introduction to the Bootstrap (1993), table 14.1: the spatial test data, task A.
SPATIAL = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]


def variance_of(value_V: np.ndarray):
    def statistic(weight_RV: np.ndarray) -> np.ndarray:
        mean_R = weight_RV @ value_V / weight_RV.sum(axis=1)
        return weight_RV @ value_V**2 / weight_RV.sum(axis=1) - mean_R**2

    return statistic


def test_bca_gives_the_interval_of_the_book() -> None:
    """Golden: section 14.3 gives variance 171.5 and the 90 % interval (115.8, 259.6); its percentiles are
    (100.8, 233.9), and BCa's are .110 and .985: of 2,000 replicates, so good to about .01 and 4."""
    value_V = np.array(SPATIAL, dtype=np.float64)
    ids = [f"{place:02d}" for place in range(len(value_V))]
    resamples = resample_patients(ids, 20_000, "book")
    found = replicated([variance_of(value_V)], resamples)
    assert found.value == pytest.approx(171.5, abs=0.05)
    away_P = found.value_P.mean() - found.value_P
    assert (away_P**3).sum() / (6 * (away_P**2).sum() ** 1.5) == pytest.approx(0.061, abs=0.0006)
    assert corrected_tails(found, (0.05, 0.95)) == pytest.approx((0.110, 0.985), abs=0.015)
    low, high = np.quantile(found.value_R, corrected_tails(found, (0.05, 0.95)))
    assert (low, high) == pytest.approx((115.8, 259.6), abs=4.0)
    assert np.quantile(found.value_R, [0.05, 0.95]) == pytest.approx((100.8, 233.9), abs=4.0)


def slow_bca(statistic, patient_ids: list[str], weight_RV: np.ndarray, tails: tuple[float, float]) -> list[float]:
    """DiCiccio & Efron (1996), equations 2.3 to 2.8 and 6.6, by loops."""
    value = statistic(np.ones((1, len(patient_ids))))[0]
    replicates = sorted(statistic(weight_V[None])[0] for weight_V in weight_RV)
    without = []
    for patient in sorted(set(patient_ids)):
        weight_V = np.array([[0.0 if own == patient else 1.0 for own in patient_ids]])
        without.append(statistic(weight_V)[0])
    middle = sum(without) / len(without)
    acceleration = sum((middle - one) ** 3 for one in without) / (
        6 * sum((middle - one) ** 2 for one in without) ** 1.5
    )
    below = sum(1.0 if one < value else 0.5 if one == value else 0.0 for one in replicates) / len(replicates)
    bias = norm.ppf(below)
    places = [norm.cdf(bias + (bias + norm.ppf(t)) / (1 - acceleration * (bias + norm.ppf(t)))) for t in tails]
    return [float(np.quantile(replicates, place)) for place in places]


def test_bca_equals_its_formulas_by_loops() -> None:
    patient_ids, value_V = clustered(20, 3, seed=4)
    resamples = resample_patients(patient_ids, 1000, 0)
    statistic = variance_of(value_V)
    found = figure(statistic, resamples, BCA, "")
    assert found.interval == "bca"
    tails = tuple(float(norm.cdf(sign * np.sqrt(20 / 19) * t.ppf(0.975, 19))) for sign in (-1, 1))
    assert [found.low, found.high] == pytest.approx(slow_bca(statistic, patient_ids, resamples.weight, tails), rel=1e-9)
    percentile = figure(statistic, resamples, PERCENTILE, "")
    assert found.high > 1.02 * percentile.high, "no skew: the comparison would prove nothing"
    assert (found.interval, percentile.interval, found.why_not) == ("bca", "percentile", "")


def test_the_tails_reach_further_out_where_patients_are_few() -> None:
    """For a mean of equal clusters the interval is that of Student's t on the patient means."""
    patient_ids, value_V = clustered(num_patients=10, visits_each=3, seed=8)
    resamples = resample_patients(patient_ids, 50_000, 1)
    found = figure(mean_of(value_V), resamples, PERCENTILE, "")
    mean_P = value_V.reshape(10, 3).mean(axis=1)
    half = t.ppf(0.975, 9) * mean_P.std(ddof=1) / np.sqrt(10)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)
    assert half > 1.1 * 1.96 * mean_P.std(ddof=1) / np.sqrt(10), "not wider than the normal one: proves nothing"


def test_the_mean_over_seeds_is_left_without_one_patient_at_a_time() -> None:
    patient_ids, value_V = clustered(8, 2)
    resamples = resample_patients(patient_ids, 50, 0)
    found = replicated([mean_of(value_V), mean_of(value_V**2)], resamples)
    for place, patient in enumerate(sorted(set(patient_ids))):
        rest_V = value_V[np.array(patient_ids) != patient]
        assert found.value_P[place] == pytest.approx((rest_V.mean() + (rest_V**2).mean()) / 2)


@pytest.mark.parametrize(
    ("value", "value_R", "value_P", "why"),
    [
        (9.0, np.arange(9.0).repeat(100), np.arange(10.0), "all replicates lie on one side of the figure"),
        (4.0, np.arange(9.0).repeat(100), np.full(10, 4.0), "leaving a patient out changes nothing"),
        (4.0, np.arange(9.0).repeat(100), np.append(np.arange(9.0), np.nan), "the figure does not exist without one"),
        (7.99, np.linspace(0, 8, 900), np.arange(10.0), "an end lies beyond the outermost replicate"),
    ],
)
def test_what_bca_cannot_correct_has_percentiles_and_says_so(value, value_R, value_P, why) -> None:
    resamples = resample_patients([str(number) for number in range(10)], len(value_R), 0)
    found = estimate_of(Replicated(value, value_R, value_P), resamples, BCA, "")
    percentile = estimate_of(Replicated(value, value_R, value_P), resamples, PERCENTILE, "")
    assert (found.low, found.high, found.interval) == (percentile.low, percentile.high, "percentile")
    assert found.why_not.startswith("percentile in place of BCa: ")
    assert why in found.why_not
    assert percentile.why_not == ""


def test_a_correction_without_bound_is_refused() -> None:
    skewed = Replicated(0.0, np.append(np.ones(5), np.full(995, -1.0)), np.append(np.zeros(9), -100.0))
    assert corrected_tails(skewed, (0.025, 1 - 1e-9)) == "its correction has no bound"
