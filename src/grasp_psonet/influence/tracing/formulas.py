"""Influence formulas, folded: everything of a formula that does not depend on the training photo becomes one direction.

With ``g'`` the query's gradient, ``g_z`` the training photo's, ``D = 1 / (sqrt(v / (1 - beta2^t)) + eps)`` and sums over
all parameters, the score that one anchor (or one step: its own ``lr n / b``) adds is ``weight(z) * (direction . g_z)``:

=========  =======================================  ================  ===============================================
formula    direction                                weight(z)         source
=========  =======================================  ================  ===============================================
paper      ``m / (sqrt(v) + eps) * g'``             sum lr n / b      GRASP-PsONet, Algorithm 1 to the letter
sgd        ``g'``                                   sum lr n / b      TracInCP (Pruthi et al. 2020)
adam       ``D * g'``                               sum lr n / b      first-order effect of the Adam step
adam-step  ``J ((c1 D - 2 c2 S g_t) * g')``         lr n / b          derivative of one step (``adjoint``); steps only,
                                                                      with ``g'`` at the weights after the step
cosine     ``D * g' / |sqrt(D) g'|``, and divided   sum lr n          cosine of the preconditioned gradients
           by ``|sqrt(D) g_z|``
=========  =======================================  ================  ===============================================

``unrolled`` differentiates all remaining steps and has a sweep of its own (``unroll``). SGD with momentum is not among
these: its moments follow another law than the one that training here is recorded with.

Sign: positive = training on the photo lowered the query's loss (helpful), negative = harmful.
"""

# Axes: Q queries; P... the shape of a parameter.

from collections.abc import Mapping

import torch
from torch import Tensor

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.settings import Formula
from grasp_psonet.trajectory.adam import AdamState, preconditioner
from grasp_psonet.trajectory.adam_adjoint import negative_update_derivative, unclipped
from grasp_psonet.trajectory.replay import ReplayedStep
from grasp_psonet.trajectory.settings import OptimizerSettings

ByName = Mapping[str, Tensor]


def fold(
    formula: Formula,
    query_QP: ByName,
    state: AdamState,
    optimizer: OptimizerSettings,
    step: ReplayedStep | None = None,
) -> dict[str, Tensor]:
    """Directions [Q, ...] by parameter from the queries' gradients [Q, ...].

    ``adam-step`` needs the replayed ``step`` and query gradients at the weights after it. Raises TraceError before the
    first step, for ``adam-step`` without a step, and for ``unrolled``, which is no direction of one step.
    """
    if state.step < 1:
        raise TraceError("the anchor before step 1 holds no moments and cannot be traced; use the later anchors")
    match formula:
        case "sgd":
            return dict(query_QP)
        case "adam":
            metric_P = metric("adam", state, optimizer)
            return {name: metric_P[name] * gradient_QP for name, gradient_QP in query_QP.items()}
        case "paper":
            metric_P = metric("paper", state, optimizer)
            return {name: metric_P[name] * gradient_QP for name, gradient_QP in query_QP.items()}
        case "adam-step":
            if step is None:
                raise TraceError(
                    "formula adam-step needs the batch gradient of the step, which anchors do not hold\n"
                    "  next: set trace.counting steps, or trace.formula adam"
                )
            fallen_QP = {name: negative_update_derivative(step, name, optimizer) * query_QP[name] for name in query_QP}
            return unclipped(fallen_QP, step, optimizer)
        case "unrolled":
            raise TraceError("formula unrolled is a sweep over all steps, not a direction; trace with counting steps")
        case "cosine":
            metric_P = metric("adam", state, optimizer)
            norm_Q = preconditioned_norm(query_QP, metric_P)
            scale_Q = torch.where(norm_Q > 0, 1 / norm_Q, 0.0)
            return {
                name: metric_P[name] * torch.einsum("q,q...->q...", scale_Q, gradient_QP)
                for name, gradient_QP in query_QP.items()
            }


def metric(formula: Formula, state: AdamState, optimizer: OptimizerSettings) -> dict[str, Tensor]:
    """The diagonal that a formula puts between two gradients: D (adam, cosine), ones (sgd), or the paper's m / (sqrt(v) + eps).

    The paper's has both signs. Raises TraceError for formulas that put no diagonal of one state there.
    """
    match formula:
        case "sgd":
            return {name: torch.ones_like(moment) for name, moment in state.exp_avg_sq.items()}
        case "paper":
            return {name: state.exp_avg[name] / (v.sqrt() + optimizer.eps) for name, v in state.exp_avg_sq.items()}
        case "adam" | "cosine":
            return {name: preconditioner(v, state.step, optimizer) for name, v in state.exp_avg_sq.items()}
    raise TraceError(f"formula {formula} is no diagonal between two gradients of one state")


def is_divided_by_batch(formula: Formula) -> bool:
    """Whether the weight of a photo at an anchor is divided by the number of draws of each step."""
    return formula != "cosine"


def preconditioned_norm(gradient_QP: ByName, metric_P: ByName) -> Tensor:
    """``|sqrt(D) g|`` of each query [Q]."""
    parts = [(metric_P[name] * gradient**2).flatten(1).sum(dim=1) for name, gradient in gradient_QP.items()]
    return torch.stack(parts).sum(dim=0).sqrt()
