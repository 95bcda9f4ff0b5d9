"""The grid in a few flat figures: faults won, the best rival, what pruning costs where nothing is planted, how it is chosen.

They are of held-out cells where there are any, else of all. ``costly`` are planted cells in which the fault cost ``COSTLY``
or more of test AUC by the oracle.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.truth.grid.cells import Cell
from benchmarks.truth.grid.making import CONTROLS
from benchmarks.truth.planted_truth import COSTLY

WON = 0.75  # of the gap to the oracle
HARMFUL = 0.01  # test AUC that a chosen pruning loses
TOLD_TRUTH = ("d3m",)  # which validation visits hold the fault: no user knows
HELPFUL = 0.5  # of the gap, won by a candidate
_CELL = [name for name in Cell.__dataclass_fields__ if name != "name"]


def evidence_figures(table: pd.DataFrame) -> dict[str, Any]:
    """The flat figures of the default, and of its rivals beside it; of a table without the default none.

    ``faults`` and ``faults_won`` count faults, costly ones and those of which .75 of the gap was won back over all their costly
    cells. ``largest_class_share``: mean over planted cells of the largest class's share of what was removed.
    """
    if table.empty or "default" not in set(table["arm"]):
        return {}
    if table["is_held_out"].any():
        table = table[table["is_held_out"]]
    own = table[table["arm"] == "default"]
    is_clean, is_real = own["fault"] == "none", own["ground"] == "study"
    costly = costly_cells(own)
    gaps = costly.groupby("fault")[["gain", "cost"]].sum()
    found: dict[str, Any] = {
        "evidence_cells": len(own),
        "evidence_is_held_out": bool(own["is_held_out"].all()),
        "faults": len(gaps),
        "faults_won": int((gaps["gain"] >= WON * gaps["cost"]).sum()),
        "gap_recovered_drawn": gap_recovered(costly[costly["ground"] == "drawn"]),
        "gap_recovered_real": gap_recovered(costly[costly["ground"] == "study"]),
        "cost_without_shortcut": _mean(-own.loc[is_clean & ~is_real, "gain"]),
        "cost_without_shortcut_real": _mean(-own.loc[is_clean & is_real, "gain"]),
        "largest_class_share": _mean(own.loc[~is_clean, "largest_class_share"]),
    }
    for name in ("qld_default", "qld_random"):
        found[name] = _mean(own[name]) if name in own else None
    rivals = sorted(rivals_beside(table), key=lambda row: row["default_gap_recovered"] - row["gap_recovered"])
    return found | {"best_rival": rivals[0] if rivals else None, "rivals": rivals} | choice_figures(own)


def costly_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Those in which the fault cost ``COSTLY`` or more."""
    cost = rows["cost"].astype(float) if "cost" in rows else pd.Series(float("nan"), index=rows.index)
    return rows.assign(cost=cost)[(rows["fault"] != "none") & (cost >= COSTLY)]


def gap_recovered(rows: pd.DataFrame, gain: str = "gain") -> float | None:
    """Sum of gains over sum of gaps to the oracle; None of no cell."""
    return round(float(rows[gain].astype(float).sum() / rows["cost"].sum()), 3) if len(rows) else None


def rivals_beside(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Part of the gap that each rival and both random removals won back, and the default over the same costly cells."""
    own = costly_cells(table[table["arm"] == "default"]).set_index(_CELL)
    for control in CONTROLS:
        gain = f"gain_{control}"
        if gain in own and own[gain].notna().any():
            yield _beside(f"{control} removal", own[own[gain].notna()], gain)
    for arm in sorted(set(table["arm"]) - {"default"}):
        other = table[table["arm"] == arm].set_index(_CELL)["gain"]
        shared = own[own.index.isin(other.index)]
        if len(shared):
            yield _beside(arm, shared.assign(of_rival=other.loc[shared.index]), "of_rival")


def _beside(name: str, rows: pd.DataFrame, gain: str) -> dict[str, Any]:
    return {
        "name": name,
        "is_told_truth": name in TOLD_TRUTH,
        "gap_recovered": gap_recovered(rows, gain),
        "default_gap_recovered": gap_recovered(rows),
        "cells": len(rows),
        "cells_ahead_of_default": int((rows[gain].astype(float) > rows["gain"]).sum()),
    }


def choice_figures(own: pd.DataFrame) -> dict[str, Any]:
    """How often validation chose a pruning that cost more than .01 of test AUC (of all cells), and how often it chose none
    where a candidate won half of the gap or more (of the costly cells in which one did)."""
    costly = costly_cells(own)
    best = costly["best_gain"].astype(float) if len(costly) else pd.Series(dtype=float)
    helpful = costly[best >= HELPFUL * costly["cost"]]
    return {
        "chance_of_harmful_choice": round(float((own["gain"] < -HARMFUL).mean()), 3),
        "chance_of_missed_gain": round(float((helpful["k"] == 0).mean()), 3) if len(helpful) else None,
        "cells_with_helpful_candidate": len(helpful),
    }


def _mean(values: "pd.Series[float]") -> float | None:
    known = values.dropna().astype(float)
    return round(float(known.mean()), 4) if len(known) else None
