"""Agreement of any number of readers: published examples, slow loops, laws, and a reader whose bias was planted."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from grasp_psonet.cohort.label_rules import ALL_READINGS
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.repeats import hidden_repeats
from grasp_psonet.evidence.readers import agreement_of_readers
from grasp_psonet.evidence.reliability import alpha_of_classes, alpha_of_scores, icc_2_1
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.schemas.evaluation import READER_AGREEMENT

Floats = NDArray[np.float64]
_N = np.nan
# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units, values missing
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _N, _N, _N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _N, 3],
        [_N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _N],
    ]
).T
# Shrout & Fleiss (1979), table 2: six targets, four judges
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])


def counts(value_VM: Floats, num_classes: int) -> Floats:
    return (value_VM[:, :, None] == np.arange(num_classes)).sum(axis=1).astype(float)


def plain(num_visits: int) -> Floats:
    return np.ones((1, num_visits))


def test_alpha_of_the_published_example() -> None:
    assert alpha_of_classes(counts(KRIPPENDORFF - 1, 5), plain(12))[0] == pytest.approx(0.815, abs=5e-4)
    assert alpha_of_scores(KRIPPENDORFF, plain(12))[0] == pytest.approx(0.849, abs=5e-4)


def test_icc_of_the_published_example() -> None:
    assert icc_2_1(SHROUT_FLEISS, plain(6))[0] == pytest.approx(0.29, abs=5e-3)


def slow_alpha(value_VM: Floats, is_ordinal: bool) -> float:
    """By every pair of values, in float64."""
    units = [[float(x) for x in row if x == x] for row in value_VM]
    units = [unit for unit in units if len(unit) > 1]
    every = [x for unit in units for x in unit]

    def apart(x: float, y: float) -> float:
        if not is_ordinal:
            return (x - y) ** 2
        low, high = sorted((x, y))
        between = sum(low <= z <= high for z in every) - (every.count(x) + every.count(y)) / 2
        return between**2 if x != y else 0.0

    observed = sum(apart(x, y) / (len(unit) - 1) for unit in units for x in unit for y in unit)
    expected = sum(apart(x, y) for x in every for y in every) / (len(every) - 1)
    return 1 - observed / expected


def slow_icc(score_VK: Floats) -> float:
    n, k = score_VK.shape
    mean = score_VK.mean()
    rows = k * sum((row.mean() - mean) ** 2 for row in score_VK) / (n - 1)
    columns = n * sum((column.mean() - mean) ** 2 for column in score_VK.T) / (k - 1)
    rest = sum(
        (score_VK[i, j] - score_VK[i].mean() - score_VK[:, j].mean() + mean) ** 2 for i in range(n) for j in range(k)
    )
    error = rest / ((n - 1) * (k - 1))
    return float((rows - error) / (rows + (k - 1) * error + k * (columns - error) / n))


@pytest.mark.parametrize("seed", range(4))
def test_every_weighting_equals_the_loop_over_repeated_visits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth_V = rng.normal(10, 4, 14)
    score_VM = np.round(truth_V[:, None] + rng.normal(0, 2, (14, 4)))
    gaps_VM = np.where(rng.random((14, 4)) < 0.4, np.nan, score_VM)
    class_VM = np.clip(np.floor(gaps_VM / 6), 0, 2)
    weight_RV = rng.integers(0, 4, (5, 14)).astype(float)
    of_classes, of_scores = alpha_of_classes(counts(class_VM, 3), weight_RV), alpha_of_scores(gaps_VM, weight_RV)
    iccs = icc_2_1(score_VM, weight_RV)
    for r, weight_V in enumerate(weight_RV.astype(int)):
        row_V = np.repeat(np.arange(14), weight_V)
        assert of_classes[r] == pytest.approx(slow_alpha(class_VM[row_V], True), abs=1e-10)
        assert of_scores[r] == pytest.approx(slow_alpha(gaps_VM[row_V], False), abs=1e-10)
        assert iccs[r] == pytest.approx(slow_icc(score_VM[row_V]), abs=1e-10)
    assert len(set(np.round(of_classes, 6))) > 1, "all alike: the comparison would prove nothing"


def test_what_does_not_exist_is_missing() -> None:
    same = np.full((4, 3), 2.0)
    assert np.isnan(alpha_of_scores(same, plain(4))[0])
    assert np.isnan(alpha_of_classes(counts(same, 3), plain(4))[0])
    assert np.isnan(icc_2_1(same, plain(4))[0])
    assert np.isnan(icc_2_1(np.empty((0, 3)), np.ones((1, 0)))[0])


def readings_of(score_VK: Floats, readers: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    outcome = Outcome()
    rows = [
        (f"v{v}", reader, k + 1, "reader", None, score_VK[v, k], float(outcome.class_of_score(score_VK[v, k])))
        for v in range(len(score_VK))
        for k, reader in enumerate(readers)
        if np.isfinite(score_VK[v, k])
    ]
    visits = pd.DataFrame(
        {
            "visit_id": [f"v{v}" for v in range(len(score_VK))],
            "patient_id": [f"p{v // 2}" for v in range(len(score_VK))],
            "split": ["test" if v % 4 == 0 else "train" for v in range(len(score_VK))],
        }
    )
    return pd.DataFrame(rows, columns=list(ALL_READINGS)), visits


def found_for(score_VK: Floats, readers: list[str], tables: tuple[pd.DataFrame, ...] = ()) -> pd.DataFrame:
    readings, visits = readings_of(score_VK, readers)
    repeats = hidden_repeats(tables, Outcome())
    table = agreement_of_readers(readings, repeats, visits, Outcome(), EvaluateSettings(replicates=200), 0)
    assert READER_AGREEMENT.faults(table) == []
    return table.set_index(["split", "metric", "reader", "other_reader"]).sort_index()


def test_a_planted_bias_is_found_and_no_other() -> None:
    rng = np.random.default_rng(1)
    truth_V = rng.uniform(3, 20, 60)
    score_VK = np.clip(truth_V[:, None] + rng.normal(0, 0.5, (60, 4)) + np.array([0, 0, 0, 2.5]), 0, 72)
    found = found_for(score_VK, ["ana", "bo", "cy", "dee"])
    bias = found.loc[("all", "bias_score")]
    assert bias.loc[("dee", ""), "value"] == pytest.approx(2.5, abs=0.4)
    assert bias.loc[("dee", ""), "low"] > 1.5
    assert all(-1.3 < bias.loc[(name, ""), "value"] < -0.4 for name in ("ana", "bo", "cy"))
    assert found.loc[("all", "icc", "ana", "bo"), "value"] > 0.97 > found.loc[("all", "icc", "ana", "dee"), "value"]
    assert found.loc[("all", "icc", "", ""), "value"] == pytest.approx(slow_icc(score_VK))
    assert found.loc[("test", "icc", "", ""), "num_visits"] == 15
    assert found.loc[("all", "kappa")].index.tolist() == [
        ("ana", "bo"), ("ana", "cy"), ("ana", "dee"), ("bo", "cy"), ("bo", "dee"), ("cy", "dee")
    ]  # fmt: skip


def test_readers_of_different_visits_have_alpha_and_no_icc_of_all() -> None:
    rng = np.random.default_rng(2)
    score_VK = np.clip(rng.uniform(3, 20, 40)[:, None] + rng.normal(0, 1, (40, 3)), 0, 72)
    score_VK[:20, 0] = score_VK[20:, 1] = np.nan
    found = found_for(score_VK, ["ana", "bo", "cy"])
    assert found.loc[("all", "alpha", "", ""), "value"] > 0.5
    assert found.loc[("all", "alpha", "", ""), "low"] < found.loc[("all", "alpha", "", ""), "high"]
    assert pd.isna(found.loc[("all", "icc", "", ""), "value"])
    assert found.loc[("all", "icc", "", ""), "why_not"] == "no visit was scored by all 3 readers"
    assert ("all", "kappa", "ana", "bo") not in found.index


def test_a_single_reader_agrees_with_nobody() -> None:
    found = found_for(np.array([[3.0], [8.0], [12.0]]), ["ana"])
    assert found["value"].isna().all()
    assert set(found["why_not"]) == {"there is one reader", "nobody else read a visit of this reader"}


def round_of(rows: list[tuple[str, str, str, bool, int, float]]) -> pd.DataFrame:
    """Readings of rounds: visit, reader, round, whether it is a hidden repeat, version, score (NaN: not assessable)."""
    columns = ["visit_id", "reader_id", "round", "repeat", "version", "pasi_reader1"]
    table = pd.DataFrame(rows, columns=columns)
    labels = [None if x != x else Outcome().class_of_score(x) for x in table["pasi_reader1"]]
    return table.assign(severity_reader1=pd.array(labels, dtype="Int64"))


def test_a_reader_is_compared_with_itself_on_visits_that_came_twice() -> None:
    """Of each reading the last version, within one round; what could not be assessed makes no pair."""
    once = np.array([3.0, 8.0, 12.0, 4.0, 20.0, 6.0])
    again = np.array([4.0, 9.0, 6.0, 4.5, 30.0, 2.0])
    rows = [
        (f"v{v}", "dee", "spring", is_again, 1, score[v])
        for v in range(6)
        for is_again, score in ((False, once), (True, again))
    ]
    spoilt = [("v0", "dee", "spring", True, 0, 71.0), ("v1", "dee", "spring", False, 0, 70.0)]  # older versions
    others = [
        ("v6", "dee", "spring", False, 1, 3.0), ("v6", "dee", "spring", True, 1, _N),
        ("v7", "dee", "spring", False, 1, 3.0), ("v7", "dee", "autumn", True, 1, 60.0),
        ("v8", "eve", "spring", False, 1, 3.0), ("nowhere", "eve", "spring", True, 1, 3.0),
    ]  # fmt: skip
    tables = (round_of(spoilt + others + rows), pd.DataFrame())
    assert set(hidden_repeats(tables, Outcome())["visit_id"]) == {f"v{v}" for v in range(6)}
    found = found_for(np.full((9, 1), 3.0), ["ana"], tables)
    own = found[found.index.get_level_values("reader") == found.index.get_level_values("other_reader")]
    own = own[own.index.get_level_values("reader") != ""].loc["all"]
    assert {(reader, other) for _, reader, other in own.index} == {("dee", "dee")}
    assert own["num_visits"].tolist() == [6] * len(own)
    same = np.mean(
        [Outcome().class_of_score(a) == Outcome().class_of_score(b) for a, b in zip(once, again, strict=True)]
    )
    assert own.loc[("agreement", "dee", "dee"), "value"] == pytest.approx(same)
    assert own.loc[("icc", "dee", "dee"), "value"] == pytest.approx(slow_icc(np.stack([once, again], axis=1)))
    assert 0 < same < 1


def test_without_repeats_nothing_is_said_of_them() -> None:
    found = found_for(
        np.array([[3.0, 3], [8.0, 8], [12.0, 2]]), ["ana", "bo"], (round_of([("v0", "dee", "x", False, 1, 3.0)]),)
    )
    assert ("all", "icc", "dee", "dee") not in found.index
