"""Linear datamodeling score on the demo cohort (Park et al. 2023): do summed scores foretell trainings on random halves?

Each keep list keeps every photo with probability one half (every visit at least one). The network is trained on each from the
same start; what a score foretells of a validation visit's loss is minus its sum over the kept photos.
"""

# Axes: L keep lists, Q validation visits, P training photos.

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.planted import Cohorts, make_baseline
from benchmarks.truth.counterfactual import datamodel_score, mean_over_queries
from benchmarks.truth.rankings import combinations
from grasp_psonet.chance import generator
from grasp_psonet.stage import Task, judge, run_task
from grasp_psonet.stages.declared.tasks import train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.retrain import train_together
from grasp_psonet.stages.makers.tracing.trace import trace_queries
from grasp_psonet.stages.names import Training
from grasp_psonet.stages.run import TrainedRun


def lds_rows(cohorts: Cohorts, seed: int, num_lists: int) -> Iterator[dict[str, Any]]:
    """One row per method: mean over validation visits of the Spearman correlation over the keep lists."""
    make_baseline(cohorts, seed)
    job = cohorts.job(seed)
    names = train_halves(job, num_lists)
    kept = pd.concat(
        {
            name: pd.read_parquet(job.study.pruning(name) / "keep.parquet").set_index("photo_id")["kept"]
            for name in names
        },
        axis=1,
    )
    loss_QL = pd.concat({name: _val_losses(job, name) for name in names}, axis=1)
    run = TrainedRun(job)
    queries = all_of_validation(run)
    for settings, formulas in combinations(whole_grid=False, errors=("kept",)):
        found = trace_queries(run, queries, formulas, settings)
        for formula, scores in found.tables.items():
            wide = scores.pivot_table(index="query_id", columns="photo_id", values="score").loc[loss_QL.index]
            is_kept_LP = kept.loc[wide.columns].to_numpy(dtype=bool).T
            lds_Q = datamodel_score(wide.to_numpy(), is_kept_LP, loss_QL.to_numpy().T)
            yield {
                "seed": seed,
                "formula": formula,
                "unit": settings.unit,
                "query": settings.query,
                "counting": settings.counting,
                "scope": settings.parameters,
                "lds": mean_over_queries(lds_Q),
            }


def train_halves(job: Job, num_lists: int) -> list[str]:
    """Draws the keep lists, trains what does not stand, and returns their names."""
    names = [f"half-{place:03d}" for place in range(num_lists)]
    for name in names:
        run_task(Task(name, job.study.pruning(name), {}, {"tables": job.tables_digest}, partial(_draw_half, job, name)))
    tasks = {name: train_task(job, Training(name)) for name in names}
    train_together(job, [name for name, task in tasks.items() if judge(task).state != "valid"])
    return names


def _draw_half(job: Job, name: str, folder: Path) -> None:
    photos = job.cohort.photos[job.cohort.photos["visit_id"].isin(job.visits_of("train")["visit_id"])]
    keep = photos[["photo_id", "visit_id"]].reset_index(drop=True)
    keep["kept"] = generator(job.settings.seed, "keep list", name).random(len(keep)) < 0.5
    is_lost = ~keep.groupby("visit_id")["kept"].transform("any")
    keep["kept"] |= is_lost & ~keep.duplicated("visit_id")
    keep.to_parquet(folder / "keep.parquet", index=False)


def _val_losses(job: Job, run: str) -> "pd.Series[float]":
    return TrainedRun(job, run).predictions_of("val").set_index("visit_id")["loss"].sort_index()


def all_of_validation(run: TrainedRun) -> pd.DataFrame:
    """Every validation visit as a query, right or wrong."""
    rows = run.predictions_of("val").sort_values("visit_id")
    return pd.DataFrame({"query_id": rows["visit_id"], "photo_id": rows["attended_photo_id"], "used": True})
