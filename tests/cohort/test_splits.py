"""Drawn splits: laws over random cohorts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grasp_psonet.cohort.cells import SPLITS
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.splits import draw_splits
from grasp_psonet.errors import SettingsError, TableError
from grasp_psonet.setting import recorded_tree


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


def _with_skin(num_patients: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    visits = visits_of([[int(label)] * int(rng.integers(1, 4)) for label in rng.integers(0, 3, num_patients)])
    skin = dict(zip(visits["patient_id"].unique(), rng.choice(["I", "II", "III", "IV"], num_patients), strict=True))
    return visits.assign(fitzpatrick=visits["patient_id"].map(skin))


@pytest.mark.parametrize("seed", range(6))
def test_within_each_class_skin_types_are_spread_in_proportion(seed: int) -> None:
    visits = _with_skin(400, seed)
    one = visits.drop_duplicates("patient_id")

    def in_cells(drawn: pd.Series) -> np.ndarray:
        rows = [one["severity_reader1"], one["fitzpatrick"]]
        return pd.crosstab(rows, drawn.loc[one.index])[list(SPLITS)].to_numpy()

    counts = in_cells(drawn_splits(visits, SplitSettings(), seed))
    expected = counts.sum(axis=1)[:, None] * np.array([0.7, 0.1, 0.2])
    assert np.abs(counts - expected).max() <= 2
    by_class_alone = in_cells(drawn_splits(visits.drop(columns="fitzpatrick"), SplitSettings(), seed))
    assert np.abs(by_class_alone - expected).max() > 2, "chance alone would do"


@settings(max_examples=12, deadline=None)
@given(st.integers(40, 120), st.integers(1, 40), st.integers(0, 9), st.sampled_from([None, 4]))
def test_a_stable_draw_keeps_every_patient_when_others_are_added(
    num_patients: int, num_added: int, seed: int, folds: int | None
) -> None:
    split = SplitSettings(0.4, 0.3, 0.3, draw="stable", folds=folds)
    visits = _with_skin(num_patients + num_added, seed)
    before = visits[visits["patient_id"].isin([f"p{n}" for n in range(num_patients)])]
    after = drawn_splits(visits, split, seed)
    assert drawn_splits(before, split, seed).tolist() == after.loc[before.index].tolist()
    relabelled = before.assign(severity_reader1=2)
    assert drawn_splits(relabelled, split, seed).tolist() == after.loc[before.index].tolist()


def test_a_stable_draw_is_in_proportion_by_chance() -> None:
    drawn = drawn_splits(visits_of([[0]] * 4000), SplitSettings(draw="stable"), 3).value_counts(normalize=True)
    assert drawn["train"] == pytest.approx(0.7, abs=0.03)
    assert drawn["val"] == pytest.approx(0.1, abs=0.02)
    assert drawn["test"] == pytest.approx(0.2, abs=0.03)


def test_an_exact_draw_moves_patients_when_others_are_added() -> None:
    """What the stable draw is for."""
    visits = _with_skin(60, 0)
    before = visits[visits["patient_id"] != "p59"]
    moved = drawn_splits(visits, SplitSettings(), 0).loc[before.index] != drawn_splits(before, SplitSettings(), 0)
    assert moved.any()


@pytest.mark.parametrize("draw", ["exact", "stable"])
def test_folds_test_every_patient_once_and_validate_it_once(draw: str) -> None:
    visits = _with_skin(60, 1)
    folds = [drawn_splits(visits, SplitSettings(draw=draw, folds=5, fold=fold), 0) for fold in range(5)]
    for name in ("test", "val"):
        times = sum((fold == name).astype(int) for fold in folds)
        assert (times == 1).all(), name
    if draw == "exact":
        patients = [visits.loc[fold == "test", "patient_id"].nunique() for fold in folds]
        assert patients == [12] * 5


def test_what_cannot_be_drawn_is_told() -> None:
    with pytest.raises(TableError, match=r"4 patients cannot be parted into split.folds 5"):
        drawn_splits(visits_of([[0]] * 4), SplitSettings(folds=5), 0)
    with pytest.raises(TableError, match=r"by split.draw stable no patient of 3 falls to val"):
        drawn_splits(visits_of([[0]] * 3), SplitSettings(draw="stable"), 0)
    for wrong in ({"folds": 2}, {"folds": 5, "fold": 5}, {"fold": 1}):
        with pytest.raises(SettingsError, match=r"split\.fold"):
            SplitSettings(**wrong)


def test_newer_settings_at_their_default_are_not_recorded() -> None:
    """What was made before they were there stays valid."""
    assert recorded_tree(SplitSettings()) == {"train": 0.7, "val": 0.1, "test": 0.2}
    assert recorded_tree(SplitSettings(folds=4))["folds"] == 4
