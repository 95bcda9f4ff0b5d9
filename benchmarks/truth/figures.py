"""Pictures of the truth benchmark for the docs, from the tables in its folder.

python -m benchmarks.truth.figures FOLDER docs/images
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.planted import ORACLE, by_seed, chosen_rows
from benchmarks.truth.micro.truth import CASE, FIGURES, MAIN_LR, MAIN_STEPS, UNIT_OF
from grasp_psonet.stages.names import BASELINE

GREY, BLUE, ORANGE, GREEN = "#8a8f98", "#2f6f9f", "#c46a1b", "#3b7d4f"
SHOWN = 9  # methods of the micro study in the picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("images", type=Path)
    words = parser.parse_args()
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "truth"})
    table = pd.read_csv(words.folder / "tables" / "held-out.csv", keep_default_na=True)
    table["control"] = table["control"].fillna("")
    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    planted, clean = figure.subplots(1, 2, width_ratios=(2.2, 1), sharey=True)
    draw_planted(planted, table[table["fault"] != "none"])
    draw_clean(clean, table[table["fault"] == "none"])
    figure.savefig(words.images / "truth-pruning.png", dpi=130)
    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    draw_micro(figure.subplots(1, 2, sharex=True), pd.read_parquet(words.folder / "micro" / "methods.parquet"))
    figure.savefig(words.images / "truth-leave-one-out.png", dpi=130)


def draw_planted(axes: Axes, table: pd.DataFrame) -> None:
    """Test AUC of each held-out seed: baseline, random removal of the same size, pruned, oracle."""
    baseline, oracle = by_seed(table, BASELINE), by_seed(table, ORACLE)
    picked = chosen_rows(table, "default")
    control = table[(table["arm"] == "default") & (table["control"] == "random")]
    same_k = control[control["k"] == control["seed"].map(picked["k"].astype(int))].set_index("seed")["test"]
    place = {seed: x for x, seed in enumerate(baseline.index)}
    for seed, x in place.items():
        axes.plot([x, x], [baseline[seed], oracle[seed]], color="#d7dade", lw=5, solid_capstyle="butt", zorder=1)
    kinds = (
        ("baseline", baseline, GREY, "o"),
        ("random removal, same size", same_k, ORANGE, "x"),
        ("pruned", picked["test"].astype(float), BLUE, "o"),
        ("oracle: never saw the shortcut", oracle, GREEN, "_"),
    )
    for label, values, colour, mark in kinds:
        xs = [place[int(str(seed))] for seed in values.index]
        axes.scatter(xs, values, color=colour, marker=mark, s=46, label=label, zorder=3)
    axes.set_xticks(list(place.values()), [str(seed) for seed in place])
    axes.set_xlabel("held-out seed, with a shortcut")
    axes.set_ylabel("test AUC against Reader 1")
    axes.legend(frameon=False, loc="lower left", ncols=2, bbox_to_anchor=(0, 1.0))


def draw_clean(axes: Axes, table: pd.DataFrame) -> None:
    """The same where nothing is planted: the baseline and what validation chose."""
    baseline, picked = by_seed(table, BASELINE), chosen_rows(table, "default")["test"].astype(float)
    for x, seed in enumerate(baseline.index):
        axes.plot([x, x], [baseline[seed], picked[seed]], color="#d7dade", lw=5, solid_capstyle="butt", zorder=1)
    axes.scatter(range(len(baseline)), baseline, color=GREY, s=46, zorder=3)
    axes.scatter(range(len(picked)), picked, color=BLUE, s=20, zorder=4)
    axes.set_xticks(range(len(baseline)), [str(seed) for seed in baseline.index])
    axes.set_xlabel("held-out seed, nothing planted")


def draw_micro(axes: list[Axes], table: pd.DataFrame) -> None:
    """Rank correlation with leave-one-out retraining: ours in blue, other tools and baselines in grey."""
    here = (table["lr"] == MAIN_LR) & (table["steps"] == MAIN_STEPS) & (table["truth"] == "full")
    here &= (table["query"] == "visit") & (table["loss_of"] == "visit")
    for panel, (target, unit) in zip(axes, UNIT_OF.items(), strict=True):
        rows = table[here & (table["target"] == target)].drop_duplicates(CASE)
        ours = rows[(rows["source"] == "ours") & rows["method"].str.contains(f" x {unit} x ")]
        others = rows[rows["source"] != "ours"].nlargest(SHOWN - 4, "spearman")
        shown = pd.concat([ours.nlargest(4, "spearman"), others]).sort_values("spearman")
        is_ours = shown["source"] == "ours"
        error = [shown["spearman"] - shown["low"], shown["high"] - shown["spearman"]]
        panel.barh(range(len(shown)), shown["spearman"], xerr=error, color=[BLUE if own else GREY for own in is_ours])
        panel.set_yticks(range(len(shown)), [_short(name) for name in shown["method"]], fontsize=7)
        panel.set_xlabel("Spearman with retraining")
        panel.set_title(f"{target}, each left out in turn", fontsize=9)


def _short(method: str) -> str:
    words = {"unrolled": "unrolled, exact Hessian", "default": "unrolled, no Hessian"}
    names = {FIGURES[what].format(unit): word for what, word in words.items() for unit in UNIT_OF.values()}
    return names.get(method, method.replace(" x all", "").replace(" x ", ", ").replace(", photo alone", ""))


if __name__ == "__main__":
    main()
