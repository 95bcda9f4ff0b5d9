"""What other methods rank training photos by, on the baseline that the default traces: photo by photo, the worst highest.

Each is given its best form: all but the quality measures are compared within the class, in robust standard deviations, so that
none removes a class because its photos are harder on the whole.
"""

# Axes: B photos as bags of their own, C classes.

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from grasp_psonet.audit.neighbours import neighbour_ratio
from grasp_psonet.bags.bag import Bag, Pixels, collate
from grasp_psonet.features.store import open_features
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.tracing.self_influence import self_influence
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.pruning.settings import Within
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import PruneNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.prune import compared_photos
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.schemas.store import STORE_INDEX
from grasp_psonet.training.predict import bags_of_photos, photo_losses
from grasp_psonet.trajectory.trained_network import TrainedNetwork

Ranking = pd.Series  # of floats by photo_id
EARLY = 0.1  # of the epochs: Paul et al. read EL2N after 20 of 200
MEASURES = ("brightness", "contrast", "sharpness", "cast_red_green", "cast_yellow_blue")
_MAD_TO_SD = 1.4826  # of a normal distribution


def own_loss(job: Job) -> Ranking:
    """Loss of the photo as a bag of its own, against its visit's label, at the kept epoch."""
    run = TrainedRun(job)
    together = job.settings.trace.photos_per_batch
    table = photo_losses(run.kept_network(), run.inputs.bags("train"), run.inputs.pixels, together)
    return within_group(table.set_index("photo_id")["loss"], groups(job, "class"))


def early_error(job: Job) -> Ranking:
    """EL2N of the photo as a bag of its own: the length of predicted probabilities less label, early in training.

    Paul et al. (NeurIPS 2021) take the mean over ten networks after a tenth of training; here it is that over the anchors of
    the first tenth of one training (the first anchor at least). Mulchandani and Kim (Severing Spurious Correlations
    with Data Pruning, ICLR 2025) remove the hardest photos of the class that carries the spurious feature; which one that is
    is not told here, so classes compete by how far their hardest photos lie from the rest.
    """
    run = TrainedRun(job)
    steps, records = [step for _, step in run.trajectory.windows(beyond_kept=True)], run.trajectory.steps
    latest = int(records.loc[records["epoch"] <= max(1, EARLY * job.settings.train.epochs), "step"].max())
    early = [step for step in steps if step <= latest] or steps[:1]
    found = [el2n(run.network_at(step), run.inputs.bags("train"), run.inputs.pixels) for step in early]
    return within_group(pd.concat(found, axis=1).mean(axis=1), groups(job, "class"))


@torch.no_grad()
def el2n(network: BagNetwork, bags: Iterable[Bag], pixels: Pixels, num_together: int = 64) -> Ranking:
    """Length of (softmax of the logits less the one-hot label) of each present photo as a bag of its own; 0 to sqrt(2)."""
    device = next(network.parameters()).device
    alone = list(bags_of_photos(bags))
    lengths: list[float] = []
    for start in range(0, len(alone), num_together):
        batch = collate(alone[start : start + num_together], pixels).to(device)
        error_BC = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN).logits_BC.softmax(dim=1)
        error_BC[torch.arange(len(error_BC), device=device), batch.label_B] -= 1
        lengths += error_BC.norm(dim=1).tolist()
    return pd.Series(lengths, index=[bag.photo_ids[0] for bag in alone])


def outlier_gradients(job: Job) -> Ranking:
    """Self-influence of the photo as in the audit: squared length of its gradient (``audit.formula``), over the anchors."""
    run = TrainedRun(job)
    visits = {visit_id: list(bags_of_photos([bag])) for visit_id, bag in run.inputs.training_bags.items()}
    trained = TrainedNetwork(run.kept_network(), run.trajectory)
    matrices = self_influence(trained, visits, run.inputs.pixels, FORMULAS[job.settings.audit.formula])
    found: dict[str, float] = {}
    for visit_id, photos in visits.items():
        own = matrices[visit_id].diagonal() if matrices[visit_id].ndim == 2 else matrices[visit_id]
        found |= {photo.photo_ids[0]: float(value) for photo, value in zip(photos, own, strict=True)}
    return within_group(pd.Series(found), groups(job, "class"))


def neighbours(job: Job) -> Ranking:
    """How much nearer the photo lies to photos of other classes than to its own, in the start encoder's features: the
    neighbour ratio of SelfClean (Groeger et al. 2024), other photos of the patient not counted."""
    photos = training_photos(job)
    store = open_features(job.study.features)
    rows = store.index.set_index("photo_id")["row"].loc[photos["photo_id"]]
    visits = job.cohort.visits.set_index("visit_id").loc[photos["visit_id"]]
    label = visits[job.outcome.label_column].to_numpy(np.int64)
    ratio = neighbour_ratio(store.gather(rows.tolist()).astype(float), label, visits["patient_id"].tolist())
    return within_group(pd.Series(ratio, index=photos["photo_id"].to_numpy()), groups(job, "class"))


def quality(job: Job) -> Ranking:
    """How unusual the photo is for its class and view: its largest z-score of the store's measures (of log sharpness)."""
    index = STORE_INDEX.read(job.study.store / "index.parquet").set_index("photo_id")
    group = groups(job, "class_and_view")
    measures = index.loc[group.index, list(MEASURES)].astype(float)
    measures["sharpness"] = np.log(measures["sharpness"] + 1)
    by_group = measures.groupby(group)
    spread = by_group.transform("std", ddof=0)
    z = (measures - by_group.transform("mean")) / spread.where(spread > 1e-9, math.inf)
    return z.abs().max(axis=1)


def within_group(value: Ranking, group: "pd.Series[str]") -> Ranking:
    """Values less the median of their group, in 1.4826 median absolute deviations of it; where most of a group are equal,
    in its standard deviations."""
    group = group.loc[value.index]
    centred = value - value.groupby(group).transform("median")
    spread = _MAD_TO_SD * centred.abs().groupby(group).transform("median")
    spread = spread.where(spread > 0, centred.groupby(group).transform("std", ddof=0))
    return centred / spread.where(spread > 0, 1.0)


def groups(job: Job, within: Within) -> "pd.Series[str]":
    """The class (and view) of each training photo, by photo_id."""
    needs = replace(needs_of(PruneNeeds, job.settings), within=within)
    return compared_photos(job.cohort, needs).set_index("photo_id")["group"]


def training_photos(job: Job) -> pd.DataFrame:
    """photo_id and visit_id of every training photo."""
    photos = job.cohort.photos[["photo_id", "visit_id"]]
    return photos[photos["visit_id"].isin(job.visits_of("train")["visit_id"])].reset_index(drop=True)
