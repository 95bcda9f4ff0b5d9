"""Verdicts on a study with photos: as it is, patients dealt anew by each seed, and with a fault planted on copies of it.

Cells are those of the grid of ``bench-truth`` (``benchmarks/truth/grid``): thresholds were chosen on the tuned-on ones, figures
come from held-out seeds. Each is taken by the product's own stages from its photos to the diagnosis.
"""

from pathlib import Path
from typing import Any

from benchmarks.evidence.scope import Scope
from benchmarks.truth.grid.cells import Cell, FaultOrNone
from benchmarks.truth.grid.making import Grid
from benchmarks.truth.grid.real_ground import Planting, Use
from grasp_psonet.files import read_json
from grasp_psonet.settings import merged
from grasp_psonet.stage import run_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.diagnose import DIAGNOSIS
from grasp_psonet.stages.pipeline import run_all
from grasp_psonet.stages.steps import STEPS
from grasp_psonet.tables.schemas.diagnosis import FINDINGS

# clean and planted ones take turns, so that the first few are of both
_DRAWS: tuple[tuple[FaultOrNone, int], ...] = (
    ("none", 400),
    ("none", 401),
    ("colour_cast", 400),
    ("none", 402),
    ("blur", 402),
    ("none", 403),
    ("under_exposure", 401),
    ("none", 404),
    ("sticker", 403),
    ("none", 405),
)
CELLS = tuple(Cell("study", "packaged_frozen", fault, seed) for fault, seed in _DRAWS)
_AFTER_EVALUATION = ("audit", "diagnose")


def on_study(scope: Scope) -> dict[str, Any]:
    """``study_none_found``: share of the clean cells whose verdict is "none found"; ``study_likely_where_clean``: share that
    says likely; ``study_likely_where_planted``: share of the planted ones that does. Nothing where no study was given."""
    if scope.study is None:
        return {"study_skipped": "no --study was given"}
    tuned_on = frozenset(scope.tuned_on.read_text(encoding="utf-8").split()) if scope.tuned_on else frozenset()
    grid = Grid(scope.folder / "on-study", scope.study, tuned_on, keeps_studies=True)
    rows = [_row(cell, _made(grid, cell)) for cell in CELLS[: 1 if scope.is_quick else scope.num_cohorts]]
    return {"study_cells": rows, **_shares(rows)}


def _made(grid: Grid, cell: Cell) -> Job:
    """The study of the cell up to its diagnosis, as far as it does not stand."""
    settings = merged(grid.settings(cell), {"prune": {"controls": []}, "out_of_fold": {"repeats": 1}})
    place: Path = grid.place(cell)
    use: Use = "reporting" if cell.is_held_out else "tuning"
    job = grid.real.planted(place, settings, Planting(cell.seed, use, cell.shortcuts))
    run_all(job, until="evaluate")
    for step in STEPS:
        for task in step.tasks(job) if step.name in _AFTER_EVALUATION else ():
            run_task(task)
    return job


def _row(cell: Cell, job: Job) -> dict[str, Any]:
    told = read_json(job.study.diagnosis / DIAGNOSIS)
    found = FINDINGS.read(job.study.diagnosis / "findings.parquet")
    first = found.iloc[0] if told["verdict"] != "none found" else None
    return {
        "cell": cell.name,
        "is_planted": bool(cell.shortcuts),
        "verdict": told["verdict"],
        "said": told["diagnosis"],
        "flagged": told["figures"]["num_flagged"],
        "first": None if first is None else f"{first['trait']}, {first['trait_value']}",
        "retraining": told["figures"]["retraining"],
    }


def _shares(rows: list[dict[str, Any]]) -> dict[str, float | int | None]:
    clean = [row["verdict"] for row in rows if not row["is_planted"]]
    planted = [row["verdict"] for row in rows if row["is_planted"]]

    def share(verdicts: list[str], wanted: str) -> float | None:
        return verdicts.count(wanted) / len(verdicts) if verdicts else None

    return {
        "study_clean": len(clean),
        "study_none_found": share(clean, "none found"),
        "study_likely_where_clean": share(clean, "likely"),
        "study_planted": len(planted),
        "study_likely_where_planted": share(planted, "likely"),
    }
