"""The reading benchmark: its lists, its simulated reader, and its arithmetic on a table made by hand."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.audit.ground import DrawnGround, Readers
from benchmarks.reading.lists import Lists, third_readings
from benchmarks.reading.summary import mean_of, summarise
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings

SMALL = SyntheticSettings(24, 48, 4, edge_px=64, val_visits=12, test_visits=9, shortcut=ShortcutSettings("none"))
KEYS = ("gross_errors_found_at_30", "auc_gain_corrected", "auc_gain_removed", "auc_gain_random_reading", "seeds")


def visits() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "visit_id": list("abcdefghij"),
            "is_wrong": [False, False, True, False, False, False, True, False, False, False],
            "pasi_reader1": [1.0, 2, 9, 4, 5, 6, 20, 8, 9, 19],
            "pasi_true": [1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        }
    )


def test_the_oracle_reads_the_largest_errors_of_class_first_and_chance_is_keyed_by_the_seed() -> None:
    lists = Lists(visits(), list("jihgfedcba"), 1)
    assert lists.first("oracle", 0.3) == ["g", "c", "j"]
    assert lists.first("audit", 0.2) == ["j", "i"]
    assert lists.order("random") == Lists(visits(), [], 1).order("random") != Lists(visits(), [], 2).order("random")
    assert sorted(lists.order("random")) == list("abcdefghij")


def test_a_further_reader_is_as_noisy_as_the_two_and_scores_a_visit_alike_on_every_list(tmp_path: Path) -> None:
    ground = DrawnGround(tmp_path, 5, SMALL)
    drawn = ground.visits(Readers(0.0, has_shortcut=False))
    ids = drawn["visit_id"].tolist()
    whole, part = (third_readings(ground, Readers(0.0, has_shortcut=False), some) for some in (ids, ids[10:20]))
    assert whole.iloc[10:20]["pasi"].tolist() == part["pasi"].tolist()
    off = (whole["pasi"] - drawn["pasi_true"]).abs().mean()
    first = (drawn["pasi_reader1"] - drawn["pasi_true"]).abs().mean()
    assert 0.5 * first < off < 2 * first
    assert (whole["pasi"] != drawn["pasi_reader1"]).any()


def table() -> pd.DataFrame:
    """Two seeds: reading the audit's list gains .04 and .02, removing -.01 and .01, reading at random .01 and .01."""
    rows = []
    for seed, gains in ((1, (0.04, -0.01, 0.01)), (2, (0.02, 0.01, 0.01))):
        for against in ("truth", "reader1"):
            common = {"seed": seed, "against": against, "kappa": 0.5, "num_errors": 4, "num_read": 3}
            rows.append(common | {"list": "", "fraction": 0.0, "arm": "kept", "auc": 0.8})
            rows.append(common | {"list": "", "fraction": 1.0, "arm": "true labels", "auc": 0.9})
            places = (("audit", "corrected", 3), ("audit", "removed", 3), ("random", "corrected", 1))
            for (name, arm, found), gain in zip(places, gains, strict=True):
                told = {"num_found": found, "num_told": 1, "num_true_before": 1, "num_true_after": 2}
                rows.append(common | told | {"list": name, "fraction": 0.3, "arm": arm, "auc": 0.8 + gain})
            told = {"num_found": 4, "num_told": 4, "num_true_before": 0, "num_true_after": 3}
            rows.append(common | told | {"list": "oracle", "fraction": 0.3, "arm": "corrected", "auc": 0.85})
    return pd.DataFrame(rows)


def test_figures_of_a_table_made_by_hand() -> None:
    found = summarise(table())
    assert set(KEYS) <= set(found)
    assert found["seeds"] == [1, 2]
    assert found["gross_errors_found_at_30"]["mean"] == 0.75
    assert found["auc_gain_corrected"]["mean"] == pytest.approx(0.03)
    assert found["auc_gain_corrected"]["low"] == pytest.approx(0.03 - 12.706 * 0.01, abs=1e-3)
    assert found["auc_gain_removed"]["mean"] == pytest.approx(0.0)
    assert found["auc_gain_random_reading"]["mean"] == pytest.approx(0.01)
    assert found["corrected_minus_random_reading"]["mean"] == pytest.approx(0.02)
    assert found["audit_finds_more_than_random_on_seeds"] == 2
    assert found["reading"]["audit, first 30 %"]["readings_per_error_found"] == 1.0
    assert found["gains"]["random, first 30 %, corrected"]["auc, truth"]["mean"] == pytest.approx(0.01)


def test_no_interval_of_one_seed() -> None:
    assert mean_of(pd.Series([0.5])) == {"mean": 0.5, "low": None, "high": None}
