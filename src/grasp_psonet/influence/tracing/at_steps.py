"""Counting ``steps``: the photos of each step's own batch at that step, by replay (Algorithm 1's ``if z in B_t``)."""

# Axes: Q queries, Z training photos; W the shape of a parameter.

import numpy as np
from torch import Tensor, nn

from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula
from grasp_psonet.influence.tracing.scores import QueryBlock, WeighedBatch, add_scores, direction
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
    if not any(photo_id in request.column for photo_id in weighed.photo_ids):
        return
    point = AdamPoint(step.state, trained.trajectory.optimizer, step)
    for rows in request.blocks(network, request.num_copies + 2):
        query_QW = _gradients_for(network, request, rows, step)
        directions = {
            formula.name: direction(formula, point, query_QW[formula.reads_query_after_step])
            for formula in request.formulas
        }
        add_scores(scores, request, network, QueryBlock(rows, directions, point), weighed)


def _gradients_for(
    network: nn.Module, request: Request, rows: slice, step: ReplayedStep
) -> dict[bool, dict[str, Tensor]]:
    """The queries' gradients after the step (True) and before it (False), as far as the formulas need them."""
    found = {}
    sides = {formula.reads_query_after_step for formula in request.formulas}
    if False in sides:
        found[False] = request.gradients(network, rows)
    if True in sides:
        copy_weights(network, step.weights_after)
        found[True] = request.gradients(network, rows)
        copy_weights(network, step.weights)
    return found
