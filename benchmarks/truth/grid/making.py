"""The cells of the grid made, and what pruning does in each: cost of the fault, gain, what was removed and of which class.

A cell is a study made by the product's own stages. What was found is a file per cell and way of pruning, so that an
interrupted benchmark goes on, and a new way of pruning is added to cells that stand.
"""

import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.planted import ARMS, ORACLE, Arm, auc, make_arm, oracle_task, rows_of_lists, train_lists
from benchmarks.truth.grid.cells import GROSS_ERRORS, SETTINGS, Cell
from benchmarks.truth.grid.real_ground import Planting, RealGround
from benchmarks.truth.rivals.rivals import RIVALS
from grasp_psonet.errors import StudyError
from grasp_psonet.files import write_whole
from grasp_psonet.progress import show_plainly
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import merged, parse
from grasp_psonet.stage import run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.pipeline import run_all
from grasp_psonet.study import Study

log = logging.getLogger("benchmarks")
BASE = "base"  # the file of baseline and oracle
CONTROLS = ("random", "class")  # random removals: as many photos of each visit, and of each class
ALL_ARMS = (*ARMS, *RIVALS)
ARM_WORDS = {"all": ALL_ARMS, "rivals": ("default", "counts", *RIVALS)}


def arms_of(words: Sequence[str]) -> tuple[str, ...]:
    """The ways of pruning that these words name, each once: their own names, ``all``, or ``rivals`` with what they compete
    with. The default comes first, for others go on from it."""
    named = [name for word in words for name in ARM_WORDS.get(word, (word,))]
    return tuple(sorted(dict.fromkeys(named), key=lambda name: name != "default"))


@dataclass(frozen=True)
class Grid:
    """Where cells lie, the study they are planted on (none: drawn cells alone), the ways of pruning, and whether finished
    studies stay (they take some 100 MB each)."""

    folder: Path
    study: Path | None = None
    tuned_on: frozenset[str] = frozenset()
    arms: tuple[str, ...] = ("default",)
    keeps_studies: bool = False
    device: str = "cpu"

    @cached_property
    def real(self) -> RealGround:
        assert self.study is not None, "a cell of the study without one"
        return RealGround(self.study, self.tuned_on, self.folder / "plain")

    def settings(self, cell: Cell, arm: Arm = ARMS["default"]) -> dict[str, Any]:
        """The settings of a cell's study, pruned this way; both random removals beside where something is planted."""
        shortcuts = dict(zip(("shortcut", "second_shortcut"), map(as_tree, cell.shortcuts), strict=False))
        cohort = {"shortcut": {"fault": "none"}} | shortcuts
        own: dict[str, Any] = {
            "seed": cell.seed,
            "cohort_seed": cell.seed,
            "prune": {"controls": list(CONTROLS) if cell.shortcuts else []},
            "machine": {"processes": 1, "device": self.device},
        }
        if cell.ground == "drawn":
            own["cohort"] = cohort | ({"gross_errors": GROSS_ERRORS} if cell.variant == "label noise" else {})
        return merged(merged(SETTINGS[cell.encoder], own), arm.settings)

    def place(self, cell: Cell) -> Path:
        return self.folder / "studies" / cell.name

    def table(self, cell: Cell, what: str) -> Path:
        """The file of one cell and one way of pruning, or of its baseline and oracle."""
        return self.folder / "cells" / cell.name / f"{what.replace(' ', '_').replace(',', '')}.parquet"

    def missing(self, cell: Cell) -> list[str]:
        """What of a cell is not made yet."""
        return [what for what in (BASE, *self.arms) if not self.table(cell, what).exists()]

    def job(self, cell: Cell, arm: Arm = ARMS["default"]) -> Job:
        """The study of a cell under one way of pruning."""
        settings = self.settings(cell, arm)
        if cell.ground == "study":
            return self.real.job(self.place(cell), settings)
        return Job(Study(self.place(cell)), parse(settings, "the benchmark"))


def make_grid(grid: Grid, cells: Sequence[Cell], processes: int) -> list[str]:
    """Makes what is missing of these cells, some at a time; the names of cells that failed, each with its reason."""
    todo = [cell for cell in cells if grid.missing(cell)]
    log.info("%d of %d cells are to be made", len(todo), len(cells))
    for encoder in sorted({cell.encoder for cell in todo if cell.ground == "study"}):
        grid.real.plain(SETTINGS[encoder] | {"machine": {"processes": processes, "device": grid.device}})
    if processes == 1:
        return [told for cell in todo if (told := _outcome_of(grid, cell))]
    failed: list[str] = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start) as pool:
        running = [pool.submit(_outcome_of, grid, cell) for cell in todo]
        for number, done in enumerate(as_completed(running), 1):
            failed += [told for told in (done.result(),) if told]
            log.info("%d of %d cells", number, len(todo))
    return failed


def _start() -> None:
    torch.set_num_threads(1)
    show_plainly()


def _outcome_of(grid: Grid, cell: Cell) -> str:
    """Makes a cell; why it failed, or nothing: one cell that cannot be made does not end the others."""
    try:
        make_cell(grid, cell)
    except Exception as error:
        log.exception("%s failed", cell.name)
        return f"{cell.name}: {error}"
    return ""


def make_cell(grid: Grid, cell: Cell) -> None:
    """Makes what is missing of one cell."""
    missing = grid.missing(cell)
    log.info("cell %s: %s", cell.name, ", ".join(missing))
    job = grid.job(cell)
    _make_base(grid, cell, job)
    if BASE in missing:
        _write(pd.DataFrame(list(_base_rows(cell, job))), grid.table(cell, BASE))
    failed: list[str] = []
    for name in (arm for arm in missing if arm != BASE):
        try:
            _write(_arm_table(grid, cell, name), grid.table(cell, name))
        except Exception as error:
            log.exception("%s of %s failed", name, cell.name)
            failed.append(f"{name}: {error}")
    if not grid.keeps_studies:
        shutil.rmtree(grid.place(cell))
    if failed:
        raise StudyError("\n".join(failed))


def _arm_table(grid: Grid, cell: Cell, name: str) -> pd.DataFrame:
    """Makes one way of pruning, or a rival of it on the same baseline; a row per list."""
    if name in RIVALS:
        job = grid.job(cell)
        return pd.DataFrame(list(with_class_figures(job, RIVALS[name](job))))
    job = grid.job(cell, ARMS[name])
    make_arm(job)
    return pd.DataFrame(list(arm_rows(job, name)))


def _make_base(grid: Grid, cell: Cell, job: Job) -> None:
    """The study of the cell, its baseline and, where something is planted, the oracle that never saw it."""
    if cell.ground == "drawn":
        job.study.folder.mkdir(parents=True, exist_ok=True)
        make_cohort(job)
    else:
        planting = Planting(cell.seed, "reporting" if cell.is_held_out else "tuning", cell.shortcuts)
        grid.real.planted(grid.place(cell), grid.settings(cell), planting)
    run_all(job, until="train")
    if cell.shortcuts:
        run_task(oracle_task(job))
        train_lists(job, [ORACLE])


def _base_rows(cell: Cell, job: Job) -> Iterator[dict[str, Any]]:
    for run in (BASELINE, ORACLE) if cell.shortcuts else (BASELINE,):
        yield {"arm": run, "k": 0, "control": "", "val": auc(job, run, "val"), "test": auc(job, run, "test")}


def arm_rows(job: Job, arm: str) -> Iterator[dict[str, Any]]:
    """The rows of every list of one way of pruning, with the classes of what was removed and how the ranking does."""
    lists = made_keep_lists(job).lists
    for one, row in zip(lists, rows_of_lists(job, arm, lists), strict=True):
        yield row | _figures_of(job, one.name)


def with_class_figures(job: Job, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of lists that are no control, each with the same of its list."""
    for row in rows:
        yield row | _figures_of(job, row["list"])


def _figures_of(job: Job, keep_list: str) -> dict[str, Any]:
    return class_figures(with_truth(pd.read_parquet(job.study.pruning(keep_list) / "keep.parquet"), job))


def with_truth(keep: pd.DataFrame, job: Job) -> pd.DataFrame:
    """A keep list with the class of each photo's visit and whether it was planted."""
    truth = pd.read_parquet(job.study.truth_file).set_index("photo_id")["is_shortcut"]
    label = job.cohort.visits.set_index("visit_id")[job.outcome.label_column]
    names = dict(enumerate(job.outcome.classes))
    return keep.assign(
        is_planted=truth[keep["photo_id"]].to_numpy(bool),
        severity=keep["visit_id"].map(label).map(names).astype(object),
    )


def class_figures(keep: pd.DataFrame) -> dict[str, Any]:
    """Of a keep list with is_planted and severity: removed photos by class (as JSON), the largest class's share of them, the
    share planted among the removed ones of classes in which something is planted, and the AUROC of harm (minus the score)
    for planted photos, over all and within such classes (their mean, weighted by planted photos; 0.5 is chance)."""
    removed = keep[~keep["kept"]]
    by_class = removed["severity"].value_counts()
    planted_in = keep.loc[keep["is_planted"], "severity"].value_counts()
    of_those = removed[removed["severity"].isin(planted_in.index)]
    within = {name: harm_auroc(keep[keep["severity"] == name]) for name in planted_in.index}
    known = [name for name, value in within.items() if value is not None]
    return {
        "removed_by_class": json.dumps({str(name): int(count) for name, count in sorted(by_class.items())}),
        "largest_class_share": float(by_class.max() / len(removed)) if len(removed) else None,
        "precision_in_class": float(of_those["is_planted"].mean()) if len(of_those) else None,
        "harm_auroc": harm_auroc(keep),
        "harm_auroc_in_class": float(np.average([within[n] for n in known], weights=planted_in[known]))
        if known
        else None,
    }


def harm_auroc(keep: pd.DataFrame) -> float | None:
    """AUROC of minus the score for planted photos; None where only one kind is there, or none was scored."""
    scored = keep[keep["score"].notna()]
    if scored["is_planted"].nunique() < 2:
        return None
    return float(roc_auc_score(scored["is_planted"], -scored["score"].to_numpy(float)))


def _write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda beside: table.to_parquet(beside, index=False))
