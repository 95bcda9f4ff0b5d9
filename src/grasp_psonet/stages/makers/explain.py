"""``grasp explain``: Grad-CAM inside the bag, on flagged photos and on the photos that the errors looked at.

Of precomputed features there is no photo to map: the index names them, and how much was attended to them stands with the run.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.explain.gradcam import grad_cam, target_layer
from grasp_psonet.explain.overlay import overlay_png
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.photos.store import PhotoStore
from grasp_psonet.pruning.ranking import ranked_photos
from grasp_psonet.stages.declared.needs import ExplainNeeds
from grasp_psonet.stages.makers.prune import compared_photos
from grasp_psonet.stages.makers.trace import kept_queries
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import (
    CAM_LARGEST,
    FILE,
    LOSS,
    PHOTO_ID,
    PREDICTED,
    QUERY_ID,
    REASON,
    SPLIT,
    TARGET,
    VISIT_ID,
)
from grasp_psonet.tables.explain import MAPS
from grasp_psonet.tables.traces import SCORES


def flagged_photos(own: ExplainNeeds, trace: Path, cohort: Cohort) -> pd.DataFrame:
    """The training photos that pruning takes first, the first ones first: photo_id, visit_id, score (what it ranks by).

    At the end of the ranking that ``prune.end`` names, and by whole visits or patients where ``prune.remove`` says so.
    ``trace``: the folder of the scores.
    """
    scores = SCORES.read(trace / "scores.parquet")
    visits = cohort.visits[cohort.visits[SPLIT] == "train"]
    return ranked_photos(scores, compared_photos(cohort, own), visits, own.rules).head(own.explain.flagged)


def make_maps(folder: Path, own: ExplainNeeds, run: TrainedRun, trace: Path) -> None:
    """Leaves the maps and their index in the folder; ``trace`` is the folder of the run's trace."""
    network = run.photo_network()
    predicted = run.predictions.set_index(VISIT_ID)[PREDICTED]
    bags = {bag.visit_id: bag for split in ("train", "val") for bag in run.inputs.bags(split)}
    by_loss = kept_queries(run, trace).sort_values([LOSS, QUERY_ID], ascending=[False, True])
    worst_errors = by_loss.head(own.explain.errors)
    flagged = flagged_photos(own, trace, run.job.cohort)
    wanted = [("flagged", *pair) for pair in zip(flagged[PHOTO_ID], flagged[VISIT_ID], strict=True)]
    wanted += [("error", *pair) for pair in zip(worst_errors[PHOTO_ID], worst_errors[QUERY_ID], strict=True)]
    rows = []
    for number, (reason, photo_id, visit_id) in enumerate(wanted):
        # a flagged photo: what in it speaks for the label it trains; an error: what speaks for the wrong answer
        target = bags[visit_id].label if reason == "flagged" else predicted.loc[visit_id].item()
        largest, name = None, None
        if run.job.kind == "photos":
            photo_HWC, cam_hw, largest = _map_of(network, bags[visit_id], photo_id, target, run.inputs.store)
            name = f"map-{number:03d}.png"
            (folder / name).write_bytes(overlay_png(photo_HWC, cam_hw))
        rows.append((photo_id, visit_id, reason, target, largest, name))
    columns = [PHOTO_ID, VISIT_ID, REASON, TARGET, CAM_LARGEST, FILE]
    maps = pd.DataFrame(rows, columns=columns).astype({CAM_LARGEST: float, FILE: "string"})
    MAPS.write(maps, folder / "index.parquet")


def _map_of(
    network: BagNetwork, bag: Bag, photo_id: str, target: float, store: PhotoStore
) -> tuple[np.ndarray, np.ndarray, float]:
    """The photo, its Grad-CAM for the label ``target`` of the visit given its siblings, and the map's raw largest value."""
    device = next(network.parameters()).device
    batch = collate([bag], store.pixels).to(device)
    assert network.encoder is not None, "maps of a network that reads no photos"
    layer = target_layer(network.encoder, batch.photos_BNCHW[0, 0])
    targets = batch.label_B.new_tensor([target])
    maps = grad_cam(network, batch.photos_BNCHW, batch.is_photo_BN, targets, layer)
    at = bag.photo_ids.index(photo_id)
    photo_HWC = np.array(store.pixels[bag.rows[at]])
    return photo_HWC, maps.cam_BNhw[0, at].cpu().numpy(), float(maps.largest_BN[0, at])
