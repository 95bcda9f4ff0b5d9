"""Whom pruning takes from: shares equal plain counts, intervals those of a loop over replicates, warnings their rule."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.intervals import resample_patients
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.pruning.fairness import removal_by_group

SETTINGS = EvaluateSettings(replicates=400)


def cohort(num_patients: int = 30, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Photos and visits, two visits a patient and six photos a visit."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(num_patients), 2)
    visits = pd.DataFrame(
        {
            "visit_id": [f"v{number:02d}" for number in range(len(patient))],
            "patient_id": [f"p{number:02d}" for number in patient],
            "severity_reader1": pd.array(rng.integers(0, 3, len(patient)), dtype="Int64"),
            "fitzpatrick": np.array(["I", "II", "V", None], dtype=object)[patient // 2 % 4],
            "sex": np.array(["female", "male"])[patient % 2],
            "age": (20 + patient).astype(str),
            "clinic": np.array(["north", "south", "west"])[patient % 3],
        }
    )
    photos = pd.DataFrame(
        {
            "photo_id": [f"{visit}-{number}" for visit in visits["visit_id"] for number in range(6)],
            "visit_id": visits["visit_id"].repeat(6).to_numpy(),
            "view": ["front", "back", "head"] * (2 * len(visits)),
        }
    )
    return photos, visits


def kept(photos: pd.DataFrame, removed: "pd.Series[bool] | np.ndarray") -> pd.DataFrame:
    return photos[["photo_id", "visit_id"]].assign(kept=~np.asarray(removed, dtype=bool))


def row_of(table: pd.DataFrame, column: str, group: str) -> "pd.Series[object]":
    found = table[(table["group_column"] == column) & (table["group"] == group)]
    assert len(found) == 1, (column, group)
    return found.iloc[0]


def test_shares_and_ratios_are_plain_counts_in_every_group() -> None:
    photos, visits = cohort()
    removed = np.random.default_rng(1).random(len(photos)) < 0.2
    settings = EvaluateSettings(replicates=50, subgroups=("clinic",))
    table = removal_by_group(kept(photos, removed), photos, visits, Outcome(), settings, 0)
    columns = ["severity_reader1", "fitzpatrick", "sex", "age", "view", "clinic"]
    assert table["group_column"].drop_duplicates().tolist() == columns
    assert table.loc[table["group_column"] == "fitzpatrick", "group"].tolist() == [
        *("I-III", "IV-VI", "I", "II", "V", "not recorded")
    ]
    assert (table["group_column"] == "age").sum() == 4, "quartiles"
    merged = photos.merge(visits, on="visit_id").assign(removed=removed)
    groups = {
        ("fitzpatrick", "I-III"): merged["fitzpatrick"].isin(["I", "II"]),
        ("fitzpatrick", "not recorded"): merged["fitzpatrick"].isna(),
        ("view", "head"): merged["view"] == "head",
        ("clinic", "west"): merged["clinic"] == "west",
        ("severity_reader1", "severe"): merged["severity_reader1"] == 2,
    }
    for (column, group), is_member in groups.items():
        row, inside, outside = row_of(table, column, group), merged[is_member], merged[~is_member]
        assert row["num_photos"] == len(inside)
        assert row["num_removed"] == inside["removed"].sum() > 0
        assert row["share"] == pytest.approx(inside["removed"].mean())
        assert row["ratio"] == pytest.approx(inside["removed"].mean() / outside["removed"].mean())
        assert row["of_removed"] == pytest.approx(inside["removed"].sum() / removed.sum())
        assert row["num_patients"] == inside["patient_id"].nunique()
        assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
        assert row["low"] < row["share"] < row["high"]


def test_intervals_equal_a_loop_over_drawn_patients() -> None:
    photos, visits = cohort()
    removed = np.random.default_rng(2).random(len(photos)) < 0.3
    table = removal_by_group(kept(photos, removed), photos, visits, Outcome(), SETTINGS, 5)
    merged = photos.merge(visits, on="visit_id").assign(removed=removed)
    names = sorted(visits["patient_id"].unique())
    weight_RP = resample_patients(names, SETTINGS.replicates, 5, "removal").weight
    sums = merged.groupby(["patient_id", "sex"])["removed"].agg(["size", "sum"])
    of_patient = {name: (sex == "female", *row) for (name, sex), row in zip(sums.index, sums.to_numpy(), strict=True)}
    ratios, shares = [], []
    for weight_P in weight_RP:
        counts = {True: [0.0, 0.0], False: [0.0, 0.0]}
        for patient, times in zip(names, weight_P, strict=True):
            is_female, num_photos, num_removed = of_patient[patient]
            counts[is_female][0] += times * num_photos
            counts[is_female][1] += times * num_removed
        share, rest = (counts[key][1] / counts[key][0] for key in (True, False))
        shares.append(share)
        ratios.append(share / rest)
    row = row_of(table, "sex", "female")
    # 15 patients are female and 15 male, and two groups are looked at
    share_tail, ratio_tail = (norm.cdf(-np.sqrt(15 / 14) * t.ppf(1 - at / 2, 14)) for at in (0.05, 0.025))
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(shares, [share_tail, 1 - share_tail])))
    wanted = np.quantile(ratios, [ratio_tail, 1 - ratio_tail])
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx(tuple(wanted), rel=0.01)


@pytest.mark.parametrize(("times", "is_warned"), [(1.0, False), (6.0, True)])
def test_a_group_that_loses_more_is_warned_of_and_no_other(times: float, is_warned: bool) -> None:
    photos, visits = cohort(60)
    is_male = photos["visit_id"].map(visits.set_index("visit_id")["sex"]).eq("male").to_numpy()
    removed = np.random.default_rng(3).random(len(photos)) < np.where(is_male, 0.05 * times, 0.05)
    table = removal_by_group(kept(photos, removed), photos, visits, Outcome(), SETTINGS, 0)
    warned = table[table["warning"] != ""]
    assert warned[["group_column", "group"]].to_numpy().tolist() == ([["sex", "male"]] if is_warned else [])
    if is_warned:
        assert (
            f"sex male loses {removed[is_male].sum()} of {is_male.sum()} training photos" in warned["warning"].iloc[0]
        )


def test_a_small_ratio_is_not_warned_of_however_sure_it_is() -> None:
    photos, visits = cohort(400)
    is_male = photos["visit_id"].map(visits.set_index("visit_id")["sex"]).eq("male").to_numpy()
    removed = np.random.default_rng(3).random(len(photos)) < np.where(is_male, 0.26, 0.2)
    row = row_of(removal_by_group(kept(photos, removed), photos, visits, Outcome(), SETTINGS, 0), "sex", "male")
    assert 1 < row["ratio_low"] < row["ratio"] < 1.5
    assert row["warning"] == ""


@pytest.mark.parametrize(("severe", "others", "is_warned"), [(17, 3, True), (16, 4, False), (8, 1, False)])
def test_a_removal_that_is_one_class_is_warned_of(severe: int, others: int, is_warned: bool) -> None:
    photos, visits = cohort(40)
    label = photos["visit_id"].map(visits.set_index("visit_id")["severity_reader1"]).to_numpy(np.int64)
    rng = np.random.default_rng(0)
    removed = np.zeros(len(photos), dtype=bool)
    removed[rng.permutation(np.flatnonzero(label == 2))[:severe]] = True
    removed[rng.permutation(np.flatnonzero(label != 2))[:others]] = True
    row = row_of(
        removal_by_group(kept(photos, removed), photos, visits, Outcome(), SETTINGS, 0), "severity_reader1", "severe"
    )
    told = f"{severe} of the {severe + others} removed photos"
    assert row["warning"].startswith(told) == is_warned, row["warning"]


def test_a_class_that_most_photos_are_of_anyway_is_not_warned_of() -> None:
    photos, visits = cohort(60)
    visits["severity_reader1"] = pd.array([0] * 9 + [2], dtype="Int64").take(np.arange(len(visits)) % 10)
    removed = np.random.default_rng(0).random(len(photos)) < 0.2
    row = row_of(
        removal_by_group(kept(photos, removed), photos, visits, Outcome(), SETTINGS, 0), "severity_reader1", "mild"
    )
    assert row["of_removed"] > 0.8
    assert row["warning"] == ""


def test_one_patient_is_no_group_and_one_patients_photos_are_no_pattern() -> None:
    photos, visits = cohort(30)
    of_one = photos["visit_id"].isin(visits.loc[visits["patient_id"] == "p03", "visit_id"])
    one_view = of_one & (photos["view"] == "head")
    visits["clinic"] = np.where(visits["patient_id"] == "p03", "east", visits["clinic"])
    settings = EvaluateSettings(replicates=400, subgroups=("clinic",))
    table = removal_by_group(kept(photos, of_one), photos, visits, Outcome(), settings, 0)
    east = row_of(table, "clinic", "east")
    assert (east["share"], east["why_not"]) == (1.0, "the rest lost no photo")
    assert np.isnan(east["ratio"])
    assert np.isnan(east["low"])
    assert east["warning"] == ""
    assert not one_view.all()
    male = row_of(table, "sex", "male")
    assert np.isnan(male["ratio"]), "no photo of a woman left"
    assert male["warning"] == "", "all removed photos are one patient's: most replicates hold him or nobody"


def test_a_group_that_alone_loses_photos_is_warned_of() -> None:
    photos, visits = cohort(60)
    is_male = photos["visit_id"].map(visits.set_index("visit_id")["sex"]).eq("male").to_numpy()
    removed = is_male & (np.random.default_rng(0).random(len(photos)) < 0.3)
    male = row_of(removal_by_group(kept(photos, removed), photos, visits, Outcome(), SETTINGS, 0), "sex", "male")
    assert male["why_not"] == "the rest lost no photo"
    assert male["warning"].endswith(", the rest none")


def test_nothing_removed_is_warned_of_nowhere() -> None:
    photos, visits = cohort()
    table = removal_by_group(kept(photos, np.zeros(len(photos))), photos, visits, Outcome(), SETTINGS, 0)
    assert (table["share"] == 0).all()
    assert (table["ratio"] == 1).all()
    assert (table["warning"] == "").all()
