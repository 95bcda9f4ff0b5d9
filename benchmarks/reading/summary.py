"""The figures of the reading benchmark: means over seeds with intervals, all paired within a seed."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from benchmarks.reading.cohort import OF_ALL, TRUTH
from benchmarks.reading.lists import LISTS

MAIN = 0.3
_CONFIDENCE = 0.95


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Every figure of the benchmark from the rows of all seeds."""
    reading = table[(table["arm"] == "corrected") & (table["against"] == TRUTH)]
    found = {
        name: reading[(reading["list"] == name) & (reading["fraction"] == MAIN)].set_index("seed") for name in LISTS
    }
    audit, random = found["audit"], found["random"]
    return {
        "seeds": sorted(map(int, table["seed"].unique())),
        "gross_errors_found_at_30": mean_of(_share(audit)),
        "gross_errors_found_at_30_random": mean_of(_share(random)),
        "gross_errors_found_at_30_oracle": mean_of(_share(found["oracle"])),
        "audit_finds_more_than_random_on_seeds": int((audit["num_found"] > random["num_found"]).sum()),
        "audit_finds_more_than_chance_on_seeds": int((audit["num_found"] > MAIN * audit["num_errors"]).sum()),
        "auc_gain_corrected": gain(table, "audit", "corrected"),
        "auc_gain_removed": gain(table, "audit", "removed"),
        "auc_gain_random_reading": gain(table, "random", "corrected"),
        "auc_gain_true_labels": gain(table, "", "true labels", fraction=1.0),
        "corrected_minus_removed": gain(table, "audit", "corrected", other=("audit", "removed")),
        "corrected_minus_random_reading": gain(table, "audit", "corrected", other=("random", "corrected")),
        "kept": {against: _levels(table, against) for against in table["against"].unique()},
        "gains": _gains(table),
        "reading": _reading(reading),
    }


def mean_of(values: "pd.Series[float]") -> dict[str, float | None]:
    """Mean over seeds with its interval (Student's t); no interval of fewer than two seeds."""
    value = values.to_numpy(np.float64)
    value = value[np.isfinite(value)]
    mean = float(value.mean()) if len(value) else None
    if len(value) < 2 or mean is None:
        return {"mean": mean, "low": None, "high": None}
    half = float(stdtrit(len(value) - 1, (1 + _CONFIDENCE) / 2) * value.std(ddof=1) / np.sqrt(len(value)))
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def gain(
    table: pd.DataFrame,
    name: str,
    arm: str,
    metric: str = "auc",
    fraction: float = MAIN,
    against: str = TRUTH,
    other: tuple[str, str] = ("", "kept"),
) -> dict[str, float | None]:
    """This arm minus the other (list, arm) of the same fraction, by default the labels as they were kept, paired by seed."""
    rows = table[table["against"] == against]
    is_kept = other == ("", "kept")
    this = _of(rows, name, arm, fraction)[metric]
    return mean_of(this - _of(rows, *other, 0.0 if is_kept else fraction)[metric])


def _of(rows: pd.DataFrame, name: str, arm: str, fraction: float) -> pd.DataFrame:
    return rows[(rows["list"] == name) & (rows["arm"] == arm) & (rows["fraction"] == fraction)].set_index("seed")


def _share(rows: pd.DataFrame) -> "pd.Series[float]":
    """Found part of the gross errors of a seed; missing where it has none."""
    share: pd.Series[float] = rows["num_found"] / rows["num_errors"].where(rows["num_errors"] > 0)
    return share


def _levels(table: pd.DataFrame, against: str) -> dict[str, dict[str, float | None]]:
    kept = table[(table["arm"] == "kept") & (table["against"] == against)]
    return {metric: mean_of(kept[metric]) for metric in ("auc", "kappa")}


def _gains(table: pd.DataFrame) -> dict[str, Any]:
    """By list, fraction, arm, metric and reader the mean gain over the labels as kept."""
    arms = [arm for arm in table["arm"].unique() if arm not in ("kept", "true labels")]
    return {
        f"{name}, first {round(100 * fraction)} %, {arm}": {
            f"{metric}, {against}": gain(table, name, arm, metric, fraction, against)
            for metric in ("auc", "kappa")
            for against in table["against"].unique()
        }
        for name in LISTS
        for fraction in sorted(table.loc[table["list"] == name, "fraction"].unique())
        for arm in arms
        if arm != OF_ALL or name == "audit"
    }


def _reading(rows: pd.DataFrame) -> dict[str, Any]:
    """By list and fraction: errors found, told by a changed label, readings spent per error found, labels that are true."""
    told: dict[str, Any] = {}
    for (name, fraction), group in rows.groupby(["list", "fraction"], sort=False):
        some = group.set_index("seed")
        num_found = int(some["num_found"].sum())
        told[f"{name}, first {round(100 * float(str(fraction)))} %"] = {
            "found": mean_of(_share(some)),
            "told_by_a_changed_label": int(some["num_told"].sum()),
            "num_found": num_found,
            "num_errors": int(some["num_errors"].sum()),
            "readings_per_error_found": round(float(some["num_read"].sum()) / num_found, 2) if num_found else None,
            "true_labels_before": round(float((some["num_true_before"] / some["num_read"]).mean()), 4),
            "true_labels_after": round(float((some["num_true_after"] / some["num_read"]).mean()), 4),
        }
    return told
