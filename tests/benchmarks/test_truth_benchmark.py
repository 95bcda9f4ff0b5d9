"""The arithmetic of the truth benchmark, on tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.gains import gains, shortcut_figures
from benchmarks.planted import chosen_rows
from benchmarks.truth.planted_truth import cost_figures, planted_figures
from benchmarks.truth.rankings import combinations, each, quality_of, together


def runs(seed: int, base: float, oracle: float, pruned: dict[int, tuple[float, float]], control: float) -> pd.DataFrame:
    """Baseline, oracle, the default arm (k -> validation and test AUC) and its control, whose validation AUC is 0.6."""
    rows = [("baseline", 0, "", 0.6, base), ("oracle", 0, "", 0.9, oracle)]
    rows += [("default", k, "", val, test) for k, (val, test) in pruned.items()]
    rows += [("default", k, "random", 0.6 + k / 1e4, control) for k in pruned]
    table = pd.DataFrame(rows, columns=["arm", "k", "control", "val", "test"])
    shares = {"shortcut_precision": 1.0, "shortcut_recall": 0.5, "val_gain_se": 0.02}
    return table.assign(seed=seed, fault="colour_cast", **shares)


TWO = pd.concat(
    [
        runs(1, 0.70, 0.90, {20: (0.65, 0.75), 40: (0.80, 0.85)}, 0.72),
        runs(2, 0.60, 0.90, {20: (0.70, 0.80), 40: (0.61, 0.95)}, 0.85),
    ]
)


def test_k_is_chosen_on_validation_in_every_seed() -> None:
    assert chosen_rows(TWO, "default")["k"].tolist() == [40, 20]
    assert chosen_rows(TWO, "default", "random")["k"].tolist() == [0, 0], "a gain within the noise is none"
    assert chosen_rows(TWO, "default", "random", min_gain_se=0.0)["k"].tolist() == [40, 40]


def test_gains_are_paired_with_baseline_oracle_and_control() -> None:
    found = gains(TWO, "default")
    assert found["auc_gain"] == pytest.approx((0.15 + 0.20) / 2)
    assert found["gap_recovered"] == pytest.approx(0.35 / 0.5)
    assert found["auc_gain_random_same_k_by_seed"] == [0.02, 0.25]
    assert found["seeds_better_than_random_same_k"] == 1
    assert (found["auc_gain_random"], found["seeds_better_than_random"]) == (0, 2)
    assert shortcut_figures(TWO)["shortcut_cost_by_seed"] == [0.2, 0.3]


def test_without_a_shortcut_what_pruning_loses_is_its_cost() -> None:
    clean = TWO[TWO["arm"] != "oracle"].assign(fault="none")
    assert cost_figures(clean)["cost_without_shortcut_by_seed"] == [-0.15, -0.2]
    both = planted_figures(pd.concat([TWO, clean.assign(seed=clean["seed"] + 10)]))
    assert both["cost_without_shortcut"] == pytest.approx(-0.175)
    assert both["auc_gain"] == pytest.approx(0.175)


def test_seeds_that_a_shortcut_cost_nothing_are_told_apart() -> None:
    harmless = runs(3, 0.80, 0.82, {20: (0.65, 0.75)}, 0.80)
    found = planted_figures(pd.concat([TWO, harmless]))
    assert found["seeds"] == [1, 2, 3]
    assert found["where_it_cost"]["seeds"] == [1, 2]
    assert found["where_it_cost"]["gap_recovered"] == pytest.approx(0.7)
    assert "where_it_cost" not in planted_figures(harmless)


def test_rules_rank_as_pruning_takes() -> None:
    score_QP = np.array([[-3.0, -1.0, 2.0, 0.0], [4.0, -1.0, -2.0, 0.0]])
    assert np.argsort(-together(score_QP)).tolist() == [1, 2, 3, 0]
    assert set(np.argsort(-each(score_QP))[:2]) == {0, 2}, "each error's worst comes first"
    assert quality_of(together(score_QP), np.array([False, True, False, False]))["average_precision"] == 1.0


def test_the_grid_holds_no_combination_that_is_refused() -> None:
    cells = [(s.counting, formula) for s, formulas in combinations(whole_grid=True) for formula in formulas]
    assert ("steps", "adam-step") in cells
    assert ("even", "adam-step") not in cells
    assert len(cells) == 2 * 4 * 2 * 2 * (4 + 4 + 5)
    assert 0 < len(list(combinations(whole_grid=False))) < len(list(combinations(whole_grid=True)))
