"""Counting ``steps``: the photos of each step's own batch at that step, by replay (Algorithm 1's ``if z in B_t``)."""

# Axes: Q queries, Z training photos, P present photos of one batch; W the shape of a parameter.

import numpy as np
from torch import Tensor, nn

from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula, add_scores, direction, present_photos
from grasp_psonet.trajectory.replay import ReplayedStep, copy_weights, replay
from grasp_psonet.trajectory.trajectory import Replaying, Trajectory


def window_scores(
    network: nn.Module, trajectory: Trajectory, replaying: Replaying, before: int, until: int, request: Request
) -> ScoresByFormula:
    """What the steps after anchor ``before`` up to ``until`` add to the scores [Q, Z], positive = helpful.

    Windows add up and need nothing of each other: they can be computed anywhere, in any order, and kept. At each step the
    photos of its batch are evaluated as training saw them (augmented) at the weights before the step, with the moments
    after it and weight ``lr / b`` (cosine: ``lr``); a visit drawn twice counts twice, one in no batch scores exactly 0.
    Queries are not augmented and taken at the same weights, or at those after the step where the formula reads them there.
    Raises ReplayMismatch.
    """
    scores = request.zeros()
    anchor = replaying.anchor(trajectory, before, next(network.parameters()).device)
    for step in replay(
        network, anchor, trajectory.steps, until, replaying.rebuild, trajectory.optimizer, replaying.tolerance
    ):
        replaying.compare_end(trajectory, step, until)
        _add_step(scores, network, trajectory, replaying, step, request)
    return scores


def photos_of_step(replaying: Replaying, step: ReplayedStep) -> list[str]:
    """Ids of the step's present photos in the row order of its batch."""
    return present_photos(replaying.rebuild.bags[visit_id] for visit_id in step.draws["visit_id"])


def _add_step(
    scores: ScoresByFormula,
    network: nn.Module,
    trajectory: Trajectory,
    replaying: Replaying,
    step: ReplayedStep,
    request: Request,
) -> None:
    photo_ids = photos_of_step(replaying, step)
    if not any(photo_id in request.column for photo_id in photo_ids):
        return

    def weight_of(divided: bool) -> np.ndarray:
        return np.full(len(photo_ids), step.lr / (len(step.draws) if divided else 1))

    point = AdamPoint(step.state, trajectory.optimizer, step)
    for rows in request.blocks(network, len(request.formulas) + 2):
        query_QW = _gradients_for(network, request, rows, step)
        directions = {
            formula.name: direction(formula, point, query_QW[formula.reads_query_after_step])
            for formula in request.formulas
        }
        add_scores(scores, request, rows, network, step.batch, photo_ids, directions, weight_of, point)


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
