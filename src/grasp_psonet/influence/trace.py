"""Tracing with the counting ``checkpoints``: every trained photo against every query at each anchor of the trajectory."""

# Axes: Q queries, F formulas, Z training photos, B photos of one pass, C classes (in logits); P... the shape of a parameter.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from grasp_psonet.bags.bag import Bag, Pixels, collate
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.coverage import Scope, cover
from grasp_psonet.influence.formulas import fold, is_divided_by_batch, metric
from grasp_psonet.influence.products import products
from grasp_psonet.influence.settings import Formula
from grasp_psonet.network.network import BagNetwork, visit_loss
from grasp_psonet.trajectory.anchors import Anchor, anchor_path, anchor_steps, load_weights, read_anchor
from grasp_psonet.trajectory.records import visit_weights
from grasp_psonet.trajectory.settings import OptimizerSettings


@dataclass(frozen=True)
class Trajectory:
    """What a run left behind, as far as tracing reads it."""

    anchors: Path
    steps: pd.DataFrame
    kept_step: int
    optimizer: OptimizerSettings

    def windows(self) -> list[tuple[int, int]]:
        """(previous anchor, anchor) steps up to the kept one: later steps did not make the prediction."""
        steps = [step for step in anchor_steps(self.anchors) if step <= self.kept_step]
        return list(pairwise([0, *steps]))

    def read(self, step: int, device: torch.device) -> Anchor:
        return read_anchor(anchor_path(self.anchors, step), device)


def trace_checkpoints(
    network: BagNetwork,
    trajectory: Trajectory,
    training: Sequence[Bag],
    queries: Sequence[Bag],
    pixels: Pixels,
    formulas: Sequence[Formula],
    photos_per_batch: int,
    scope: Scope,
    after_anchor: Callable[[int, int], None] = lambda done, total: None,
) -> dict[Formula, np.ndarray]:
    """Scores [Q, Z] float64 by formula; positive = helpful, negative = harmful (unit ``single``).

    ``training`` and ``queries`` are bags of one photo each, with their visit's label. A photo weighs at an anchor what its
    visit was drawn in the steps since the previous anchor (``sum lr n / b``); a photo never drawn scores exactly 0.
    Evaluation mode, no augmentation. Anchors are the outer loop, each read once. Raises TraceError without anchors.
    """
    windows = trajectory.windows()
    if not windows:
        raise TraceError(f"the run has no anchor up to its kept step {trajectory.kept_step}\n  next: train again")
    scores = {formula: np.zeros((len(queries), len(training))) for formula in formulas}
    device = next(network.parameters()).device
    for done, (before, step) in enumerate(windows, start=1):
        anchor = trajectory.read(step, device)
        load_weights(network, anchor)
        weight_by_visit = {divided: visit_weights(trajectory.steps, before, step, divided) for divided in (True, False)}
        drawn = [z for z, bag in enumerate(training) if bag.visit_id in weight_by_visit[True]]
        query_QP = query_gradients(network, queries, pixels)
        folded = [fold(formula, query_QP, anchor.state, trajectory.optimizer) for formula in formulas]
        direction_FQ = {name: torch.cat([direction[name] for direction in folded]) for name in query_QP}
        metric_1 = {
            name: value[None]
            for name, value in (
                metric("adam", anchor.state, trajectory.optimizer) if "cosine" in formulas else {}
            ).items()
        }
        for block in _blocks(drawn, photos_per_batch):
            losses = photo_losses(network, [training[z] for z in block], pixels)
            found = products(network, losses, scope, direction_FQ, metric_1)
            dot_FQB = found.dot_BQ.T.double().cpu().numpy().reshape(len(formulas), len(queries), len(block))
            for f, formula in enumerate(formulas):
                weights = weight_by_visit[is_divided_by_batch(formula)]
                dot_QB = dot_FQB[f]
                if formula == "cosine":
                    norm_B = found.squared_BM[:, 0].double().clamp(min=0).sqrt().cpu().numpy()
                    dot_QB = np.divide(dot_QB, norm_B, out=np.zeros_like(dot_QB), where=norm_B > 0)
                scores[formula][:, block] += dot_QB * np.array([weights[training[z].visit_id] for z in block])
        after_anchor(done, len(windows))
    return scores


def photo_scope(network: BagNetwork, photos: Sequence[Bag], pixels: Pixels) -> Scope:
    """The exact rule of every parameter for photos as bags of one, proven on the first three of these photos."""
    return cover(network, photo_losses(network, photos[:3], pixels))


def query_gradients(network: BagNetwork, queries: Sequence[Bag], pixels: Pixels) -> dict[str, Tensor]:
    """Gradient of each query's loss [Q, ...] by parameter; a parameter that the loss does not reach gets zeros."""
    parameters = dict(network.named_parameters())
    rows: dict[str, list[Tensor]] = {name: [] for name in parameters}
    for bag in queries:
        loss = photo_losses(network, [bag], pixels)(network).sum()
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for (name, parameter), gradient in zip(parameters.items(), found, strict=True):
            rows[name].append(torch.zeros_like(parameter) if gradient is None else gradient)
    return {name: torch.stack(gradients) for name, gradients in rows.items()}


def photo_losses(network: BagNetwork, bags: Sequence[Bag], pixels: Pixels) -> Callable[[torch.nn.Module], Tensor]:
    """The loss [B] of these bags of one photo, as a function of the network."""
    batch = collate(list(bags), pixels).to(next(network.parameters()).device)

    def losses(module: torch.nn.Module) -> Tensor:
        return visit_loss(module(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN).logits_BC, batch.label_B)

    return losses


def _blocks(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
