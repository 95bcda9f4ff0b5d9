"""Counting ``steps``: the photos of each step's own batch at that step, by replay (Algorithm 1's ``if z in B_t``)."""

# Axes: Q queries, Z training photos; W the shape of a parameter.

from functools import partial

import numpy as np
from torch import nn

from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.directions import directions_of
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula, present_photos
from grasp_psonet.influence.tracing.scores import QueryBlock, WeighedBatch, add_scores
from grasp_psonet.trajectory.anchors import copy_weights
from grasp_psonet.trajectory.replay import ReplayedStep
from grasp_psonet.trajectory.trained_network import TrainedNetwork


def window_scores(trained: TrainedNetwork, before: int, until: int, request: Request) -> ScoresByFormula:
    """What the steps after anchor ``before`` up to ``until`` add to the scores [Q, Z], positive = helpful.

    Windows add up and need nothing of each other: they can be computed anywhere, in any order, and kept. At each step the
    photos of its batch are evaluated as training saw them (augmented) at the weights before the step, with the moments
    after it and weight ``lr / b`` (cosine: ``lr``); a visit drawn twice counts twice, one in no batch scores exactly 0.
    Queries are not augmented and taken at the same weights, or at those after the step where the formula reads them there.
    Raises ReplayMismatch.
    """
    scores = request.zeros()
    for step in trained.replay(before, until):
        if step.step == before + 1:
            request.prove_gradients(trained.network)
        _add_step(scores, trained, step, request)
    return scores


def _add_step(scores: ScoresByFormula, trained: TrainedNetwork, step: ReplayedStep, request: Request) -> None:
    num_draws, network = len(step.bags), trained.network
    weight_B = {divided: np.full(num_draws, step.lr / (num_draws if divided else 1)) for divided in (True, False)}
    weighed = WeighedBatch(step.bags, step.batch, weight_B)
    wanted = [b for b, bag in enumerate(step.bags) if any(map(request.is_wanted, present_photos([bag])))]
    if not wanted:
        return
    if request.only is not None:
        weighed = weighed.of_bags(wanted)
    point = AdamPoint(step.state, trained.trajectory.optimizer, step)
    for rows in request.blocks(network, request.num_copies + 2):
        directions = directions_of(request, rows, point, partial(_network_at, trained, step))
        copy_weights(network, step.weights)
        add_scores(scores, request, network, QueryBlock(rows, directions, point), weighed)


def _network_at(trained: TrainedNetwork, step: ReplayedStep, is_after: bool) -> nn.Module:
    """The network at the weights before the step, or after it."""
    copy_weights(trained.network, step.weights_after if is_after else step.weights)
    return trained.network
