"""Scores against the truth: retraining without a photo or a visit, planted shortcuts, and trainings on random halves.

    python -m benchmarks.truth           the short form: the micro study, one seed with a shortcut and one without (minutes)
    python -m benchmarks.truth --full    everything (hours; whatever stands in the folder is not made again)
    python -m benchmarks.truth --full --whole-grid    the rankings in every defined combination (hours more)

The tables are written to FOLDER/tables as csv (of the full form also beside its dated file), the summary to a dated
file; the last line printed is one JSON object.
"""

import argparse
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.gains import gains
from benchmarks.planted import Cohorts, make_baseline
from benchmarks.record import write_result
from benchmarks.truth.lds import lds_rows
from benchmarks.truth.micro import MAIN_LR, MAIN_STEPS, micro_truth
from benchmarks.truth.other_rules import OTHER_RULES
from benchmarks.truth.planted_truth import (
    COMPARED,
    HELD_OUT,
    TUNED_ON,
    Plan,
    arms_table,
    planted_figures,
    planted_table,
)
from benchmarks.truth.rankings import ranking_rows
from benchmarks.truth.reader_errors import GROSS_ERRORS, reader_error_rows
from grasp_psonet.progress import show_plainly

log = logging.getLogger("grasp_psonet")

PARTS = ("micro", "held-out", "arms", "rankings", "readers", "mixture", "vit", "lds")
RANKED = {"colour_cast": 25}
LOST = {"colour_cast": (25,)}  # where the default gained nothing while it traced the errors of the kept epoch
MICRO_SEEDS = range(5)
VIT_SEEDS = (20, 40)
READER_SEEDS = (50,)
MIXTURE_SEEDS = (60,)
LDS_SEED, LDS_LISTS = 20, 16


@dataclass(frozen=True)
class Scale:
    """Where everything lies, and how much of it is made."""

    folder: Path
    is_full: bool
    whole_grid: bool

    @property
    def planted(self) -> Path:
        return self.folder / "planted"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all seeds, arms and combinations")
    parser.add_argument("--parts", nargs="+", default=None, choices=PARTS, help="only these parts")
    parser.add_argument("--folder", type=Path, default=Path("work-bench-truth"))
    parser.add_argument("--whole-grid", action="store_true", help="rankings in every defined combination (hours)")
    words = parser.parse_args()
    show_plainly()
    parts = words.parts or (PARTS if words.full else ("micro", "held-out"))
    figures: dict[str, Any] = {}
    for part in parts:
        log.info("part %s", part)
        figures |= _MAKERS[part](Scale(words.folder, words.full, words.whole_grid))
    path = write_result("truth" if words.full else "truth-short", figures)
    if words.full:
        shutil.copytree(words.folder / "tables", path.with_suffix(""), dirs_exist_ok=True)


def _micro(scale: Scale) -> dict[str, Any]:
    if not scale.is_full:
        return micro_truth(scale.folder / "micro", [0], [MAIN_LR], [MAIN_STEPS])
    figures = micro_truth(scale.folder / "micro", MICRO_SEEDS)
    _write(pd.read_parquet(scale.folder / "micro" / "methods.parquet").round(4), scale, "micro")
    return figures


def _held_out(scale: Scale) -> dict[str, Any]:
    cohorts = HELD_OUT if scale.is_full else {fault: seeds[:1] for fault, seeds in HELD_OUT.items()}
    table = planted_table(scale.planted, Plan(cohorts))
    _write(table, scale, "held-out")
    return planted_figures(table)


def _arms(scale: Scale) -> dict[str, Any]:
    table = planted_table(scale.planted, Plan(TUNED_ON, COMPARED, tuple(OTHER_RULES), controlled=""))
    _write(table, scale, "arms-runs")
    shown = arms_table(table, (*COMPARED, *OTHER_RULES))
    _write(shown, scale, "arms")
    lost = planted_table(scale.planted, Plan(LOST, controlled=""))
    _write(lost, scale, "lost")
    return {"arms_on_tuning_cohorts": shown.to_dict("records"), "lost_before": gains(lost, "default")}


def _rankings(scale: Scale) -> dict[str, Any]:
    rows = [row for fault, seed in RANKED.items() for row in _ranking_of(scale, fault, seed)]
    table = pd.DataFrame(rows)
    _write(table, scale, "rankings")
    by = ["formula", "unit", "query", "errors", "counting", "scope", "rule"]
    mean = table.groupby(by, dropna=False)["average_precision"].mean().reset_index()
    return {"best_rankings": mean.sort_values("average_precision", ascending=False).head(5).to_dict("records")}


def _ranking_of(scale: Scale, fault: str, seed: int) -> list[dict[str, Any]]:
    """The rows of one cohort, from its file if that stands."""
    path = scale.folder / "rankings" / f"{fault}-{seed}{'-whole' if scale.whole_grid else ''}.csv"
    if not path.exists() or "errors" not in pd.read_csv(path, nrows=0):
        cohorts = Cohorts(scale.planted / "demo_convnext", fault)
        make_baseline(cohorts, seed)
        rows = pd.DataFrame(ranking_rows(cohorts.job(seed), scale.whole_grid))
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.assign(fault=fault, seed=seed).to_csv(path, index=False)
    found: list[dict[str, Any]] = pd.read_csv(path).to_dict("records")  # type: ignore[assignment]
    return found


def _readers(scale: Scale) -> dict[str, Any]:
    cohorts = Cohorts(scale.planted / "reader-errors", "none", {"cohort": {"gross_errors": GROSS_ERRORS}})
    table = pd.DataFrame([row for seed in READER_SEEDS for row in reader_error_rows(cohorts, seed)])
    _write(table, scale, "reader-errors")
    mean = table.groupby("ranking")[["average_precision", "auroc"]].mean().sort_values("auroc", ascending=False)
    return {"reader_errors": mean.round(3).reset_index().to_dict("records")}


def _mixture(scale: Scale) -> dict[str, Any]:
    """A shortcut and wrong labels in one cohort."""
    plan = Plan({"colour_cast": MIXTURE_SEEDS}, gross_errors=GROSS_ERRORS)
    table = planted_table(scale.planted / "mixture", plan)
    _write(table, scale, "mixture")
    return {"mixture": planted_figures(table)}


def _vit(scale: Scale) -> dict[str, Any]:
    table = planted_table(scale.planted, Plan({"colour_cast": VIT_SEEDS}, encoder="demo_vit"))
    _write(table, scale, "vit")
    return {"demo_vit": planted_figures(table)}


def _lds(scale: Scale) -> dict[str, Any]:
    cohorts = Cohorts(scale.planted / "demo_convnext", "colour_cast")
    table = pd.DataFrame(lds_rows(cohorts, LDS_SEED, LDS_LISTS)).sort_values("lds", ascending=False)
    _write(table, scale, "lds")
    return {"lds_best": table.head(5).to_dict("records")}


def _write(table: pd.DataFrame, scale: Scale, name: str) -> None:
    path = scale.folder / "tables" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


_MAKERS = {
    "micro": _micro,
    "held-out": _held_out,
    "arms": _arms,
    "rankings": _rankings,
    "readers": _readers,
    "mixture": _mixture,
    "vit": _vit,
    "lds": _lds,
}


if __name__ == "__main__":
    main()
