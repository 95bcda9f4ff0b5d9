"""Training of the micro study: once by the project's own code, and once for every photo and visit, all of them together.

A counterfactual changes the loss of one visit's draws, never the batch plan or the divisor b. At weight w a removed visit
counts (1 - w) times; a removed photo turns the visit's loss into ``(1 - w) loss + w loss without the photo`` (unit edit).
At w = 1 it is gone; small weights of both signs give the derivative.
"""

# Axes: K counterfactuals, V training visits, N photos per visit (padded), B draws of a step, Z photos or visits, Q queries.

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.truth.micro.study import MicroStudy, micro_network
from grasp_psonet.bags.bag import Bag, BagBatch
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.network.network import BagNetwork, visit_loss
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import Anchor, start_anchor, weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory

VISITS_PER_STEP = 4
ByName = dict[str, Tensor]


@dataclass(frozen=True)
class MicroRun:
    """A finished training: what replays it, its plan, and its network with the weights after the last step."""

    study: MicroStudy
    network: BagNetwork
    plan: pd.DataFrame
    trajectory: Trajectory
    start: Anchor

    @property
    def trained(self) -> TrainedNetwork:
        """The network with its trajectory, and what replays it."""
        return TrainedNetwork(self.network, self.trajectory, self.study.source, self.start)


@dataclass(frozen=True)
class Counterfactuals:
    """What each training differs in: a visit's loss is ``whole * loss + without * loss of the photos in is_photo``."""

    whole_KV: Tensor
    without_KV: Tensor
    is_photo_KVN: Tensor

    def __len__(self) -> int:
        return len(self.whole_KV)


def train(study: MicroStudy, lr: float, num_steps: int, anchor_every: int, folder: Path) -> MicroRun:
    """Trains by the project's own steps and writes anchors every so many steps and after the last; coupled decay 1e-4."""
    law = AdamLaw.of(OptimizerSettings(lr=lr, weight_decay=1e-4))
    network, source = micro_network(study.seed), study.source
    start = start_anchor(network)
    epochs = -(-num_steps // -(-len(study.training) // VISITS_PER_STEP))
    plan = batch_plan(source.labels, epochs, VISITS_PER_STEP, "class_weighted", study.seed)
    plan = plan[plan["step"] <= num_steps]
    state, rows = AdamState.at_start(weights_of(network)), []
    folder.mkdir(parents=True, exist_ok=True)
    for step in recorded_steps(network, plan, source, law, state):
        rows.append(step.rows())
        if step.step % anchor_every == 0 or step.step == num_steps:
            write_anchor(folder, step.anchor(network))
    trajectory = Trajectory(folder, pd.concat(rows, ignore_index=True), num_steps, law)
    return MicroRun(study, network, plan, trajectory, start)


def leave_one_out(study: MicroStudy, weight: float) -> Counterfactuals:
    """Every photo at this weight, in the order of ``photo_ids``, then every visit.

    The only photo of a visit takes its visit's loss with it.
    """
    is_photo_VN = study.batch(study.training).is_photo_BN
    photos = is_photo_VN.nonzero().tolist()
    num_visits = len(study.training)
    whole_KV = torch.ones(len(photos) + num_visits, num_visits, dtype=torch.float64)
    without_KV, is_photo_KVN = torch.zeros_like(whole_KV), is_photo_VN.repeat(len(whole_KV), 1, 1)
    for k, (v, n) in enumerate(photos):
        whole_KV[k, v] = 1 - weight
        if is_photo_VN[v].sum() > 1:
            without_KV[k, v] = weight
            is_photo_KVN[k, v, n] = False
    for v in range(num_visits):
        whole_KV[len(photos) + v, v] = 1 - weight
    return Counterfactuals(whole_KV, without_KV, is_photo_KVN)


def keep_lists(study: MicroStudy, is_kept_KZ: np.ndarray) -> Counterfactuals:
    """Training on each keep list [K, photos]; a visit without photos takes its loss with it."""
    is_photo_VN = study.batch(study.training).is_photo_BN
    is_photo_KVN = torch.zeros(len(is_kept_KZ), *is_photo_VN.shape, dtype=torch.bool)
    is_photo_KVN[:, is_photo_VN] = torch.from_numpy(is_kept_KZ)
    has_photo_KV = is_photo_KVN.any(dim=2)
    is_photo_KVN = torch.where(has_photo_KV[..., None], is_photo_KVN, is_photo_VN)
    return Counterfactuals(torch.zeros(has_photo_KV.shape, dtype=torch.float64), has_photo_KV.double(), is_photo_KVN)


def joined(parts: list[Counterfactuals]) -> Counterfactuals:
    """All of them, one after the other."""
    return Counterfactuals(
        *(torch.cat([getattr(part, name) for part in parts]) for name in Counterfactuals.__dataclass_fields__)
    )


def retrain(run: MicroRun, changes: Counterfactuals) -> ByName:
    """Weights [K, ...] by parameter after training along the run's plan with each change, all at once by plain Adam."""
    study, optimizer = run.study, run.trajectory.optimizer.settings
    network = micro_network(study.seed)
    batch = as_float64(study.batch(study.training))
    row_of = {bag.visit_id: v for v, bag in enumerate(study.training)}
    beta1, beta2 = optimizer.betas
    weights = {name: w.repeat(len(changes), *[1] * w.ndim) for name, w in weights_of(network).items()}
    moments = {name: (torch.zeros_like(w), torch.zeros_like(w)) for name, w in weights.items()}

    for _, draws in run.plan.groupby("step"):
        rows_B = torch.tensor([row_of[visit_id] for visit_id in draws["visit_id"]])
        photos, is_photo_BN, label_B = batch.photos_BNCHW[rows_B], batch.is_photo_BN[rows_B], batch.label_B[rows_B]

        def loss(
            one: ByName,
            whole_B: Tensor,
            without_B: Tensor,
            is_left_BN: Tensor,
            photos: Tensor = photos,
            is_photo_BN: Tensor = is_photo_BN,
            label_B: Tensor = label_B,
        ) -> Tensor:
            masks_2BN = torch.stack([is_photo_BN, is_left_BN])
            whole, without = masked_losses(network, one, photos, masks_2BN, label_B)
            mean: Tensor = (whole_B * whole + without_B * without).mean()
            return mean

        gradients = torch.vmap(torch.func.grad(loss))(
            weights, changes.whole_KV[:, rows_B], changes.without_KV[:, rows_B], changes.is_photo_KVN[:, rows_B]
        )
        t, lr = int(draws["step"].iloc[0]), optimizer.lr
        for name, weight in weights.items():
            gradient = gradients[name] + optimizer.weight_decay * weight
            exp_avg, exp_avg_sq = moments[name]
            exp_avg.mul_(beta1).add_(gradient, alpha=1 - beta1)
            exp_avg_sq.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            root = (exp_avg_sq / (1 - beta2**t)).sqrt() + optimizer.eps
            weight.sub_(lr / (1 - beta1**t) * exp_avg / root)
    return weights


def losses_after(weights: ByName, study: MicroStudy, queries: tuple[Bag, ...]) -> np.ndarray:
    """Loss of each query under each of the stacked weights [K, Q]."""
    network, batch = micro_network(study.seed), as_float64(study.batch(queries))

    def losses(one: ByName) -> Tensor:
        return masked_losses(network, one, batch.photos_BNCHW, batch.is_photo_BN[None], batch.label_B)[0]

    with torch.no_grad():
        loss_KQ: np.ndarray = torch.vmap(losses)(weights).numpy()
    return loss_KQ


def masked_losses(
    network: BagNetwork, weights: ByName, photos_BNCHW: Tensor, masks_EBN: Tensor, label_B: Tensor
) -> Tensor:
    """Loss [E, B] of the same visits under each mask, every photo encoded once; without anything that vmap refuses."""
    named = {f"network.{name}": weight for name, weight in weights.items()}
    loss_EB: Tensor = torch.func.functional_call(_Masked(network), named, (photos_BNCHW, masks_EBN, label_B))
    return loss_EB


class _Masked(torch.nn.Module):
    """The network's parts under masks that may differ from one counterfactual to the next."""

    def __init__(self, network: BagNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos_BNCHW: Tensor, masks_EBN: Tensor, label_B: Tensor) -> Tensor:
        logits_EBC = masked_logits(self.network, photos_BNCHW, masks_EBN)
        loss_F = visit_loss(logits_EBC.flatten(0, 1), label_B.repeat(len(masks_EBN)))
        return loss_F.view(masks_EBN.shape[:2])


def masked_logits(network: BagNetwork, photos_BNCHW: Tensor, is_photo_BN: Tensor) -> Tensor:
    """Class logits [..., B, C] for masks [..., B, N], as ``BagNetwork.forward`` has them; each photo is encoded once."""
    feature_BND = network.features(photos_BNCHW.flatten(0, 1)).view(*photos_BNCHW.shape[:2], -1)
    logit_BN = network.attention(feature_BND)
    attention_BN = torch.where(is_photo_BN, logit_BN, -torch.inf).softmax(dim=-1)
    logits_BC: Tensor = network.head(torch.einsum("...bn,bnd->...bd", attention_BN, feature_BND))
    return logits_BC


def as_float64(batch: BagBatch) -> BagBatch:
    """The batch with float64 photos."""
    return replace(batch, photos_BNCHW=batch.photos_BNCHW.double())
