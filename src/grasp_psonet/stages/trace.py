"""``grasp trace``: influence of every training photo on the validation visits that the baseline got wrong."""

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.influence.choices import Errors
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.queries import find_queries
from grasp_psonet.influence.tracing.trace import Queries, Remember, Traced, trace
from grasp_psonet.influence.units.table import cover_unit
from grasp_psonet.network.network import BagNetwork, build_network
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.stage import Task
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.trace_parts import kept_parts
from grasp_psonet.stages.train import fresh_network, rebuild_of, removed_photos, split_bags
from grasp_psonet.training.predict import photo_losses, predict_bags
from grasp_psonet.trajectory.anchors import anchor_path, load_weights, read_anchor, start_anchor
from grasp_psonet.trajectory.machine import use_machine
from grasp_psonet.trajectory.trajectory import Replaying, Trajectory

log = logging.getLogger("grasp_psonet")

_PARTS = "parts"


def trace_task(job: Job) -> Task:
    """Scores of the chosen formula; the queries; the loss of each training photo on its own (for the loss control)."""
    parts = ("trace", "severity", "machine.device", "machine.threads")
    folder = job.study.trace(job.trace_name())
    return job.task("trace", folder, parts, job.baseline_inputs(), lambda folder: _make(job, folder), resumable=True)


def read_trajectory(job: Job, name: str = BASELINE) -> Trajectory:
    """The trajectory of a complete run."""
    folder = job.study.run(name)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    steps = pd.read_parquet(folder / "steps.parquet")
    return Trajectory(folder / "anchors", steps, metrics["kept_step"], job.settings.train.optimizer)


def kept_network(job: Job, store: PhotoStore, trajectory: Trajectory, device: torch.device) -> BagNetwork:
    """The network with the weights that the run kept; ``job`` as trained."""
    return kept_network_of(job, store.edge_px, trajectory, device)


def kept_network_of(job: Job, edge_px: int, trajectory: Trajectory, device: torch.device) -> BagNetwork:
    """The same for photos of this edge, without a store."""
    settings = replace(job.settings.network, weights="random")  # the anchor holds every weight
    network = build_network(settings, edge_px, job.settings.seed).to(device)
    load_weights(network, read_anchor(anchor_path(trajectory.anchors, trajectory.kept_step), device))
    return network


@dataclass(frozen=True)
class QueryTrace:
    """Score tables by formula (query_id, photo_id, visit_id, score), photo losses (photo_id, loss), coverage, caveats."""

    tables: dict[FormulaName, pd.DataFrame]
    photo_losses: pd.DataFrame
    coverage: dict[str, int]
    caveats: tuple[str, ...]


def trace_queries(
    job: Job,
    queries: pd.DataFrame,
    formulas: Sequence[FormulaName],
    settings: TraceSettings | None = None,
    parts: Path | None = None,
    run: str = BASELINE,
) -> QueryTrace:
    """Traces the used queries by these formulas; ``settings`` (default: the study's) say unit, query, counting and parameters.

    ``queries`` as ``run_queries`` gives them: with ``errors: each_anchor`` each counts at the anchor of its ``step``.
    With ``parts`` (a folder), finished parts are kept there, and a trace that was interrupted goes on from them. ``run``
    names another run than the baseline; photos that its keep list removed have no scores.
    """
    job = job.as_trained(job.study.run(run))
    settings = settings or job.settings.trace
    device = use_machine(job.settings.machine.device, job.settings.machine.threads)
    store = open_store(job.study.store)
    trajectory = read_trajectory(job, run)
    network = kept_network(job, store, trajectory, device)
    rebuild = rebuild_of(job, store, removed_photos(None if run == BASELINE else job.study.pruning(run)))
    visits = list(rebuild.bags.values())
    losses = photo_losses(network, visits, store.pixels, settings.photos_per_batch)
    used = queries[queries["used"].astype(bool)]
    val_bags = {bag.visit_id: bag for bag in split_bags(job, store, "val")}
    asked: Queries
    if settings.errors == "each_anchor":
        asked = {int(str(step)): _query_bags(val_bags, rows, settings) for step, rows in used.groupby("step")}
    else:
        assert used["query_id"].is_unique, "errors of several anchors, traced as those of the kept network"
        asked = _query_bags(val_bags, used, settings)
    replaying = None
    if settings.counting == "steps":
        start = start_anchor(fresh_network(job, store).to(device))
        replaying = Replaying(rebuild, start, settings.replay_tolerance)
    coverage = cover_unit(settings.unit, network, collate(visits[:3], store.pixels), settings.parameters)
    log.info("  %d queries over %s", len(used), coverage)
    traced = trace(
        network,
        trajectory,
        visits,
        asked,
        store.pixels,
        settings,
        coverage,
        formulas=formulas,
        replaying=replaying,
        remember=_remembering(parts, formulas, settings, visits, asked),
    )
    return QueryTrace(_score_tables(traced), losses, coverage.numel_by_rule, traced.caveats)


def _query_bags(val_bags: dict[str, Bag], queries: pd.DataFrame, settings: TraceSettings) -> list[Bag]:
    bags = [val_bags[query_id] for query_id in queries["query_id"]]
    if settings.query == "visit":
        return bags
    return [bag.only(photo_id) for bag, photo_id in zip(bags, queries["photo_id"], strict=True)]


def _remembering(
    folder: Path | None,
    formulas: Sequence[FormulaName],
    settings: TraceSettings,
    visits: Sequence[Bag],
    queries: Queries,
) -> Remember:
    if folder is None:
        return lambda part, make: make()
    parts = kept_parts(folder, formulas, settings, visits, queries)
    if len(parts):
        log.info("  parts left by the interrupted trace: %d; each is proven before it counts", len(parts))
    return parts.remember


def run_queries(job: Job, run: str = BASELINE, errors: Errors | None = None) -> pd.DataFrame:
    """What is traced of a run (influence.queries), with the ``step`` of the anchor whose network made the error.

    ``errors`` (default: the study's): those of the kept network, or of the network at every anchor, each through the photo
    that it attended to most there.
    """
    trained = job.as_trained(job.study.run(run))
    trajectory = read_trajectory(trained, run)
    if (errors or job.settings.trace.errors) == "kept":
        predictions = pd.read_parquet(job.study.run(run) / "predictions.parquet")
        by_step = iter([(trajectory.kept_step, predictions[predictions["split"] == "val"])])
    else:
        by_step = _predictions_at_anchors(trained, trajectory)
    severity = job.settings.severity
    found = [
        find_queries(predictions, job.cohort.visits, severity.cutoffs, job.settings.trace).assign(step=step)
        for step, predictions in by_step
    ]
    return pd.concat(found, ignore_index=True)


def _predictions_at_anchors(job: Job, trajectory: Trajectory) -> Iterator[tuple[int, pd.DataFrame]]:
    device = use_machine(job.settings.machine.device, job.settings.machine.threads)
    store = open_store(job.study.store)
    network = kept_network(job, store, trajectory, device)
    bags = split_bags(job, store, "val")
    for _, step in trajectory.windows(beyond_kept=True):
        load_weights(network, trajectory.read(step, device))
        yield step, predict_bags(network, bags, store.pixels)[0]


def kept_queries(job: Job) -> pd.DataFrame:
    """The validation errors of the kept baseline among the traced ones."""
    queries = pd.read_parquet(job.study.trace(job.trace_name()) / "queries.parquet")
    return queries[queries["step"] == read_trajectory(job).kept_step]


def _score_tables(traced: Traced) -> dict[FormulaName, pd.DataFrame]:
    photo_ids, num_queries = traced.photo_ids, len(traced.query_ids)
    return {
        formula: pd.DataFrame(
            {
                "query_id": np.repeat(np.array(traced.query_ids, dtype=object), len(photo_ids)),
                "photo_id": list(photo_ids) * num_queries,
                "visit_id": list(traced.visit_ids) * num_queries,
                "score": score_QZ.reshape(-1),
            }
        )
        for formula, score_QZ in traced.by_formula.items()
    }


def _make(job: Job, folder: Path) -> None:
    queries = run_queries(job)
    if not queries["used"].any():
        log.warning(
            "no validation error to trace (%d misclassified, %d left out as doubtful): nothing will be pruned",
            len(queries),
            int((~queries["used"].astype(bool)).sum()),
        )
    formula = job.settings.trace.formula
    traced = trace_queries(job, queries, [formula], parts=folder / _PARTS)
    queries.to_parquet(folder / "queries.parquet", index=False)
    traced.tables[formula].to_parquet(folder / "scores.parquet", index=False)
    traced.photo_losses.to_parquet(folder / "photo_losses.parquet", index=False)
    for name, value in (("coverage", traced.coverage), ("caveats", traced.caveats)):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if (folder / _PARTS).exists():
        shutil.rmtree(folder / _PARTS)
