"""The default followed for a second round, and the query loss difference: how errors fare without the photos named first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.planted import auc, chosen_rows, make_arm, rows_of_arm, rows_of_lists, train_lists
from benchmarks.truth.rivals.other_rules import keeping_anchors, list_task
from benchmarks.truth.rivals.rankings import groups, training_photos
from grasp_psonet.chance import generator
from grasp_psonet.evidence.choose import gain_standard_error
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.pruning.selection import select
from grasp_psonet.pruning.settings import K, count_of
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.needs import PruneNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.prune import PruneInputs, make_pruning
from grasp_psonet.stages.makers.tracing.trace import run_queries, trace_queries
from grasp_psonet.stages.names import BASELINE, KeepList
from grasp_psonet.stages.pipeline import run_all
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.schemas.traces import SCORES

Rows = Iterator[dict[str, Any]]
QLD = "qld"
OF_ALL = 0.01  # of the training photos
ROUND_1, ROUND_2 = "round-1", "round-2"


@dataclass(frozen=True)
class _RoundNeeds:
    trace: TraceSettings


def rounds_rows(job: Job) -> Rows:
    """The pruning that validation chose of the default, and a second round where it is accepted.

    The run without the photos of the first round is traced anew, and the default names photos of those that are left, which
    leave with the others. The best of these lists on validation is accepted where it beats both the first round and the
    baseline by the noise rule (``evaluate.min_gain_se``), and stands in place of the first. Where nothing was chosen, a list
    that keeps all does.
    """
    make_arm(job)
    first = _first_round(job)
    if not first.k:
        yield from rows_of_lists(job, "rounds", [first])
        return
    tracing = keeping_anchors(job)  # the default's own runs keep none: this one is trained once more, the same
    train_lists(tracing, [first.name])
    seconds = [_second_round(tracing, first.name, k) for k in job.settings.prune.k]
    train_lists(job, [one.name for one in seconds])
    told = list(rows_of_lists(job, "rounds", [first, *seconds]))
    best = max(told[1:], key=lambda row: (row["val"], -row["k"]), default=None)
    yield best if best and _is_accepted(job, told[0], best) else told[0]


def _first_round(job: Job) -> KeepList:
    """The chosen list of the default under a name of its own, or one that keeps all where none was chosen."""
    base = {"arm": BASELINE, "k": 0, "control": "", "val": auc(job, BASELINE, "val"), "test": 0.0}
    table = pd.DataFrame([base, *rows_of_arm(job, "default")]).assign(seed=0)
    picked = chosen_rows(table, "default", min_gain_se=job.settings.evaluate.min_gain_se).iloc[0]
    k = int(picked["k"])
    source = job.study.pruning(picked["list"] if k else next(iter(job.pruned_names().values())))

    def make() -> pd.DataFrame:
        keep = pd.read_parquet(source / "keep.parquet")
        return keep if k else keep.assign(kept=True, reason="")

    run_task(list_task(job, ROUND_1, {"list": source, "k": str(k)}, make))
    return KeepList(ROUND_1, k, "")


def _second_round(job: Job, first: str, k: K) -> KeepList:
    """What the default names by this k in the run of the first round, with what left before."""
    name, trace = f"{ROUND_2}-{k}", _trace_again(job, first)
    removed = TrainedRun(job, first).inputs.removed
    cohort = replace(job.cohort, photos=job.cohort.photos[~job.cohort.photos["photo_id"].isin(removed)])

    def make(folder: Path, own: PruneNeeds) -> None:
        make_pruning(folder, own, k, PruneInputs(trace, cohort, job.study.features))
        found = pd.read_parquet(folder / "keep.parquet")
        before = pd.read_parquet(job.study.pruning(first) / "keep.parquet")
        left_before = before[before["photo_id"].isin(removed)]
        both = pd.concat([found, left_before], ignore_index=True).sort_values("photo_id", ignore_index=True)
        both.to_parquet(folder / "keep.parquet", index=False)

    inputs = {"trace": trace, "first": job.study.pruning(first), "features": job.study.features}
    run_task(declared(f"{name} list", job.study.pruning(name), needs_of(PruneNeeds, job.settings), inputs, make))
    keep = pd.read_parquet(job.study.pruning(name) / "keep.parquet")
    return KeepList(name, int((~keep["kept"]).sum()), "")


def _trace_again(job: Job, first: str) -> Path:
    """The trace of the errors of this run, made once."""

    def make(folder: Path, own: _RoundNeeds) -> None:
        run = TrainedRun(job, first)
        found = trace_queries(run, run_queries(run, own.trace), [own.trace.formula], own.trace)
        SCORES.write(found.tables[own.trace.formula], folder / "scores.parquet")

    folder = job.study.trace(first)
    inputs = {"run": job.study.run(first)}
    run_task(declared(f"trace {first}", folder, needs_of(_RoundNeeds, job.settings), inputs, make))
    return folder


def _is_accepted(job: Job, first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether the second round beats the first and the baseline by the noise rule."""
    evaluate = job.settings.evaluate
    for other, val in ((first["list"], first["val"]), (BASELINE, auc(job, BASELINE, "val"))):
        error = gain_standard_error(
            TrainedRun(job, second["list"]).predictions,
            TrainedRun(job, other).predictions,
            job.cohort.visits,
            job.outcome,
            evaluate.replicates,
            job.settings.seed,
        )
        if error is None or second["val"] - val <= evaluate.min_gain_se * error:
            return False
    return True


def qld_rows(job: Job) -> Rows:
    """Mean loss of the traced errors after training without 1 % of the photos: the default's most harmful, and random ones.

    bergson's query loss difference is the first less the second (negative: the ranking names what harms the errors). The errors
    are the validation visits that the baseline's trace asked about, each once, by the kept network of each run;
    ``error_loss`` is missing where there was none. Random photos are drawn from all, and leave every visit one, too.
    """
    run_all(job, until="trace")
    photos, visits = training_photos(job), job.visits_of("train")
    trace = job.study.trace(job.trace_name())
    k = count_of(OF_ALL, len(photos))
    random = generator(job.settings.seed, "query loss difference").random(len(photos))
    scores = {
        "default": SCORES.read(trace / "scores.parquet"),
        "random": photos.assign(query_id="all", score=-random),
    }
    grouped = photos.assign(group=groups(job, "class").loc[photos["photo_id"]].to_numpy())
    rules = needs_of(PruneNeeds, job.settings).rules
    lists = [KeepList(f"{QLD}-{name}", k, "") for name in scores]
    for one, (name, own) in zip(lists, scores.items(), strict=True):
        of = grouped if name == "default" else photos
        run_task(list_task(job, one.name, {"trace": trace}, partial(select, own, of, visits, k, rules)))
    leaves = [one.name for one in lists if _removes(job, one.name)]
    train_lists(job, leaves)
    errors = pd.read_parquet(trace / "queries.parquet").query("used")["query_id"].unique()
    base = _error_loss(job, BASELINE, errors)
    for row, one in zip(rows_of_lists(job, QLD, lists), lists, strict=True):
        loss = _error_loss(job, one.name if one.name in leaves else BASELINE, errors)
        yield row | {"error_loss": loss, "baseline_error_loss": base}


def _removes(job: Job, name: str) -> bool:
    return bool((~pd.read_parquet(job.study.pruning(name) / "keep.parquet")["kept"]).any())


def _error_loss(job: Job, run: str, errors: Any) -> float | None:
    told = TrainedRun(job, run).predictions_of("val").set_index("visit_id")["loss"]
    return float(told.loc[errors].mean()) if len(errors) else None
