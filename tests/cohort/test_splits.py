"""Drawn splits: laws over random cohorts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grasp_psonet.cohort.cells import SPLITS
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.splits import draw_splits
from grasp_psonet.errors import TableError


def visits_of(classes_per_patient: list[list[int]]) -> pd.DataFrame:
    rows = [(f"p{patient}", label) for patient, classes in enumerate(classes_per_patient) for label in classes]
    return pd.DataFrame(rows, columns=["patient_id", "severity_reader1"]).astype({"severity_reader1": "Int64"})


def drawn_splits(visits: pd.DataFrame, split: SplitSettings, seed: int) -> pd.Series:
    return draw_splits(visits, visits["severity_reader1"], split, seed)


cohorts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=3, max_size=40)


@settings(max_examples=40, deadline=None)
@given(cohorts, st.integers(0, 5), st.randoms(use_true_random=False))
def test_patients_stay_together_and_the_order_of_rows_plays_no_part(
    classes: list[list[int]], seed: int, random: object
) -> None:
    visits = visits_of(classes)
    drawn = drawn_splits(visits, SplitSettings(), seed)
    assert set(drawn) == set(SPLITS)
    assert len(set(zip(visits["patient_id"], drawn, strict=True))) == len(classes)
    order = list(range(len(visits)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = visits.iloc[order].reset_index(drop=True)
    again = drawn_splits(shuffled, SplitSettings(), seed)
    assert again.tolist() == drawn.iloc[order].tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 200), st.integers(0, 5))
def test_the_fractions_are_met_to_a_patient(num_patients: int, seed: int) -> None:
    split = SplitSettings()
    counts = drawn_splits(visits_of([[0]] * num_patients), split, seed).value_counts()
    for name in SPLITS:
        wanted = getattr(split, name) * num_patients
        assert counts[name] >= 1
        assert abs(counts[name] - wanted) <= (1 if num_patients >= 10 else 2)


@pytest.mark.parametrize("seed", range(6))
def test_each_class_is_spread_in_proportion(seed: int) -> None:
    labels = [0] * 100 + [1] * 50 + [2] * 20
    drawn = drawn_splits(visits_of([[label] for label in labels]), SplitSettings(), seed)
    share = pd.crosstab(pd.Series(labels), drawn)
    for label, row in share.iterrows():
        expected = np.array([0.7, 0.1, 0.2]) * labels.count(int(str(label)))
        assert np.abs(row[list(SPLITS)].to_numpy() - expected).max() <= 2


def test_the_class_of_a_patient_is_the_most_frequent_one_and_the_severer_of_equals() -> None:
    plain = drawn_splits(visits_of([[0], [1], [2], [2]] * 5), SplitSettings(), 0)
    mixed = visits_of([[0, 0, 2], [1, 0], [2, 0, 2], [2]] * 5)
    drawn = drawn_splits(mixed, SplitSettings(), 0).groupby(mixed["patient_id"], sort=False).first()
    assert drawn.tolist() == plain.tolist()


def test_the_seed_changes_the_draw() -> None:
    visits = visits_of([[0], [1]] * 20)
    draws = {tuple(drawn_splits(visits, SplitSettings(), seed)) for seed in range(4)}
    assert len(draws) == 4


def test_two_patients_cannot_be_split() -> None:
    with pytest.raises(TableError, match="2 patient"):
        drawn_splits(visits_of([[0], [1, 2]]), SplitSettings(), 0)
