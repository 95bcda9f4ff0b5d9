"""Counting at anchors: every photo at each one, weighted by what its visit was drawn since the last (``checkpoints``), or by
the same for every visit (``even``)."""

# Axes: Q queries, Z training photos, P present photos of one batch; W the shape of a parameter.

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.directions import directions_of
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula
from grasp_psonet.influence.tracing.scores import QueryBlock, WeighedBatch, add_scores
from grasp_psonet.trajectory.records import even_weights, visit_weights
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory


def at_anchor(
    trained: TrainedNetwork, before: int, step: int, request: Request
) -> Iterator[tuple[QueryBlock, WeighedBatch]]:
    """Every batch of visits that weigh something at the anchor of ``step``, against every block of queries.

    The network holds the anchor's weights.
    """
    point = AdamPoint(trained.load(step).state, trained.trajectory.optimizer)
    weights = {divided: _weights(trained.trajectory, before, step, divided, request) for divided in (True, False)}
    bags = request.multiplied(weights[True].keys())
    request.prove_gradients(trained.network)
    for rows in request.blocks(trained.network, request.num_copies + 1):
        directions = directions_of(request, rows, point, lambda is_after: trained.network)
        block = QueryBlock(rows, directions, point)
        for together in _batches(bags, request.settings.photos_per_batch):
            batch = collate(together, request.pixels).to(trained.device)
            weight_B = {divided: np.array([own[bag.visit_id] for bag in together]) for divided, own in weights.items()}
            yield block, WeighedBatch(together, batch, weight_B)


def anchor_scores(trained: TrainedNetwork, before: int, step: int, request: Request) -> ScoresByFormula:
    """What the anchor of ``step`` adds to the scores [Q, Z], positive = helpful; those of all anchors add up.

    A photo weighs what its visit was drawn in the steps after ``before`` up to ``step`` (``sum lr n / b``; cosine without
    ``/ b``), so that a photo never drawn scores exactly 0; counting ``even`` shares that out evenly. Evaluation mode, no
    augmentation. The network holds the anchor's weights afterwards.
    """
    scores = request.zeros()
    for block, weighed in at_anchor(trained, before, step, request):
        add_scores(scores, request, trained.network, block, weighed)
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


def _batches(bags: list[Bag], num_photos: int) -> Iterator[list[Bag]]:
    """Runs of neighbouring bags with at most ``num_photos`` photos together; a larger bag is a run of its own."""
    batch: list[Bag] = []
    for bag in bags:
        if batch and sum(map(len, batch)) + len(bag) > num_photos:
            yield batch
            batch = []
        batch.append(bag)
    if batch:
        yield batch
