"""Ways of pruning that the product does not have, judged like all others: by keep lists and retraining.

``class``: a photo is judged only by the errors that were mistaken for its visit's class. ``rounds``: a few photos at a
time, each time traced anew on the network trained without the last ones. ``weights``: the photos that the default removes
stay, with a tenth of their attention.
"""

# Axes: P photos read in a batch.

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.planted import make_arm, rows_of_lists, train_lists
from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.progress import progress
from grasp_psonet.pruning.selection import select
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.stage import Task, run_task
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.tracing.trace import run_queries, trace_queries
from grasp_psonet.stages.names import BASELINE, KeepList
from grasp_psonet.stages.run import RunInputs, TrainedRun, removed_photos
from grasp_psonet.training.fit import PlannedTraining, RunFolder, fit
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.machine import use_machine

Rows = Iterator[dict[str, Any]]
CLASS_TRACE = "by-class"
NUM_ROUNDS, PER_ROUND = 4, 40
WEIGHT = 0.1


@dataclass(frozen=True)
class _TraceNeeds:
    trace: TraceSettings


@dataclass(frozen=True)
class _ListNeeds:
    trace: TraceSettings
    prune: PruneSettings


def class_rows(job: Job) -> Rows:
    """Only errors mistaken for the class of a photo's visit speak of it; k photos by the sum of their scores."""
    lists = [KeepList(f"class-k{k}", int(k), "") for k in job.settings.prune.k]
    run_task(_class_trace(job))
    for one in lists:
        inputs = {"trace": job.study.trace(CLASS_TRACE)}
        run_task(list_task(job, one.name, inputs, partial(_class_list, job, int(one.k))))
    train_lists(job, [one.name for one in lists])
    yield from rows_of_lists(job, "class", lists)


def _class_trace(job: Job) -> Task:
    """Scores of the errors mistaken for each class, 0 for photos of other classes: a visit may be mistaken for two."""

    def make(folder: Path, own: _TraceNeeds) -> None:
        run, formula = TrainedRun(job), own.trace.formula
        queries = run_queries(run, own.trace)
        label = job.cohort.visits.set_index("visit_id")[job.outcome.label_column]
        found = []
        for predicted, errors in queries.groupby("predicted"):
            scores = trace_queries(run, errors, [formula], own.trace).tables[formula]
            speaks = scores["visit_id"].map(label) == predicted
            names = scores["query_id"] + f" as {predicted}"
            found.append(scores.assign(query_id=names, score=scores["score"].where(speaks, 0.0)))
        pd.concat(found, ignore_index=True).to_parquet(folder / "scores.parquet", index=False)

    own = needs_of(_TraceNeeds, job.settings)
    return declared("class trace", job.study.trace(CLASS_TRACE), own, job.baseline_inputs(), make)


def _class_list(job: Job, k: int) -> pd.DataFrame:
    scores = pd.read_parquet(job.study.trace(CLASS_TRACE) / "scores.parquet")
    return select(scores, _training_photos(job), job.visits_of("train"), k, job.settings.prune)


def rounds_rows(job: Job) -> Rows:
    """``PER_ROUND`` photos leave, the network is trained without them, its own errors are traced, and so on."""
    job = keeping_anchors(job)
    lists = [KeepList(f"rounds-k{place * PER_ROUND}", place * PER_ROUND, "") for place in range(1, NUM_ROUNDS + 1)]
    run = BASELINE
    for one in lists:
        run_task(list_task(job, one.name, {"run": job.study.run(run)}, partial(_next_round, job, run)))
        train_lists(job, [one.name])
        run = one.name
    yield from rows_of_lists(job, "rounds", lists)


def keeping_anchors(job: Job) -> Job:
    """The job whose retrained runs keep what it takes to trace them."""
    prune = replace(job.settings.prune, retrained_anchors="all")
    return Job(job.study, replace(job.settings, prune=prune))


def _next_round(job: Job, name: str) -> pd.DataFrame:
    """The keep list of a run, less the photos that did most harm to it."""
    photos = _training_photos(job)
    run, settings = TrainedRun(job, name), job.settings.trace
    removed = run.inputs.removed
    scores = trace_queries(run, run_queries(run, settings), [settings.formula], settings).tables[settings.formula]
    left = photos[~photos["photo_id"].isin(removed)]
    keep = select(scores, left, job.visits_of("train"), PER_ROUND, job.settings.prune)
    removed |= set(keep.loc[~keep["kept"], "photo_id"])
    return photos.assign(kept=~photos["photo_id"].isin(removed))


def weights_rows(job: Job) -> Rows:
    """The default's keep lists; what they remove keeps ``WEIGHT`` of its attention."""
    make_arm(job)
    lists = []
    for one in made_keep_lists(job).retrained:
        if one.control:
            continue
        source = job.study.pruning(one.name)
        lists.append(KeepList(f"weights-{one.name}", one.k, ""))
        run_task(list_task(job, lists[-1].name, {"list": source}, partial(pd.read_parquet, source / "keep.parquet")))
        make = partial(_train_weighed, job, dict.fromkeys(removed_photos(source), WEIGHT))
        title, run = f"train {lists[-1].name}", job.study.run(lists[-1].name)
        inputs: dict[str, Path | str] = {"pruning": source, "weight": str(WEIGHT), "tables": job.tables_digest}
        run_task(declared(title, run, needs_of(TrainNeeds, job.settings), inputs, make))
    yield from rows_of_lists(job, "weights", lists)


@dataclass(frozen=True)
class WeighedSource(BatchSource):
    """Batches as ever; the weights of the photos of the last batch wait for the network's next pass."""

    weight: Mapping[str, float] = field(default_factory=dict)
    waiting: list[Tensor] = field(default_factory=list)

    def batch(self, draws: pd.DataFrame, device: torch.device) -> BagBatch:
        assert not self.waiting, "the network passed without the weights of the last batch"
        bags = [self.bags[visit_id] for visit_id in draws["visit_id"]]
        log_weight = [math.log(self.weight.get(photo_id, 1.0)) for bag in bags for photo_id in bag.photo_ids]
        self.waiting[:] = [torch.tensor(log_weight, device=device)]
        return super().batch(draws, device)

    def weigh(self, _scorer: nn.Module, _inputs: tuple[Tensor, ...], logit_P: Tensor) -> Tensor:
        """A forward hook of the attention scorer: a photo of weight w counts like w photos in the softmax."""
        return logit_P + self.waiting.pop() if self.waiting else logit_P


def _train_weighed(job: Job, weight: Mapping[str, float], folder: Path, own: TrainNeeds) -> None:
    device = use_machine(own.device, own.threads)
    inputs = RunInputs(job.study, own, job.cohort)
    usual = inputs.source
    source = WeighedSource(**{one.name: getattr(usual, one.name) for one in fields(usual)}, weight=weight)
    network = inputs.start_network().to(device)
    network.attention.register_forward_hook(source.weigh)
    planned = PlannedTraining(inputs.plan, source, inputs.bags("val"))
    fit(network, planned, own.train, RunFolder(folder), progress(f"  {folder.name}").advance)
    found = [
        predict_bags(network, inputs.bags(split), source.pixels)[0].assign(split=split) for split in ("val", "test")
    ]
    pd.concat(found, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)


def _training_photos(job: Job) -> pd.DataFrame:
    photos = job.cohort.photos[["photo_id", "visit_id"]]
    return photos[photos["visit_id"].isin(job.visits_of("train")["visit_id"])].reset_index(drop=True)


def list_task(job: Job, name: str, inputs: Mapping[str, Path | str], make: Callable[[], pd.DataFrame]) -> Task:
    def write(folder: Path, _: _ListNeeds) -> None:
        make().to_parquet(folder / "keep.parquet", index=False)

    return declared(f"{name} list", job.study.pruning(name), needs_of(_ListNeeds, job.settings), inputs, write)


OTHER_RULES: dict[str, Callable[[Job], Rows]] = {"class": class_rows, "rounds": rounds_rows, "weights": weights_rows}
