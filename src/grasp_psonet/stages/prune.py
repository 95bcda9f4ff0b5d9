"""``grasp prune``: one keep list per k, and the controls of equal size."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grasp_psonet.errors import StageError
from grasp_psonet.pruning.controls import loss_control, random_control
from grasp_psonet.pruning.overlap import overlap_table, removal_rates
from grasp_psonet.pruning.selection import select
from grasp_psonet.stage import Task, is_complete
from grasp_psonet.stages.job import Job

log = logging.getLogger("grasp_psonet")

_RULE = (
    *("prune.rule", "prune.end", "prune.unit", "prune.keep_at_least", "prune.cap_per_group", "prune.cap_column"),
    "trace.summed",
)


@dataclass(frozen=True)
class KeepList:
    """A keep list to be made: its name, the k it is of, and the control it is (empty: the pruning itself)."""

    name: str
    k: int
    control: str


def keep_lists(job: Job) -> list[KeepList]:
    """Every keep list of the settings: per k the pruning, then its controls."""
    pruned = [KeepList(name, k, "") for k, name in job.pruned_names().items()]
    controls = [KeepList(name, k, control) for (k, control), name in job.control_names().items()]
    return pruned + controls


def prune_tasks(job: Job) -> list[Task]:
    """One task per keep list; a control is made from the pruning it is compared with."""
    names = job.pruned_names()
    tasks = []
    for one in keep_lists(job):
        folder = job.study.pruning(one.name)
        if one.control:
            inputs: dict[str, Path | str] = {
                "pruning": job.study.pruning(names[one.k]),
                "trace": job.study.trace(job.trace_name()),
                "tables": job.tables_digest,
            }
            make = _Control(job, one)
            tasks.append(job.task(f"prune {one.name}", folder, ("seed", *_RULE), inputs, make))
        else:
            inputs = {"trace": job.study.trace(job.trace_name()), "tables": job.tables_digest}
            tasks.append(job.task(f"prune {one.name}", folder, _RULE, inputs, _Pruning(job, one.k)))
    return tasks


def read_keep(job: Job, name: str) -> pd.DataFrame:
    """A keep list, with the columns that ``pruning.selection.select`` names."""
    folder = job.study.pruning(name)
    if not is_complete(folder):
        raise StageError(f"the keep list {name} is not made yet\n  next: `grasp run` makes everything in order")
    return pd.read_parquet(folder / "keep.parquet")


@dataclass(frozen=True)
class _Pruning:
    job: Job
    k: int

    def __call__(self, folder: Path) -> None:
        job = self.job
        scores = pd.read_parquet(job.study.trace(job.trace_name()) / "scores.parquet")
        photos, visits = _training_tables(job)
        if self.k > len(photos):
            log.warning(
                "  k = %d is more than the %d training photos: all that are eligible are taken", self.k, len(photos)
            )
        keep = select(scores, photos, visits, self.k, job.settings.prune, job.settings.trace.summed)
        keep.to_parquet(folder / "keep.parquet", index=False)
        _write_overlap(job, self.k, keep, job.num_rankings(scores["query_id"].nunique()), folder)


@dataclass(frozen=True)
class _Control:
    job: Job
    one: KeepList

    def __call__(self, folder: Path) -> None:
        job = self.job
        pruned = read_keep(job, job.pruned_names()[self.one.k])
        if self.one.control == "random":
            keep = random_control(pruned, job.settings.seed, self.one.k)
        else:
            losses = pd.read_parquet(job.study.trace(job.trace_name()) / "photo_losses.parquet")
            keep = loss_control(pruned, losses, job.visits_of("train"), job.settings.prune)
        keep.to_parquet(folder / "keep.parquet", index=False)
        _write_overlap(job, self.one.k, keep, None, folder)


def _training_tables(job: Job) -> tuple[pd.DataFrame, pd.DataFrame]:
    visits = job.visits_of("train")
    photos = job.cohort.photos
    return photos[photos["visit_id"].isin(visits["visit_id"])], visits


def _write_overlap(job: Job, k: int, keep: pd.DataFrame, num_rankings: int | None, folder: Path) -> None:
    photos, visits = _training_tables(job)
    row = overlap_table({k: keep}, num_rankings)
    rates = removal_rates(keep, photos, visits, job.outcome)
    tables = {
        "overlap": json.loads(row.to_json(orient="records"))[0],
        "rates": json.loads(rates.to_json(orient="records")),
    }
    (folder / "overlap.json").write_text(json.dumps(tables, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    overlap = tables["overlap"]
    log.info("  %d of %d training photos leave (%.1f %%)", overlap["num_removed"], len(keep), overlap["percent"])
