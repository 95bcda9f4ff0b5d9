"""What a way of pruning won: paired over seeds with the baseline, the oracle and the random control."""

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.planted import ORACLE, by_seed, chosen_rows
from benchmarks.truth.counterfactual import mean_over_seeds
from grasp_psonet.stages.names import BASELINE


def gains(table: pd.DataFrame, arm: str) -> dict[str, Any]:
    """Figures of one arm over the seeds of the table, k by validation AUC in every seed.

    ``auc_gain``: mean test AUC less the baseline's, with its 95 % t interval over seeds. ``gap_recovered``: sum of gains over
    sum of gaps to the oracle. ``auc_gain_any``: where any gain in validation AUC is followed, its noise ignored. Random
    removal of the same sizes is compared twice: with the k that pruning chose (``_same_k``), and with the k that validation
    chooses for the control itself.
    """
    baseline = by_seed(table, BASELINE)
    picked = chosen_rows(table, arm)
    gain = picked["test"].astype(float) - baseline
    found: dict[str, Any] = {
        "mean_val_auc": float(picked["val"].astype(float).mean()),
        "auc_gain": float(gain.mean()),
        "auc_gain_interval": interval(gain),
        "auc_gain_by_seed": _rounded(gain),
        "auc_gain_any": float((chosen_rows(table, arm, min_gain_se=0.0)["test"].astype(float) - baseline).mean()),
        "k_by_seed": picked["k"].astype(int).tolist(),
        "mean_test_auc_by_k": _by_k(table, arm, ""),
    }
    if (table["arm"] == ORACLE).any():
        gap = by_seed(table, ORACLE) - baseline
        found["gap_recovered"] = float(gain.sum() / gap.sum())
        for share in ("shortcut_precision", "shortcut_recall"):
            found[share] = float(picked[share].astype(float).mean())
    if ((table["arm"] == arm) & (table["control"] == "random")).any():
        found |= _against_random(table, arm, picked, baseline, gain)
    return found


def _against_random(
    table: pd.DataFrame, arm: str, picked: pd.DataFrame, baseline: "pd.Series[float]", gain: "pd.Series[float]"
) -> dict[str, Any]:
    own_k = chosen_rows(table, arm, "random")["test"].astype(float) - baseline
    control = table[(table["arm"] == arm) & (table["control"] == "random")]
    same = "list" if "list" in table else "k"  # the name tells apart what is equally long
    rows = control[control[same] == control["seed"].map(picked[same])]
    same_k = rows.set_index("seed")["test"].reindex(baseline.index).fillna(baseline) - baseline  # k = 0: the baseline
    return {
        "auc_gain_random": float(own_k.mean()),
        "auc_gain_random_by_seed": _rounded(own_k),
        "auc_gain_random_same_k": float(same_k.mean()),
        "auc_gain_random_same_k_by_seed": _rounded(same_k),
        "seeds_better_than_random": int((gain > own_k).sum()),
        "seeds_better_than_random_same_k": int((gain > same_k).sum()),
        "random_mean_test_auc_by_k": _by_k(table, arm, "random"),
    }


def shortcut_figures(table: pd.DataFrame) -> dict[str, Any]:
    """What the planted shortcut costs the baseline, in test AUC."""
    baseline, oracle = by_seed(table, BASELINE), by_seed(table, ORACLE)
    return {
        "seeds": sorted(int(seed) for seed in table["seed"].unique()),
        "shortcut_cost": float((oracle - baseline).mean()),
        "shortcut_cost_by_seed": _rounded(oracle - baseline),
        "baseline_auc_by_seed": _rounded(baseline),
        "oracle_auc_by_seed": _rounded(oracle),
    }


def interval(values: "pd.Series[float]") -> list[float | None]:
    """The 95 % t interval of a mean over seeds; none for a single seed."""
    found = mean_over_seeds(values.astype(float).tolist())
    return [None if edge is None else round(edge, 4) for edge in (found.low, found.high)]


def _rounded(values: "pd.Series[float]") -> list[float]:
    return [round(float(value), 4) for value in np.asarray(values, dtype=float)]


def _by_k(table: pd.DataFrame, arm: str, control: str) -> dict[str, float]:
    rows = table[(table["arm"] == arm) & (table["control"] == control)]
    return {str(k): float(value) for k, value in rows.groupby("k")["test"].mean().items()}
