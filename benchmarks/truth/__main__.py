"""Scores against the truth: retraining without a photo or a visit, planted shortcuts, and trainings on random halves.

    python -m benchmarks.truth           the short form: the micro study, one seed with a shortcut and one without (minutes)
    python -m benchmarks.truth --full    everything (hours; whatever stands in the folder is not made again)

The tables are written to FOLDER/tables as csv, the summary to a dated file; the last line printed is one JSON object.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.planted import Cohorts, make_baseline
from benchmarks.record import write_result
from benchmarks.truth.lds import lds_rows
from benchmarks.truth.micro import MAIN_LR, MAIN_STEPS, micro_truth
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

PARTS = ("micro", "held-out", "arms", "rankings", "readers", "vit", "lds")
RANKED = {"colour_cast": 20, "background": 102, "under_exposure": 104}
MICRO_SEEDS = range(5)
VIT_SEEDS = (20, 21, 22)
READER_SEEDS = (50, 51, 52)
LDS_SEED, LDS_LISTS = 20, 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all seeds, arms and combinations")
    parser.add_argument("--parts", nargs="+", default=None, choices=PARTS, help="only these parts")
    parser.add_argument("--folder", type=Path, default=Path("work-bench-truth"))
    words = parser.parse_args()
    show_plainly()
    parts = words.parts or (PARTS if words.full else ("micro", "held-out"))
    figures: dict[str, Any] = {}
    for part in parts:
        log.info("part %s", part)
        figures |= _MAKERS[part](words.folder, words.full)
    write_result(
        "truth" if words.full and words.parts is None else "truth-short" if not words.full else "truth-part", figures
    )


def _micro(folder: Path, is_full: bool) -> dict[str, Any]:
    if not is_full:
        return micro_truth(folder / "micro", [0], [MAIN_LR], [MAIN_STEPS])
    return micro_truth(folder / "micro", MICRO_SEEDS)


def _rankings(folder: Path, is_full: bool) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for fault, seed in RANKED.items() if is_full else list(RANKED.items())[:1]:
        cohorts = Cohorts(folder / "planted" / "demo_convnext", fault)
        make_baseline(cohorts, seed)
        rows += [{"fault": fault, "seed": seed} | row for row in _remembered(folder, fault, seed, cohorts, is_full)]
    table = pd.DataFrame(rows)
    _write(table, folder, "rankings")
    by = ["formula", "unit", "query", "counting", "scope", "rule"]
    mean = table.groupby(by, dropna=False)["average_precision"].mean().reset_index()
    return {"best_rankings": mean.sort_values("average_precision", ascending=False).head(5).to_dict("records")}


def _remembered(folder: Path, fault: str, seed: int, cohorts: Cohorts, is_full: bool) -> list[dict[str, Any]]:
    """The rows of one cohort, from its file if that stands."""
    path = folder / "rankings" / f"{fault}-{seed}{'' if is_full else '-short'}.csv"
    if not path.exists():
        units = ("single", "share", "edit", "visit") if is_full else ("single", "share")
        rows = pd.DataFrame(ranking_rows(cohorts.job(seed), units))  # type: ignore[arg-type]
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(path, index=False)
    found: list[dict[str, Any]] = pd.read_csv(path).to_dict("records")  # type: ignore[assignment]
    return found


def _held_out(folder: Path, is_full: bool) -> dict[str, Any]:
    cohorts = HELD_OUT if is_full else {fault: seeds[:1] for fault, seeds in HELD_OUT.items()}
    table = planted_table(folder / "planted", Plan(cohorts))
    _write(table, folder, "held-out")
    return planted_figures(table)


def _arms(folder: Path, _: bool) -> dict[str, Any]:
    table = planted_table(folder / "planted", Plan(TUNED_ON, COMPARED))
    _write(table, folder, "arms-runs")
    shown = arms_table(table, COMPARED)
    _write(shown, folder, "arms")
    return {"arms_on_tuning_cohorts": shown.to_dict("records")}


def _readers(folder: Path, is_full: bool) -> dict[str, Any]:
    cohorts = Cohorts(folder / "planted" / "reader-errors", "none", {"cohort": {"gross_errors": GROSS_ERRORS}})
    seeds = READER_SEEDS if is_full else READER_SEEDS[:1]
    table = pd.DataFrame([row for seed in seeds for row in reader_error_rows(cohorts, seed)])
    _write(table, folder, "reader-errors")
    mean = table.groupby("ranking")[["average_precision", "auroc"]].mean().sort_values("auroc", ascending=False)
    return {"reader_errors": mean.round(3).reset_index().to_dict("records")}


def _vit(folder: Path, _: bool) -> dict[str, Any]:
    table = planted_table(folder / "planted", Plan({"colour_cast": VIT_SEEDS}, encoder="demo_vit"))
    _write(table, folder, "vit")
    return {"demo_vit": planted_figures(table)}


def _lds(folder: Path, _: bool) -> dict[str, Any]:
    cohorts = Cohorts(folder / "planted" / "demo_convnext", "colour_cast")
    table = pd.DataFrame(lds_rows(cohorts, LDS_SEED, LDS_LISTS)).sort_values("lds", ascending=False)
    _write(table, folder, "lds")
    return {"lds_best": table.head(5).to_dict("records")}


def _write(table: pd.DataFrame, folder: Path, name: str) -> None:
    path = folder / "tables" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


_MAKERS = {
    "micro": _micro,
    "held-out": _held_out,
    "arms": _arms,
    "rankings": _rankings,
    "readers": _readers,
    "vit": _vit,
    "lds": _lds,
}


if __name__ == "__main__":
    main()
