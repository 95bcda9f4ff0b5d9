"""``grasp trace``: influence of every training photo on the misclassified validation visits of the baseline."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from grasp_psonet.bags.bag import Bag
from grasp_psonet.influence.queries import find_queries
from grasp_psonet.influence.settings import Formula
from grasp_psonet.influence.trace import Trajectory, photo_scope, trace_checkpoints
from grasp_psonet.network.network import BagNetwork, build_network
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.stage import Task
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.train import split_bags, training_bags
from grasp_psonet.training.predict import bags_of_photos, predict_bags
from grasp_psonet.trajectory.anchors import anchor_path, load_weights, read_anchor
from grasp_psonet.trajectory.machine import use_machine

log = logging.getLogger("grasp_psonet")


def trace_task(job: Job) -> Task:
    """Scores of the chosen formula; the queries; the loss of each training photo on its own (for the loss control)."""
    inputs: dict[str, Path | str] = {
        "run": job.study.run(BASELINE),
        "store": job.study.store,
        "tables": job.tables_digest,
    }
    parts = ("trace", "severity.cutoffs", "machine.device", "machine.threads")
    return job.task("trace", job.study.trace(job.trace_name()), parts, inputs, lambda folder: _make(job, folder))


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
    network = build_network(job.settings.network, edge_px, job.settings.seed).to(device)
    load_weights(network, read_anchor(anchor_path(trajectory.anchors, trajectory.kept_step), device))
    return network


def trace_queries(
    job: Job, queries: pd.DataFrame, formulas: Sequence[Formula]
) -> tuple[dict[Formula, pd.DataFrame], pd.DataFrame, dict[str, int]]:
    """Score tables by formula (query_id, photo_id, visit_id, score), photo losses (photo_id, loss), and coverage."""
    job = job.as_trained(job.study.run(BASELINE))
    device = use_machine(job.settings.machine.device, job.settings.machine.threads)
    store = open_store(job.study.store)
    trajectory = read_trajectory(job)
    network = kept_network(job, store, trajectory, device)
    photos = list(bags_of_photos(training_bags(job, store, frozenset()).values()))
    losses, _ = predict_bags(network, photos, store.pixels)
    photo_losses = pd.DataFrame({"photo_id": [bag.photo_ids[0] for bag in photos], "loss": losses["loss"]})
    used = queries[queries["used"]]
    val_bags = {bag.visit_id: bag for bag in split_bags(job, store, "val")}
    query_bags = [
        val_bags[query_id].only(photo_id) for query_id, photo_id in zip(used["query_id"], used["photo_id"], strict=True)
    ]
    scope = photo_scope(network, photos, store.pixels)
    log.info("  %d queries over %s", len(query_bags), scope)
    scores = trace_checkpoints(
        network,
        trajectory,
        photos,
        query_bags,
        store.pixels,
        formulas,
        job.settings.trace.photos_per_batch,
        scope,
        lambda done, total: log.info("  anchor %d of %d", done, total),
    )
    tables = {formula: _score_table(table, query_bags, photos) for formula, table in scores.items()}
    return tables, photo_losses, scope.coverage


def baseline_queries(job: Job) -> pd.DataFrame:
    """The queries of the baseline (influence.queries)."""
    predictions = pd.read_parquet(job.study.run(BASELINE) / "predictions.parquet")
    return find_queries(predictions, job.cohort.visits, job.settings.severity.cutoffs, job.settings.trace)


def _score_table(score_QZ: np.ndarray, queries: list[Bag], photos: list[Bag]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "query_id": np.repeat([bag.visit_id for bag in queries], len(photos)).astype(object),
            "photo_id": [bag.photo_ids[0] for bag in photos] * len(queries),
            "visit_id": [bag.visit_id for bag in photos] * len(queries),
            "score": score_QZ.reshape(-1),
        }
    )


def _make(job: Job, folder: Path) -> None:
    queries = baseline_queries(job)
    if not queries["used"].any():
        log.warning(
            "no validation error to trace (%d misclassified, %d left out as doubtful): nothing will be pruned",
            len(queries),
            int((~queries["used"].astype(bool)).sum()),
        )
    tables, photo_losses, covered = trace_queries(job, queries, [job.settings.trace.formula])
    queries.to_parquet(folder / "queries.parquet", index=False)
    tables[job.settings.trace.formula].to_parquet(folder / "scores.parquet", index=False)
    photo_losses.to_parquet(folder / "photo_losses.parquet", index=False)
    (folder / "coverage.json").write_text(json.dumps(covered, indent=1, sort_keys=True) + "\n", encoding="utf-8")
