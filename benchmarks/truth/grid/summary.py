"""What the cells of the grid say: a row per cell and way of pruning, and figures over seeds, tuned-on and held-out apart."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmarks.gains import interval
from benchmarks.planted import ORACLE, chosen_rows
from benchmarks.truth.grid.cells import Cell
from benchmarks.truth.grid.making import BASE, CONTROLS, Grid
from benchmarks.truth.planted_truth import COSTLY
from benchmarks.truth.rivals.rounds import QLD
from grasp_psonet.stages.names import BASELINE

NETWORK = ("is_held_out", "ground", "encoder", "arm")
SETTING = ("is_held_out", "ground", "encoder", "fault", "strength", "share", "variant", "arm")
_OF_CHOSEN = ("removed", "shortcut_precision", "shortcut_recall", "precision_in_class", "largest_class_share")
GAINS_OF_RANDOM = tuple(f"gain_{control}{which}" for control in CONTROLS for which in ("_same_list", ""))
_OF_RANKING = ("harm_auroc", "harm_auroc_in_class")
_OF_QUERIES = (f"{QLD}_default", f"{QLD}_random")
_OF_LISTS = ("list", "val_gain_se", "removed_by_class", *_OF_CHOSEN, *_OF_RANKING)  # a baseline has none


def grid_table(grid: Grid, cells: Sequence[Cell]) -> pd.DataFrame:
    """One row per cell and way of pruning that stands; k as validation chose it, 0 for no pruning."""
    return pd.DataFrame([row for cell in cells for row in _rows_of(grid, cell)])


def _rows_of(grid: Grid, cell: Cell) -> Iterator[dict[str, Any]]:
    if not grid.table(cell, BASE).exists():
        return
    base = pd.read_parquet(grid.table(cell, BASE))
    base = base.reindex(columns=[*base.columns, *(name for name in _OF_LISTS if name not in base)])
    about = asdict(cell) | {"is_held_out": cell.is_held_out, "severity": cell.severity if cell.shortcuts else ""}
    if QLD in grid.arms and grid.table(cell, QLD).exists():
        about |= query_loss_figures(pd.read_parquet(grid.table(cell, QLD)))
    for arm in (name for name in grid.arms if name != QLD):
        if grid.table(cell, arm).exists():
            own = pd.read_parquet(grid.table(cell, arm))  # empty where a rival names no photo
            runs = pd.concat([base, own], ignore_index=True) if len(own) else base
            yield about | {"arm": arm} | cell_figures(runs.assign(seed=cell.seed), arm)


def query_loss_figures(rows: pd.DataFrame) -> dict[str, Any]:
    """What training without 1 % of the photos changed in the mean loss of the errors (negative: it fell), where the default
    named the photos and where they were drawn; bergson's query loss difference is the first less the second."""
    change = (rows["error_loss"] - rows["baseline_error_loss"]).astype(float)
    change.index = pd.Index(rows["list"])
    return {name.replace("-", "_"): change[name] for name in (f"{QLD}-default", f"{QLD}-random")}


def cell_figures(runs: pd.DataFrame, arm: str) -> dict[str, Any]:
    """Of the runs of one cell (``rows_of_lists`` with ``class_figures``, baseline and oracle): cost of the fault, gain of the
    pruning that validation chose and of both random removals, and what that pruning removed."""
    test_of = runs[runs["arm"].isin([BASELINE, ORACLE])].set_index("arm")["test"]
    baseline = float(test_of[BASELINE])
    own = runs[(runs["arm"] == arm) & (runs["control"] == "")]
    picked = chosen_rows(runs, arm).iloc[0]
    found: dict[str, Any] = {"baseline": baseline, "k": int(picked["k"]), "gain": float(picked["test"]) - baseline}
    found["list"] = picked["list"] if found["k"] else ""
    found["best_gain"] = float(own["test"].max()) - baseline if len(own) else None
    if ORACLE in test_of:
        found["cost"] = float(test_of[ORACLE]) - baseline
        found["gap_recovered"] = found["gain"] / found["cost"] if found["cost"] >= COSTLY else None
    for control in CONTROLS:
        random = runs[(runs["arm"] == arm) & (runs["control"] == control)]
        if len(random):
            same = random.loc[random["list"] == picked["list"], "test"]
            found[f"gain_{control}_same_list"] = float(same.iloc[0]) - baseline if len(same) else 0.0
            found[f"gain_{control}"] = float(chosen_rows(runs, arm, control).iloc[0]["test"]) - baseline
    removes = found["k"] > 0
    found |= {name: picked[name] if removes else None for name in _OF_CHOSEN}
    found["removed_by_class"] = picked["removed_by_class"] if removes else "{}"
    return found | {name: own[name].iloc[0] if len(own) else None for name in _OF_RANKING}


def grid_figures(table: pd.DataFrame) -> dict[str, Any]:
    """Figures by network and ground, and by setting; tuned-on and held-out cells are never mixed."""
    if table.empty:
        return {"cells": 0}
    return {
        "cells": int(table["arm"].eq(table["arm"].iloc[0]).sum()),
        "by_network": [_named(NETWORK, key) | network_figures(rows) for key, rows in table.groupby(list(NETWORK))],
        "by_setting": [_named(SETTING, key) | setting_figures(rows) for key, rows in table.groupby(list(SETTING))],
    }


def network_figures(rows: pd.DataFrame) -> dict[str, Any]:
    """Of planted cells in which the fault cost ``COSTLY`` or more: part of the gap won back (gains over gaps), how many beat
    each random removal, and the faults of which .75 of the gap was won. Of clean cells: what pruning cost, and how many were
    left as they are."""
    clean = rows[rows["fault"] == "none"]
    found: dict[str, Any] = {}
    if len(clean):
        found["clean_cells"] = len(clean)
        found["cost_without_shortcut"] = round(float(-clean["gain"].mean()), 4)
        found["clean_left_alone"] = int((clean["k"] == 0).sum())
    planted = rows[rows["fault"] != "none"]
    if len(planted):
        costly = planted[planted["cost"].astype(float) >= COSTLY]
        found |= {"planted_cells": len(planted), "costly_cells": len(costly)}
        if len(costly):
            found |= setting_figures(costly)
            for name in (one for one in GAINS_OF_RANDOM if one in costly):
                found[f"better_than_{name.removeprefix('gain_')}"] = int((costly["gain"] > costly[name]).sum())
            won = costly.groupby("fault")[["gain", "cost"]].sum()
            found["faults"] = sorted(won.index)
            found["faults_won"] = sorted(won.index[won["gain"] >= 0.75 * won["cost"]])
    return found


def setting_figures(rows: pd.DataFrame) -> dict[str, Any]:
    """Means over cells; the interval is that of the mean gain."""
    found: dict[str, Any] = {"seeds": sorted({int(seed) for seed in rows["seed"]})}
    if "cost" in rows and rows["cost"].notna().all():
        found["cost"] = round(float(rows["cost"].astype(float).mean()), 4)
        gap = float(rows["cost"].astype(float).sum())
        found["gap_recovered"] = round(float(rows["gain"].sum()) / gap, 3) if found["cost"] >= COSTLY else None
    found["gain"] = round(float(rows["gain"].mean()), 4)
    found["gain_interval"] = interval(rows["gain"])
    means = (*GAINS_OF_RANDOM, *_OF_CHOSEN, *_OF_RANKING, *_OF_QUERIES)
    return found | {name: _mean(rows[name]) for name in means if name in rows}


def _mean(values: pd.Series) -> float | None:
    known = values.dropna().astype(float)
    return round(float(known.mean()), 4) if len(known) else None


def _named(names: tuple[str, ...], key: Any) -> dict[str, Any]:
    values = key if isinstance(key, tuple) else (key,)
    return {name: bool(v) if name == "is_held_out" else v for name, v in zip(names, values, strict=True)}
