"""``grasp trace``: influence of every training photo on the misclassified validation visits of the baseline."""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.influence.queries import find_queries
from grasp_psonet.influence.settings import Formula, TraceSettings
from grasp_psonet.influence.trace import Remember, Traced, trace
from grasp_psonet.influence.unit_scope import unit_scope
from grasp_psonet.network.network import BagNetwork, build_network
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.stage import Task
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.trace_parts import kept_parts
from grasp_psonet.stages.train import fresh_network, rebuild_of, split_bags
from grasp_psonet.training.predict import photo_losses
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

    tables: dict[Formula, pd.DataFrame]
    photo_losses: pd.DataFrame
    coverage: dict[str, int]
    caveats: tuple[str, ...]


def trace_queries(
    job: Job,
    queries: pd.DataFrame,
    formulas: Sequence[Formula],
    settings: TraceSettings | None = None,
    parts: Path | None = None,
) -> QueryTrace:
    """Traces the used queries by these formulas; ``settings`` (default: the study's) say unit, query, counting and scope.

    With ``parts`` (a folder), finished parts are kept there, and a trace that was interrupted goes on from them.
    """
    job = job.as_trained(job.study.run(BASELINE))
    settings = settings or job.settings.trace
    device = use_machine(job.settings.machine.device, job.settings.machine.threads)
    store = open_store(job.study.store)
    trajectory = read_trajectory(job)
    network = kept_network(job, store, trajectory, device)
    rebuild = rebuild_of(job, store, frozenset())
    visits = list(rebuild.bags.values())
    losses = photo_losses(network, visits, store.pixels, settings.photos_per_batch)
    used = queries[queries["used"]]
    val_bags = {bag.visit_id: bag for bag in split_bags(job, store, "val")}
    query_bags = [val_bags[query_id] for query_id in used["query_id"]]
    if settings.query == "photo":
        query_bags = [bag.only(photo_id) for bag, photo_id in zip(query_bags, used["photo_id"], strict=True)]
    replaying = None
    if settings.counting == "steps":
        start = start_anchor(fresh_network(job, store).to(device))
        replaying = Replaying(rebuild, start, settings.replay_tolerance)
    scope = unit_scope(settings.unit, network, collate(visits[:3], store.pixels), settings.scope)
    log.info("  %d queries over %s", len(query_bags), scope)
    traced = trace(
        network,
        trajectory,
        visits,
        query_bags,
        store.pixels,
        settings,
        scope,
        formulas=formulas,
        replaying=replaying,
        remember=_remembering(parts, formulas, settings, visits, query_bags),
    )
    return QueryTrace(_score_tables(traced), losses, scope.coverage, traced.caveats)


def _remembering(
    folder: Path | None,
    formulas: Sequence[Formula],
    settings: TraceSettings,
    visits: Sequence[Bag],
    queries: Sequence[Bag],
) -> Remember:
    if folder is None:
        return lambda part, make: make()
    parts = kept_parts(folder, formulas, settings, visits, queries)
    if len(parts):
        log.info("  parts left by the interrupted trace: %d; each is proven before it counts", len(parts))
    return parts.remember


def baseline_queries(job: Job) -> pd.DataFrame:
    """The queries of the baseline (influence.queries)."""
    predictions = pd.read_parquet(job.study.run(BASELINE) / "predictions.parquet")
    return find_queries(predictions, job.cohort.visits, job.settings.severity.cutoffs, job.settings.trace)


def _score_tables(traced: Traced) -> dict[Formula, pd.DataFrame]:
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
    queries = baseline_queries(job)
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
