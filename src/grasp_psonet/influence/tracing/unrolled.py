"""Formula ``unrolled``: the derivative of each query's loss through every remaining step of training.

Derivatives are carried back from the kept weights to the start (Bae et al. 2024 unroll SGD; here the law is Adam, with its
decay, schedule, bias correction and clipping). The derivative with respect to the weight of a draw's loss is ``J r . g_z / b``;
the score is its negative: positive = training on the photo lowered the query's loss, negative = harmful.

Memory: eight copies of the parameters for each query of a block (three derivatives and what is made of them), and four for
each replayed step that is kept, besides its batch. Steps that do not fit are replayed again, halving the window each time.
"""

# Axes: Q queries, Z training photos, P present photos of one batch; W the shape of a parameter.

from collections.abc import Iterator

import numpy as np
from torch import nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.at_steps import photos_of_step
from grasp_psonet.influence.tracing.curvature import curvature_products
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula, add_scores
from grasp_psonet.trajectory.adam_adjoint import Adjoint, gradient_adjoint, step_back, unclipped
from grasp_psonet.trajectory.anchors import Anchor, load_weights
from grasp_psonet.trajectory.replay import ReplayedStep, copy_weights, replay
from grasp_psonet.trajectory.step import trained_parameters
from grasp_psonet.trajectory.trajectory import Replaying, Trajectory

COPIES = 8  # of the parameters, held for each query


def unrolled_scores(
    network: nn.Module, trajectory: Trajectory, replaying: Replaying, rows: slice, request: Request
) -> ScoresByFormula:
    """Scores [Q, Z] of these rows of queries, the others 0; blocks of rows add up.

    Every step up to the kept one is passed once. Steps after it did not make the prediction and do not count. Raises
    TraceError when trained parameters are left out or the kept step has no anchor, and ReplayMismatch.
    """
    if request.coverage.names != trained_parameters(network).keys():
        raise TraceError("formula unrolled needs every trained parameter of the network\n  next: trace all parameters")
    windows = trajectory.windows()
    if not windows or windows[-1][1] != trajectory.kept_step:
        raise TraceError(f"the run has no anchor at its kept step {trajectory.kept_step}\n  next: train again")
    scores = request.zeros()
    device = next(network.parameters()).device
    load_weights(network, trajectory.read(trajectory.kept_step, device))
    adjoint = Adjoint.at_end(request.gradients(network, rows))
    for before, until in reversed(windows):
        anchor = replaying.anchor(trajectory, before, device)
        for step in _backward(network, trajectory, replaying, anchor, until, request.settings.memory_mib * 2**20):
            replaying.compare_end(trajectory, step, until)
            copy_weights(network, step.weights)
            adjoint = _before_step(scores, network, trajectory, replaying, adjoint, step, rows, request)
    return scores


def _before_step(
    scores: ScoresByFormula,
    network: nn.Module,
    trajectory: Trajectory,
    replaying: Replaying,
    after: Adjoint,
    step: ReplayedStep,
    rows: slice,
    request: Request,
) -> Adjoint:
    """The derivatives before the step from those after it; adds what the step's draws did to the scores."""
    (formula,) = request.formulas
    optimizer, num_draws = trajectory.optimizer, len(step.draws)
    gradient_QW = gradient_adjoint(after, step, optimizer)
    mean_QW = unclipped(gradient_QW, step, optimizer)
    photo_ids = photos_of_step(replaying, step)
    if any(photo_id in request.column for photo_id in photo_ids):
        direction_QW = {name: -value for name, value in mean_QW.items()}
        weight_P = np.full(len(photo_ids), 1 / num_draws)
        directions, point = {formula.name: direction_QW}, AdamPoint(step.state, optimizer, step)
        add_scores(scores, request, rows, network, step.batch, photo_ids, directions, lambda _: weight_P, point)
    curved_QW = curvature_products(request.settings.curvature, network, step.batch, mean_QW)
    request.on_passes(len(photo_ids) * (1 + 2 * len(next(iter(mean_QW.values())))))
    return step_back(after, step, optimizer, gradient_QW, curved_QW)


def _backward(
    network: nn.Module, trajectory: Trajectory, replaying: Replaying, anchor: Anchor, until: int, memory_bytes: int
) -> Iterator[ReplayedStep]:
    """The steps after the anchor up to ``until``, last first, keeping no more of them at once than fit the memory."""
    fitting = max(1, memory_bytes // _step_bytes(network, trajectory, replaying))
    middle = until - (until - anchor.step + 1) // 2 if until - anchor.step > fitting else anchor.step

    def steps_until(end: int) -> Iterator[ReplayedStep]:
        return replay(
            network, anchor, trajectory.steps, end, replaying.rebuild, trajectory.optimizer, replaying.tolerance
        )

    if middle == anchor.step:
        kept = list(steps_until(until))
        while kept:
            yield kept.pop()
        return
    for last in steps_until(middle):
        reached = Anchor(last.step, 0, last.lr, "", last.weights_after, anchor.buffers, last.state)
    yield from _backward(network, trajectory, replaying, reached, until, memory_bytes)
    yield from _backward(network, trajectory, replaying, anchor, middle, memory_bytes)


def _step_bytes(network: nn.Module, trajectory: Trajectory, replaying: Replaying) -> int:
    """Most bytes that one kept step holds: weights, gradient, two moments, and its batch of float photos."""
    bags = replaying.rebuild.bags.values()
    weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    shape = replaying.rebuild.pixels[next(iter(bags)).rows[0]].shape
    photo = next(network.parameters()).element_size() * int(np.prod(shape))
    most_draws = int(trajectory.steps.groupby("step").size().max())
    return 4 * weights + most_draws * max(map(len, bags)) * photo
