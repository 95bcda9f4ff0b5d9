"""``grasp explain``: Grad-CAM inside the bag, on flagged photos and on the photos that the errors looked at."""

from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag, collate, make_bags
from grasp_psonet.explain.gradcam import grad_cam, target_layer
from grasp_psonet.explain.overlay import overlay_png
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.pruning.selection import ranked_photos
from grasp_psonet.stage import Task
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.trace import kept_network, kept_queries, read_trajectory
from grasp_psonet.trajectory.machine import use_machine


def explain_task(job: Job) -> Task:
    """Maps of the kept baseline: of photos that pruning takes first, and of its own errors."""
    inputs = job.baseline_inputs() | {"trace": job.study.trace(job.trace_name())}
    parts = ("explain", "prune.rule", "prune.end", "prune.unit", "machine.device", "machine.threads")
    return job.task("explain", job.study.explanations, parts, inputs, lambda folder: _make(job, folder))


def flagged_photos(job: Job) -> pd.DataFrame:
    """The training photos that pruning takes first, the first ones first: photo_id, visit_id, score (what it ranks by).

    At the end of the ranking that ``prune.end`` names, and by whole visits or patients where ``prune.unit`` says so.
    """
    scores = pd.read_parquet(job.study.trace(job.trace_name()) / "scores.parquet")
    settings = job.settings
    ranked = ranked_photos(scores, job.visits_of("train"), settings.prune, settings.trace.summed)
    return ranked.head(settings.explain.flagged)


def _make(job: Job, folder: Path) -> None:
    job = job.as_trained(job.study.run(BASELINE))
    device = use_machine(job.settings.machine.device, job.settings.machine.threads)
    store = open_store(job.study.store)
    network = kept_network(job, store, read_trajectory(job), device)
    predictions = pd.read_parquet(job.study.run(BASELINE) / "predictions.parquet").set_index("visit_id")["predicted"]
    bags = make_bags(job.cohort.visits, store.index, job.outcome.label_column)
    by_loss = kept_queries(job).sort_values(["loss", "query_id"], ascending=[False, True])
    worst_errors = by_loss.head(job.settings.explain.errors)
    flagged = flagged_photos(job)
    wanted = [("flagged", *pair) for pair in zip(flagged["photo_id"], flagged["visit_id"], strict=True)]
    wanted += [("error", *pair) for pair in zip(worst_errors["photo_id"], worst_errors["query_id"], strict=True)]
    rows = []
    for number, (reason, photo_id, visit_id) in enumerate(wanted):
        # a flagged photo: what in it speaks for the label it trains; an error: what speaks for the wrong answer
        target = bags[visit_id].label if reason == "flagged" else int(predictions.loc[visit_id])
        photo_HWC, cam_hw, largest = _map_of(network, bags[visit_id], photo_id, target, store)
        name = f"map-{number:03d}.png"
        (folder / name).write_bytes(overlay_png(photo_HWC, cam_hw))
        rows.append((photo_id, visit_id, reason, target, largest, name))
    columns = ["photo_id", "visit_id", "reason", "target", "cam_largest", "file"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "index.parquet", index=False)


def _map_of(
    network: BagNetwork, bag: Bag, photo_id: str, target: int, store: PhotoStore
) -> tuple[np.ndarray, np.ndarray, float]:
    """The photo, its Grad-CAM for the visit's logit of ``target`` given its siblings, and the map's raw largest value."""
    device = next(network.parameters()).device
    batch = collate([bag], store.pixels).to(device)
    layer = target_layer(network.encoder, batch.photos_BNCHW[0, 0])
    targets = batch.label_B.new_tensor([target])
    maps = grad_cam(network, batch.photos_BNCHW, batch.is_photo_BN, targets, layer)
    at = bag.photo_ids.index(photo_id)
    photo_HWC = np.array(store.pixels[bag.rows[at]])
    return photo_HWC, maps.cam_BNhw[0, at].cpu().numpy(), float(maps.largest_BN[0, at])
