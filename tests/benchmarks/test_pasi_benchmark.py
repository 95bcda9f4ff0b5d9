"""The benchmark of PASI as a number: arithmetic on tables made by hand, parts of the patients, a short run."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.pasi import __main__ as command
from benchmarks.pasi.clean import ARMS, is_kept
from benchmarks.pasi.summary import auc, summarise

KEYS = {
    "seeds",
    "mae_excess",
    "mae_excess_high",
    "icc_difference",
    "icc_difference_low",
    "auc_against_classifier",
    "auc_against_classifier_low",
    "kappa_against_classifier",
    "kappa_against_classifier_low",
    "pasi75_agreement",
    "pasi75_readers_low",
    "pasi75_readers_high",
    "pasi75_readers_width",
    "shortcut_cost",
    "gap_recovered",
    "beats_random_on_seeds",
}


def clean() -> pd.DataFrame:
    """Two seeds of six patients with two visits; the network is off by 1 (seed 1) and 3 (seed 2), the readers by 2."""
    rows = []
    for seed, off in ((1, 1.0), (2, 3.0)):
        for patient in range(6):
            for day, score in ((0, 2.0 + 4 * patient), (28, 0.2 + 1.2 * patient)):
                known = {"seed": seed, "patient_id": f"p{patient}", "study_day": day, "num_train": 10}
                known |= {"visit_id": f"{patient}-{day}", "reader1": score, "reader2": score + 2, "truth": score}
                number = {"predicted": score + off, "p_at_least_1": np.nan, "p_at_least_2": np.nan}
                rows.append(known | number | {"arm": "regional"})
                rows.append(known | {"predicted": 0.0, "p_at_least_1": 0.5, "p_at_least_2": 0.5, "arm": "classes"})
    return pd.DataFrame(rows)


def shortcut() -> pd.DataFrame:
    """Two seeds: the shortcut costs 2 and 0.5 points; pruning wins back 1.5 and 0.5, random removal 0.2 and 0.6."""
    rows = []
    for seed, oracle, pruned, random in ((1, 3.0, 3.5, 4.8), (2, 4.5, 4.5, 4.4)):
        common = {"seed": seed, "k": 0, "control": "", "list": None, "removed": None, "val_gain_se": None}
        common |= {"shortcut_precision": None, "shortcut_recall": None}
        rows.append(common | {"arm": "baseline", "val": 5.0, "test": 5.0})
        rows.append(common | {"arm": "oracle", "val": 4.0, "test": oracle})
        made = {"arm": "default", "list": "stand_out", "k": 7, "removed": 7, "shortcut_precision": 0.5}
        made |= {"shortcut_recall": 1.0, "val_gain_se": 0.1}
        rows.append(common | made | {"val": 4.2, "test": pruned})
        rows.append(common | made | {"control": "random", "val": 4.9, "test": random})
    return pd.DataFrame(rows)


def test_figures_of_tables_made_by_hand() -> None:
    found = summarise({"clean": clean(), "shortcut": shortcut()})
    assert found.keys() >= KEYS
    assert found["seeds"] == [1, 2]
    assert found["mae_excess_by_seed"] == [-1.0, 1.0]
    assert found["mae_excess"] == pytest.approx(0.0)
    assert found["mae_excess_high"] == pytest.approx(12.706, abs=1e-3)
    assert found["mae_readers"]["mean"] == 2.0
    # the order of the scores is the reader's: every visit is told apart, and the classifier tells nothing
    assert found["auc_against_classifier"] == pytest.approx(0.5)
    assert found["pasi75_follow_ups"] == 12
    assert found["shortcut_cost_by_seed"] == [2.0, 0.5]
    assert found["gap_recovered"] == pytest.approx(2.0 / 2.5)
    assert found["costly_seeds"] == [1]
    assert found["beats_random_on_seeds"] == 1
    assert found["where_it_cost"]["gap_recovered"] == pytest.approx(0.75)
    assert found["baseline_mae"]["mean"] == 5.0
    json.dumps(found, allow_nan=False)


def test_response_counts_falls_by_three_quarters() -> None:
    """Reader 1: from 2 + 4p to 0.2 + 1.2p; Reader 2 two points above. Plain counting over the patients."""
    told = summarise({"clean": clean()})
    first, second = ([(2 + more + 4 * p, 0.2 + more + 1.2 * p) for p in range(6)] for more in (0, 2))
    fell = [[base - later >= 0.75 * base - 1e-9 for base, later in one] for one in (first, second)]
    agreement = np.mean([one == other for one, other in zip(*fell, strict=True)])
    assert 0 < agreement < 1
    assert told["pasi75_readers"] == pytest.approx(agreement)
    assert told["pasi75_rate_reader1"] == pytest.approx(np.mean(fell[0]))


def test_auc_counts_ties_half_and_needs_both_sides() -> None:
    assert auc(np.array([1.0, 2.0, 2.0]), np.array([False, True, False])) == 0.75
    assert np.isnan(auc(np.array([1.0, 2.0]), np.array([True, True])))


def test_a_smaller_part_of_the_patients_lies_within_a_larger_one_and_only_training_loses_any() -> None:
    visits = pd.DataFrame({"patient_id": [f"p{n // 2}" for n in range(48)], "split": ["train"] * 40 + ["test"] * 8})
    whole, half, quarter = (is_kept(visits, part, 3) for part in (1.0, 0.5, 0.25))
    assert whole.all()
    assert (half.sum(), quarter.sum()) == (28, 18)
    assert (half | ~quarter).all()
    assert half.groupby(visits["patient_id"]).nunique().max() == 1, "whole patients"


@pytest.mark.nightly
def test_the_short_form_makes_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.record.RESULTS", tmp_path / "results")
    words = ["--quick", "--seeds", "1", "--folder", str(tmp_path / "work")]
    command.main(words)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures.keys() >= KEYS
    assert set(figures["arms"]) == set(ARMS) - {"classes"}
    tables = sorted((tmp_path / "work/tables").iterdir())
    made = [table.stat().st_mtime_ns for table in tables]
    command.main(words)
    assert [table.stat().st_mtime_ns for table in tables] == made, "what stands is read"
