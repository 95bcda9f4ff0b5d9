"""Scores against the truth: retraining without a photo or a visit, planted shortcuts, and trainings on random halves.

    python -m benchmarks.truth           the short form: the micro study, and two drawn cells of the grid (minutes)
    python -m benchmarks.truth --full    everything (hours; whatever stands in the folder is not made again)
    python -m benchmarks.truth --full --whole-grid    the rankings in every defined combination (hours more)
    python -m benchmarks.truth --parts grid --cells tuned-on --study STUDY --tuned-on FILE --processes 2
                                         faults by strength, share and encoder, drawn and planted on a study with photos

The tables are written to FOLDER/tables as csv (of the full form also beside its dated file), the summary to a dated
file; the last line printed is one JSON object.
"""

import argparse
import logging
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.audit.second_readings import read_patients
from benchmarks.gains import gains
from benchmarks.planted import Cohorts, make_baseline
from benchmarks.record import write_result
from benchmarks.truth.grid.cells import HELD_OUT as HELD_OUT_CELLS
from benchmarks.truth.grid.cells import SHORT as SHORT_CELLS
from benchmarks.truth.grid.cells import TUNED_ON as TUNED_CELLS
from benchmarks.truth.grid.cells import cells_of
from benchmarks.truth.grid.evidence import evidence_figures
from benchmarks.truth.grid.making import ALL_ARMS, ARM_WORDS, Grid, arms_of, make_grid
from benchmarks.truth.grid.summary import grid_figures, grid_table
from benchmarks.truth.lds import lds_rows
from benchmarks.truth.micro.truth import MAIN_LR, MAIN_STEPS, micro_truth
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
from benchmarks.truth.rivals.other_rules import OTHER_RULES
from grasp_psonet.progress import show_plainly

log = logging.getLogger("grasp_psonet")

PARTS = ("micro", "held-out", "arms", "rankings", "readers", "mixture", "vit", "lds", "grid")
CELLS = {"short": SHORT_CELLS, "tuned-on": TUNED_CELLS, "held-out": HELD_OUT_CELLS, "all": TUNED_CELLS + HELD_OUT_CELLS}
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
    words: argparse.Namespace  # those of the part grid

    @property
    def planted(self) -> Path:
        return self.folder / "planted"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all seeds, arms and combinations")
    parser.add_argument("--parts", nargs="+", default=None, choices=PARTS, help="only these parts")
    parser.add_argument("--folder", type=Path, default=Path("work-bench-truth"))
    parser.add_argument("--whole-grid", action="store_true", help="rankings in every defined combination (hours)")
    _add_grid_words(parser)
    words = parser.parse_args()
    if words.study is not None and not words.tuned_on:
        parser.error("--study wants --tuned-on: patients on whom anything was tuned, or a file of them, one a line")
    show_plainly()
    parts = words.parts or (PARTS[:-1] if words.full else ("micro", "grid"))  # the whole grid is asked for by its name
    words.cells = words.cells or ("tuned-on" if words.parts else "short")
    figures: dict[str, Any] = {}
    for part in parts:
        log.info("part %s", part)
        figures |= _MAKERS[part](Scale(words.folder, words.full, words.whole_grid, words))
    _hide_places(words)
    path = write_result(_result_name(words, parts), figures)
    if words.full:
        shutil.copytree(words.folder / "tables", path.with_suffix(""), dirs_exist_ok=True)


def _add_grid_words(parser: argparse.ArgumentParser) -> None:
    grid = parser.add_argument_group("part grid")
    grid.add_argument("--study", type=Path, help="a study with photos and two readers, to plant faults on a copy of")
    grid.add_argument("--tuned-on", nargs="*", default=[], help="its patients that were tuned on, or a file of them")
    grid.add_argument("--cells", choices=CELLS, help="those of grid/cells.py to make (tuned-on)")
    grid.add_argument("--match", default="", help="only cells whose name has this in it (a regular expression)")
    arms = (*ALL_ARMS, *ARM_WORDS)
    told = "ways of pruning and rivals of them; rivals: default, counts and every rival; all: whatever there is"
    grid.add_argument("--arms", nargs="*", choices=arms, default=["default"], help=told)
    grid.add_argument("--processes", type=int, default=2, help="cells at the same time")
    grid.add_argument("--make-nothing", action="store_true", help="figures of the cells that stand in the folder")
    grid.add_argument("--device", choices=("cpu", "cuda", "auto"), default="cpu", help="where networks run")
    grid.add_argument("--keep-studies", action="store_true", help="leave the studies of finished cells (100 MB each)")


def _result_name(words: argparse.Namespace, parts: Sequence[str]) -> str:
    if list(parts) == ["grid"]:
        return f"truth-grid-{words.cells}"
    return "truth" if words.full else "truth-short"


def _hide_places(words: argparse.Namespace) -> None:
    """A result file names no place of this machine."""
    hidden = {str(words.folder): "FOLDER", str(words.study): "STUDY"} | dict.fromkeys(words.tuned_on, "TUNED_ON")
    sys.argv[1:] = [hidden.get(word, word) for word in sys.argv[1:]]


def _grid(scale: Scale) -> dict[str, Any]:
    words = scale.words
    cells = [cell for cell in cells_of(CELLS[words.cells]) if re.search(words.match, cell.name)]
    if words.study is None:
        log.info("skipped: cells planted on a study, for none was given (--study)")
        cells = [cell for cell in cells if cell.ground == "drawn"]
    tuned_on = read_patients(words.tuned_on)
    grid = Grid(scale.folder / "grid", words.study, tuned_on, arms_of(words.arms), words.keep_studies, words.device)
    failed = [] if words.make_nothing else make_grid(grid, cells, words.processes)
    table = grid_table(grid, cells)
    _write(table, scale, f"grid-{words.cells}")
    return {"grid": grid_figures(table) | {"failed": failed}} | evidence_figures(table)


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
    "grid": _grid,
}


if __name__ == "__main__":
    main()
