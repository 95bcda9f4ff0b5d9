"""Counting at anchors: every photo at each one, weighted by what its visit was drawn since the last (``checkpoints``), or by
the same for every visit (``even``)."""

# Axes: Q queries, Z training photos, P present photos of one batch; W the shape of a parameter.

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from torch import nn

from grasp_psonet.bags.bag import Bag, BagBatch, collate
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import ByName, FormulaName
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.request import (
    Request,
    ScoresByFormula,
    add_scores,
    direction,
    present_photos,
)
from grasp_psonet.influence.units.table import UNITS
from grasp_psonet.trajectory.anchors import load_weights
from grasp_psonet.trajectory.records import even_weights, visit_weights
from grasp_psonet.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class AtAnchor:
    """One batch of visits at an anchor whose weights the network holds.

    ``point`` is the optimizer there. ``rows`` are the queries of this block and ``directions`` [rows, ...] theirs by formula;
    ``weights[divided]`` holds what each visit weighs.
    """

    point: AdamPoint
    rows: slice
    directions: dict[FormulaName, ByName]
    weights: dict[bool, dict[str, float]]
    bags: list[Bag]
    batch: BagBatch


def at_anchor(
    network: nn.Module, trajectory: Trajectory, before: int, step: int, request: Request
) -> Iterator[AtAnchor]:
    """Every batch of visits that weigh something at the anchor of ``step``, against every block of queries."""
    device = next(network.parameters()).device
    anchor = trajectory.read(step, device)
    load_weights(network, anchor)
    point = AdamPoint(anchor.state, trajectory.optimizer)
    weights = {divided: _weights(trajectory, before, step, divided, request) for divided in (True, False)}
    bags = drawn_bags(request, weights[True].keys())
    for rows in request.blocks(network, len(request.formulas) + 1):
        query_QW = request.gradients(network, rows)
        directions = {formula.name: direction(formula, point, query_QW) for formula in request.formulas}
        for block in _blocks(bags, request.settings.photos_per_batch):
            yield AtAnchor(point, rows, directions, weights, block, collate(block, request.pixels).to(device))


def anchor_scores(
    network: nn.Module, trajectory: Trajectory, before: int, step: int, request: Request
) -> ScoresByFormula:
    """What the anchor of ``step`` adds to the scores [Q, Z], positive = helpful; those of all anchors add up.

    A photo weighs what its visit was drawn in the steps after ``before`` up to ``step`` (``sum lr n / b``; cosine without
    ``/ b``), so that a photo never drawn scores exactly 0; counting ``even`` shares that out evenly. Evaluation mode, no
    augmentation. The network holds the anchor's weights afterwards.
    """
    scores = request.zeros()
    for work in at_anchor(network, trajectory, before, step, request):
        visit_ids = [bag.visit_id for bag in work.bags for _ in present_photos([bag])]

        def weight_of(divided: bool, work: AtAnchor = work, visit_ids: Sequence[str] = visit_ids) -> np.ndarray:
            return np.array([work.weights[divided][visit_id] for visit_id in visit_ids])

        photo_ids = present_photos(work.bags)
        add_scores(scores, request, work.rows, network, work.batch, photo_ids, work.directions, weight_of, work.point)
    return scores


def _weights(trajectory: Trajectory, before: int, step: int, divided: bool, request: Request) -> dict[str, float]:
    """What each visit weighs at the anchor of ``step``, by the counting of the settings."""
    match request.settings.counting:
        case "even":
            visit_ids = {bag.visit_id for bag in request.visits}
            return even_weights(trajectory.steps, before, step, divided, visit_ids)
        case "checkpoints":
            return visit_weights(trajectory.steps, before, step, divided)
        case "steps":
            raise TraceError("counting steps weighs nothing at anchors\n  next: counting checkpoints or even")
        case _ as other:
            assert_never(other)


def drawn_bags(request: Request, drawn: Collection[str]) -> list[Bag]:
    """The bags to evaluate: those of drawn visits; each photo by itself where the unit allows it, so that batches are full."""
    bags = [bag for bag in request.visits if bag.visit_id in drawn]
    if not UNITS[request.settings.unit].reads_photos_alone:
        return bags
    return [bag.only(photo_id) for bag in bags for photo_id in present_photos([bag])]


def _blocks(bags: list[Bag], num_photos: int) -> Iterator[list[Bag]]:
    """Runs of neighbouring bags with at most ``num_photos`` photos together; a larger bag is a run of its own."""
    block: list[Bag] = []
    for bag in bags:
        if block and sum(map(len, block)) + len(bag) > num_photos:
            yield block
            block = []
        block.append(bag)
    if block:
        yield block
