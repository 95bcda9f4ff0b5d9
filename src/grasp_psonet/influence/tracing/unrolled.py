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

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.curvature import curvature_products
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula
from grasp_psonet.influence.tracing.scores import QueryBlock, WeighedBatch, add_scores
from grasp_psonet.tables.columns import STEP
from grasp_psonet.trajectory.adam_adjoint import Adjoint, gradient_adjoint, step_back, unclipped
from grasp_psonet.trajectory.anchors import Anchor, copy_weights
from grasp_psonet.trajectory.replay import ReplayedStep
from grasp_psonet.trajectory.step import trained_parameters
from grasp_psonet.trajectory.trained_network import TrainedNetwork

COPIES = 8  # of the parameters, held for each query


def unrolled_scores(trained: TrainedNetwork, rows: slice, request: Request) -> ScoresByFormula:
    """Scores [Q, Z] of these rows of queries alone.

    Every step up to the kept one is passed once. Steps after it did not make the prediction and do not count. Raises
    TraceError when trained parameters are left out or the kept step has no anchor, and ReplayMismatch.
    """
    if request.coverage.names != trained_parameters(trained.network).keys():
        raise TraceError("formula unrolled needs every trained parameter of the network\n  next: trace all parameters")
    windows, kept_step = trained.windows(), trained.trajectory.kept_step
    if not windows or windows[-1][1] != kept_step:
        raise TraceError(f"the run has no anchor at its kept step {kept_step}\n  next: train again")
    scores = request.zeros(rows.stop - rows.start)
    trained.load(kept_step)
    request.prove_gradients(trained.network)
    adjoint = Adjoint.at_end(request.gradients(trained.network, rows))
    for before, until in reversed(windows):
        for step in _backward(trained, trained.anchor_before(before), until, request.settings.memory_mib * 2**20):
            copy_weights(trained.network, step.weights)
            adjoint = _before_step(trained, adjoint, step, request, scores)
    return scores


def _before_step(
    trained: TrainedNetwork, after: Adjoint, step: ReplayedStep, request: Request, scores: ScoresByFormula
) -> Adjoint:
    """The derivatives before the step from those after it; adds what the step's draws did to the scores."""
    (formula,) = request.formulas
    network, num_draws = trained.network, len(step.bags)
    gradient_QW = gradient_adjoint(after, step)
    mean_QW = unclipped(gradient_QW, step)
    weighed = WeighedBatch(step.bags, step.batch, dict.fromkeys((True, False), np.full(num_draws, 1 / num_draws)))
    if any(photo_id in request.column for photo_id in weighed.photo_ids):
        directions = {formula.name: {name: -value for name, value in mean_QW.items()}}
        block = QueryBlock(slice(None), directions, AdamPoint(step.state, trained.trajectory.optimizer, step))
        add_scores(scores, request, network, block, weighed)
    curved_QW = curvature_products(request.settings.curvature, network, step.batch, mean_QW)
    request.on_passes(len(weighed.photo_ids) * (1 + 2 * len(next(iter(mean_QW.values())))))
    return step_back(after, step, gradient_QW, curved_QW)


def _backward(trained: TrainedNetwork, anchor: Anchor, until: int, memory_bytes: int) -> Iterator[ReplayedStep]:
    """The steps after the anchor up to ``until``, last first, keeping no more of them at once than fit the memory."""
    fitting = max(1, memory_bytes // _step_bytes(trained))
    middle = until - (until - anchor.step + 1) // 2 if until - anchor.step > fitting else anchor.step
    if middle == anchor.step:
        kept = list(trained.replay_from(anchor, until))
        while kept:
            yield kept.pop()
        return
    for last in trained.replay_from(anchor, middle):
        reached = Anchor(last.step, 0, last.lr, "", last.weights_after, anchor.buffers, last.state)
    yield from _backward(trained, reached, until, memory_bytes)
    yield from _backward(trained, anchor, middle, memory_bytes)


def _step_bytes(trained: TrainedNetwork) -> int:
    """Most bytes that one kept step holds: weights, gradient, moments (but Adam's also those before it), and its photos."""
    source, network = trained.replay_source, trained.network
    bags = source.bags.values()
    weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    shape = source.pixels[next(iter(bags)).rows[0]].shape
    photo = next(network.parameters()).element_size() * int(np.prod(shape))
    most_draws = int(trained.trajectory.steps.groupby(STEP).size().max())
    kept = 4 if trained.trajectory.optimizer.rule.name == "adam" else 7
    return kept * weights + most_draws * max(map(len, bags)) * photo
