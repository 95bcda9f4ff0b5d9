"""Selection: a slow plain version agrees, the laws of keep lists hold, and the paper's arithmetic comes out."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import SettingsError, StageError, TraceError
from grasp_psonet.pruning.controls import random_control
from grasp_psonet.pruning.overlap import most_possible, overlap_table, percent_of, removal_rates
from grasp_psonet.pruning.ranking import ranked_photos
from grasp_psonet.pruning.selection import select
from grasp_psonet.pruning.settings import PruneSettings, Rule
from grasp_psonet.tables.schemas.traces import KEEP_LIST

PLAIN = PruneSettings(k=(1,), rule="each")


def study(seed: int = 0, num_visits: int = 12, num_queries: int = 4) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores in eighths, so that many are equal; visits of 1 to 6 photos; two visits per patient."""
    rng = np.random.default_rng(seed)
    photos = pd.DataFrame(
        [
            (f"v{v:02d}-{i}", f"v{v:02d}", "front" if i % 2 else "back")
            for v in range(num_visits)
            for i in range(v % 6 + 1)
        ],
        columns=["photo_id", "visit_id", "view"],
    )
    visits = pd.DataFrame(
        {
            "visit_id": [f"v{v:02d}" for v in range(num_visits)],
            "patient_id": [f"p{v // 2:02d}" for v in range(num_visits)],
            "fitzpatrick": ["I", "II", "V", None] * (num_visits // 4),
            "severity_reader1": pd.Series([v % 3 for v in range(num_visits)], dtype="Int64"),
        }
    )
    scores = pd.concat(
        photos[["photo_id", "visit_id"]].assign(
            query_id=f"q{q}", score=(rng.integers(-12, 9, len(photos)) / 8).astype(np.float32)
        )
        for q in range(num_queries)
    )
    return scores, photos, visits


def slow_choice(scores: pd.DataFrame, k: int, end: str) -> set[str]:
    """The union over queries, one query and one photo at a time."""
    union: set[str] = set()
    for _, rows in scores.groupby("query_id"):
        pairs = list(zip(rows["score"].tolist(), rows["photo_id"], strict=True))
        if end == "harmful":
            ranked = sorted((score, photo) for score, photo in pairs if score < 0)
        elif end == "helpful":
            ranked = sorted((-score, photo) for score, photo in pairs if score > 0)
        else:
            ranked = sorted((-abs(score), photo) for score, photo in pairs if score != 0)
        union |= {photo for _, photo in ranked[:k]}
    return union


def slow_removal(scores: pd.DataFrame, k: int, end: str) -> set[str]:
    """The first k of one ranking that may leave, one photo at a time: every visit keeps one."""
    (rows,) = [rows for _, rows in scores.groupby("query_id")]
    strength = {"harmful": -rows["score"], "helpful": rows["score"], "largest": rows["score"].abs()}[end]
    ranked = sorted(zip(-strength, rows["photo_id"], rows["visit_id"], strict=True))
    left = rows.groupby("visit_id").size().to_dict()
    gone: set[str] = set()
    for minus_strength, photo_id, visit_id in ranked:
        if minus_strength < 0 and len(gone) < k and left[visit_id] > 1:
            left[visit_id] -= 1
            gone.add(photo_id)
    return gone


def removed(keep: pd.DataFrame) -> set[str]:
    return set(keep.loc[~keep["kept"], "photo_id"])


def chosen(keep: pd.DataFrame) -> set[str]:
    return set(keep.loc[keep["num_queries"] > 0, "photo_id"])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("end", ["harmful", "helpful", "largest"])
@pytest.mark.parametrize("k", [1, 3, 10, 1000])
def test_all_errors_together_are_one_query_of_summed_scores(seed: int, end: str, k: int) -> None:
    scores, photos, visits = study(seed)
    keep = select(scores, photos, visits, k, PruneSettings(k=(1,), end=end, rule="together"))
    summed = scores.groupby(["photo_id", "visit_id"])["score"].sum().reset_index().assign(query_id="all")
    assert chosen(keep) >= slow_choice(summed, k, end)
    assert removed(keep) == slow_removal(summed, k, end), "the next in line leaves for one that is kept after all"
    assert k > 3 or chosen(keep) != slow_choice(scores, k, end), "the union would pass as well"
    assert all("all errors together" in reason for reason in keep.loc[~keep["kept"], "reason"])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("end", ["harmful", "helpful", "largest"])
@pytest.mark.parametrize("k", [1, 3, 10, 1000])
def test_union_of_queries_equals_the_slow_one(seed: int, end: str, k: int) -> None:
    scores, photos, visits = study(seed)
    keep = select(scores, photos, visits, k, PruneSettings(k=(1,), rule="each", end=end))
    union = slow_choice(scores, k, end)
    assert chosen(keep) == union
    assert removed(keep) <= union
    assert union - removed(keep) == set(keep.loc[keep["reason"].str.startswith("kept:"), "photo_id"])
    assert 0 < len(union) < len(photos) or k == 1000
    assert keep["num_queries"].sum() <= k * 4


def test_keep_list_has_one_row_per_photo_and_its_most_harmful_score() -> None:
    scores, photos, visits = study(1)
    keep = select(scores, photos, visits, 3, PLAIN)
    assert list(keep.columns) == KEEP_LIST.names
    assert keep["photo_id"].tolist() == sorted(photos["photo_id"])
    worst = scores.groupby("photo_id")["score"].min()
    assert (keep.set_index("photo_id")["min_score"] == worst).all()
    n = keep["num_queries"]
    expected = "harmful for " + n.astype(str) + " error" + pd.Series(np.where(n > 1, "s", ""))
    assert (keep["reason"] == expected)[~keep["kept"]].all()
    assert (keep["reason"] == "")[n == 0].all()


@pytest.mark.parametrize("end", ["harmful", "helpful", "largest"])
@pytest.mark.parametrize("rule", ["together", "each"])
@pytest.mark.parametrize("unit", ["photo", "visit"])
def test_the_score_of_a_keep_list_is_what_photos_leave_by(end: str, rule: str, unit: str) -> None:
    scores, photos, visits = study(8, num_visits=24)
    scores["score"] += 0.25  # as many positive as negative
    settings = PruneSettings(k=(1,), end=end, rule=rule, remove=unit)
    of_unit = scores.groupby(["query_id", f"{unit}_id"])["score"].sum().unstack("query_id")  # noqa: PD010
    if rule == "together":
        of_unit = of_unit.sum(axis=1).to_frame()
    strength = {"harmful": -of_unit, "helpful": of_unit, "largest": of_unit.abs()}[end]
    keep = select(scores, photos, visits, 4, settings)
    assert np.allclose(keep["score"].abs(), strength.max(axis=1).abs()[keep[f"{unit}_id"]])
    key = {"harmful": keep["score"], "helpful": -keep["score"], "largest": -keep["score"].abs()}[end]
    if rule == "together":
        was_chosen = keep["num_queries"] > 0
        assert 0 < was_chosen.sum() < len(keep)
        assert key[was_chosen].max() <= key[~was_chosen].min()

    ranked = ranked_photos(scores, photos, visits, settings)
    everything = keep.assign(key=key).sort_values(["key", "photo_id"])
    has_strength = (strength.max(axis=1) > 0)[everything[f"{unit}_id"]].to_numpy()
    pd.testing.assert_frame_equal(ranked, everything.loc[has_strength, list(ranked.columns)].reset_index(drop=True))


def test_without_queries_there_is_no_score() -> None:
    scores, photos, visits = study(0)
    keep = select(scores.iloc[:0], photos, visits, 5, PLAIN)
    assert keep[["score", "min_score"]].isna().all(axis=None)
    assert ranked_photos(scores.iloc[:0], photos, visits, PLAIN).empty


@pytest.mark.parametrize("seed", range(3))
def test_larger_k_removes_a_superset(seed: int) -> None:
    scores, photos, visits = study(seed)
    unions = [chosen(select(scores, photos, visits, k, PLAIN)) for k in (1, 2, 5, 20)]
    assert all(smaller < larger for smaller, larger in pairwise(unions))


def test_order_of_rows_changes_nothing() -> None:
    scores, photos, visits = study(2)
    assert scores.duplicated(["query_id", "score"]).any(), "no equal scores: the comparison would prove nothing"
    settings = PruneSettings(k=(1,), rule="each", cap_per_group=0.3, cap_column="fitzpatrick")
    once = select(scores, photos, visits, 4, settings)
    again = select(*(table.sample(frac=1, random_state=5) for table in (scores, photos, visits)), 4, settings)
    pd.testing.assert_frame_equal(once, again)


@pytest.mark.parametrize("keep_at_least", [1, 2, 4])
def test_every_visit_keeps_its_least_harmful_photos(keep_at_least: int) -> None:
    scores, photos, visits = study(3)
    keep = select(
        scores.assign(score=-scores["score"].abs() - 1),
        photos,
        visits,
        1000,
        PruneSettings(k=(1,), rule="each", keep_at_least=keep_at_least),
    )
    for _, members in keep.groupby("visit_id"):
        stay = members.loc[members["kept"], "min_score"]
        assert len(stay) == min(keep_at_least, len(members))
        assert stay.min() >= members.loc[~members["kept"], "min_score"].max() or members["kept"].all()
    assert len(removed(keep)) > 5


def test_nothing_to_remove_keeps_everything() -> None:
    scores, photos, visits = study(0)
    for none in (scores.iloc[:0], scores.assign(score=scores["score"].abs())):
        keep = select(none, photos, visits, 5, PLAIN)
        assert keep["kept"].all()
        assert (keep["reason"] == "").all()
    assert select(scores, photos, visits, 0, PLAIN)["kept"].all()


@pytest.mark.parametrize("unit", ["visit", "patient"])
def test_whole_units_leave_by_their_summed_score(unit: str) -> None:
    scores, photos, visits = study(4)
    keep = select(scores, photos, visits, 2, PruneSettings(k=(1,), rule="each", remove=unit))
    of_unit = scores.merge(visits[["visit_id", "patient_id"]], on="visit_id")
    sums = of_unit.groupby(["query_id", f"{unit}_id"])["score"].sum().reset_index()
    sums = sums.rename(columns={f"{unit}_id": "photo_id"})
    expected = slow_choice(sums, 2, "harmful")
    placed = keep.merge(visits, on="visit_id")
    assert set(placed.loc[~placed["kept"], f"{unit}_id"]) == expected
    assert not set(placed.loc[placed["kept"], f"{unit}_id"]) & expected


def test_removing_everything_is_refused() -> None:
    scores, photos, visits = study(0)
    with pytest.raises(SettingsError, match="would remove all"):
        select(scores.assign(score=-1.0), photos, visits, 1000, PruneSettings(k=(1,), rule="each", remove="visit"))


@pytest.mark.parametrize("unit", ["photo", "visit"])
def test_no_group_loses_more_than_its_cap(unit: str) -> None:
    scores, photos, visits = study(5, num_visits=24)
    settings = PruneSettings(k=(1,), rule="each", remove=unit, cap_per_group=0.25, cap_column="fitzpatrick")
    free = removal_rates(
        select(scores, photos, visits, 6, PruneSettings(k=(1,), rule="each", remove=unit)),
        photos,
        visits,
        Outcome(),
        ["fitzpatrick"],
    )
    keep = select(scores, photos, visits, 6, settings)
    rates = removal_rates(keep, photos, visits, Outcome(), ["fitzpatrick"]).iloc[1:]
    assert (free.iloc[1:]["percent"] > 25).any(), "the cap binds nowhere: the law would prove nothing"
    assert (rates["percent"] <= 25).all()
    assert set(rates["group"]) == {"I", "II", "V", "not recorded"}
    assert (keep["reason"] == "kept: cap on fitzpatrick").any()
    if unit == "photo":
        grouped = keep.merge(visits.fillna({"fitzpatrick": "not recorded"}), on="visit_id")
        left = grouped.loc[~grouped["kept"]].groupby("fitzpatrick")["min_score"].max()
        capped = grouped.loc[grouped["reason"] == "kept: cap on fitzpatrick"].groupby("fitzpatrick")["min_score"].min()
        both = left.index.intersection(capped.index)
        assert len(both) > 0
        assert (left[both] <= capped[both]).all(), "a more harmful photo stayed than one that left"


@pytest.mark.parametrize("rule", ["together", "each"])
def test_what_a_whole_group_has_in_common_ranks_no_photo(rule: Rule) -> None:
    scores, photos, visits = study(7, num_visits=24)
    photos = photos.assign(group=photos["visit_id"].map(visits.set_index("visit_id")["severity_reader1"]).astype(str))
    settings = PruneSettings(k=(1,), rule=rule, within="class")
    once = select(scores, photos, visits, 9, settings)
    of_group = photos.set_index("photo_id")["group"].astype(int)
    moved = scores.assign(score=scores["score"] - scores["photo_id"].map(of_group) * 50.0)
    assert removed(select(moved, photos, visits, 9, settings)) == removed(once)
    plain = select(moved, photos.drop(columns="group"), visits, 9, settings)
    assert set(of_group[list(removed(plain))]) == {2}, "compared with all, the group itself is what is most harmful"
    assert len(set(of_group[list(removed(once))])) > 1
    if rule == "together":
        summed = scores.groupby("photo_id")["score"].sum()
        wanted = summed - summed.groupby(of_group).transform("median")
        assert np.allclose(once.set_index("photo_id")["score"].fillna(wanted), wanted[once["photo_id"]])


def test_a_capped_place_goes_to_the_next_in_line() -> None:
    scores, photos, visits = study(5, num_visits=24)
    of_one = scores["visit_id"].map(visits.set_index("visit_id")["fitzpatrick"]) == "I"
    scores["score"] -= np.where(of_one, 10.0, 0.0)
    settings = PruneSettings(k=(1,), cap_per_group=0.25, cap_column="fitzpatrick")
    keep = select(scores, photos, visits, 16, settings)
    assert (keep["reason"] == "kept: cap on fitzpatrick").any()
    assert len(removed(keep)) == 16
    everything = select(scores, photos, visits, 1000, settings)
    assert len(removed(everything)) < 1000, "where no more may leave, fewer do"


def test_broken_scores_are_told() -> None:
    scores, photos, visits = study(0)
    with pytest.raises(TraceError, match="1 of"):
        select(scores.assign(score=[np.nan, *scores["score"][1:]]), photos, visits, 1, PLAIN)
    with pytest.raises(StageError, match="1 are missing"):
        select(scores.iloc[1:], photos, visits, 1, PLAIN)
    with pytest.raises(StageError, match="1 photos are not among them"):
        select(scores, photos.iloc[1:], visits, 1, PLAIN)
    with pytest.raises(StageError, match="1 pairs of query and photo occur twice"):
        select(pd.concat([scores, scores.iloc[:1]]), photos, visits, 1, PLAIN)
    with pytest.raises(SettingsError, match="cap_column"):
        select(scores, photos, visits, 1, PruneSettings(k=(1,), rule="each", cap_per_group=0.5, cap_column="skin"))


def test_percentages_of_the_paper() -> None:
    """Table 1: removed of 28,060 training photos (610 visits of 46)."""
    paper = {794: 2.8, 1576: 5.6, 2292: 8.2, 3019: 10.8, 3734: 13.3}
    assert 610 * 46 == 28_060
    assert {num: round(percent_of(num, 28_060), 1) for num in paper} == paper


def test_overlap_table_counts_as_the_paper_does() -> None:
    scores, photos, visits = study(6)
    keeps = {k: select(scores, photos, visits, k, PLAIN) for k in (8, 3)}
    table = overlap_table(keeps, num_queries=4)
    assert table["k"].tolist() == [3, 8]
    assert table["maximum"].tolist() == [12, min(32, len(photos))]
    for row, k in zip(table.itertuples(), (3, 8), strict=True):
        assert row.num_chosen == len(slow_choice(scores, k, "harmful")) < row.num_choices <= row.maximum
        assert row.num_removed == len(removed(keeps[k])) == row.num_chosen - row.num_kept_back
        assert row.percent == pytest.approx(100 * row.num_removed / len(photos))


def test_no_more_photos_are_possible_than_there_are() -> None:
    assert [most_possible(k, 4, 100) for k in (0, 3, 25, 26, 1000)] == [0, 12, 100, 100, 100]
    scores, photos, visits = study(6)
    keep = select(scores, photos, visits, 1000, PLAIN)
    assert overlap_table({1000: keep}, num_queries=4)["maximum"].tolist() == [len(photos)]


def test_a_control_tells_of_no_choices() -> None:
    scores, photos, visits = study(6)
    control = random_control(select(scores, photos, visits, 8, PLAIN), 0, 8)
    row = overlap_table({8: control}, num_queries=None).iloc[0]
    assert row[["num_queries", "maximum", "num_choices", "num_chosen", "num_kept_back"]].isna().all()
    assert row["num_removed"] == len(removed(control)) > 0


def test_removal_rates_cover_every_photo_of_every_column() -> None:
    scores, photos, visits = study(7)
    keep = select(scores, photos, visits, 3, PLAIN)
    rates = removal_rates(keep, photos, visits, Outcome())
    assert rates.iloc[0].tolist()[:4] == ["all", "all", len(photos), len(removed(keep))]
    assert list(dict.fromkeys(rates["column"])) == ["all", "severity_reader1", "view", "fitzpatrick"]
    sums = rates.groupby("column")[["num_photos", "num_removed"]].sum()
    assert (sums == sums.loc["all"]).all(axis=None)
    assert rates.loc[rates["column"] == "severity_reader1", "group"].tolist() == ["mild", "moderate", "severe"]


def test_reasons_say_where_all_errors_were_scored_together() -> None:
    scores, photos, visits = study(num_queries=1)
    rules: tuple[Rule, Rule] = ("each", "together")
    apart, together = (select(scores, photos, visits, 5, PruneSettings(k=(1,), rule=rule)) for rule in rules)
    assert removed(apart) == removed(together)
    assert set(apart.loc[~apart["kept"], "reason"]) == {"harmful for 1 error"}
    assert set(together.loc[~together["kept"], "reason"]) == {"harmful for all errors together"}
    rest = [column for column in KEEP_LIST.names if column != "reason"]
    pd.testing.assert_frame_equal(apart[rest], together[rest])
