"""k as a count or as a fraction of the training photos."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grasp_psonet.errors import SettingsError
from grasp_psonet.pruning.settings import PruneSettings, count_of, in_order, out_of_proportion, refuse_same_counts
from grasp_psonet.settings import parse


@given(k=st.integers(1, 10**6), num_units=st.integers(1, 10**6))
def test_a_count_is_itself(k: int, num_units: int) -> None:
    assert count_of(k, num_units) == k


@given(k=st.floats(1e-6, 1 - 1e-6), num_units=st.integers(1, 10**6))
def test_a_fraction_is_its_nearest_whole_number_and_at_least_one(k: float, num_units: int) -> None:
    count, exact = count_of(k, num_units), Fraction(k) * num_units
    assert count >= 1
    assert count == 1 or abs(count - exact) <= Fraction(1, 2) + Fraction(1, 10**9)


@pytest.mark.parametrize("k", [[0], [0.0], [1.5], [-0.1], [20.0], [0.05, 0.05], ["patern"]])
def test_what_is_neither_count_nor_fraction_is_refused(k: list[float | str]) -> None:
    with pytest.raises(SettingsError, match=r"prune\.k"):
        parse({"prune": {"k": k}}, "the test")


def test_no_value_of_k_prunes_nothing() -> None:
    assert parse({"prune": {"k": []}}, "the test").prune.k == ()


def test_counts_stay_counts_and_fractions_fractions() -> None:
    assert parse({"prune": {"k": [3, 0.05]}}, "the test").prune.k == (3, 0.05)
    assert [type(k) for k in parse({"prune": {"k": [3, 0.05]}}, "the test").prune.k] == [int, float]
    assert PruneSettings().k == ("stand_out", "pattern", "pattern_of_worst")
    mixed = parse({"prune": {"k": ["pattern", 3, "stand_out", 0.05]}}, "the test").prune
    assert in_order(mixed.k) == [0.05, 3, "stand_out", "pattern"]
    assert mixed.from_data == ("pattern", "stand_out")


@pytest.mark.parametrize(("name", "value"), [("rule", "each"), ("remove", "visit"), ("end", "largest")])
def test_what_the_scores_name_wants_one_ranking_of_photos_at_the_harmful_end(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"prune\.{name} is '{value}'; wanted: .* where prune\.k has pattern"):
        parse({"prune": {"k": ["pattern"], name: value}, "trace": {"pairs": "all"}}, "the test")
    assert parse({"prune": {"k": [4], name: value}, "trace": {"pairs": "all"}}, "the test")


def test_two_values_that_take_equally_many_are_refused() -> None:
    refuse_same_counts((0.05, 40), 960, "photo")
    with pytest.raises(SettingsError, match=r"prune\.k 0\.05 and 48 both take 48 of 960 training photos"):
        refuse_same_counts((48, 0.05), 960, "photo")
    with pytest.raises(SettingsError, match=r"0\.01 and 0\.02 both take 1 of 50 training visits"):
        refuse_same_counts((0.01, 0.02), 50, "visit")


def test_more_than_three_tenths_are_out_of_proportion() -> None:
    assert out_of_proportion((0.3, 30), 100) == []
    assert out_of_proportion((0.31, 500, 2), 100) == [31, 500]
