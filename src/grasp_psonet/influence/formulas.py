"""Influence formulas, each a frozen value in one table: what it computes, what it asks of a trace, what must be said of it.

Everything of a formula that does not depend on the training photo becomes one *direction* per query. With ``g'`` the
query's gradient, ``g_z`` the training photo's, ``D = 1 / (sqrt(v / (1 - beta2^t)) + eps)`` and sums over all parameters,
the score that one anchor (or one step: its own ``lr n / b``) adds is ``weight(z) * (direction . g_z)``:

=========  =======================================  ================  ===============================================
formula    direction                                weight(z)         source
=========  =======================================  ================  ===============================================
paper      ``m / (sqrt(v) + eps) * g'``             sum lr n / b      GRASP-PsONet, Algorithm 1 to the letter
sgd        ``g'``                                   sum lr n / b      TracInCP (Pruthi et al. 2020)
adam       ``D * g'``                               sum lr n / b      first-order effect of the Adam step
adam-step  ``J ((c1 D - 2 c2 S g_t) * g')``         lr n / b          derivative of one step (``trajectory.adam_adjoint``);
                                                                      steps only, ``g'`` at the weights after the step
cosine     ``D * g' / |sqrt(D) g'|``, and divided   sum lr n          cosine of the preconditioned gradients
           by ``|sqrt(D) g_z|``
unrolled   none: derivatives are carried back       1 / b             derivative through all later steps
           step by step (``tracing.unrolled``)
=========  =======================================  ================  ===============================================

``D`` is 0 where ``v`` is: training has seen no gradient there, and 1 / eps would let such coordinates outweigh all others.
``lr`` is the learning rate of the step. Where groups of parameters have rates of their own, each parameter's part of a
direction is scaled by its rate's part of ``lr`` (``AdamPoint.at_rate``), and ``cosine`` is taken in the metric of ``D``
so scaled; a weight decay of its own is in its moments, its ``g_t`` and its way back.

``D`` is that of the training's update rule (``trajectory.adam.step_metric``): NAdam's, RAdam's (1 while it does not divide),
amsgrad's, and of SGD 1, momentum or not. There ``adam`` and ``paper`` are refused, for they read a second moment.

Sign: positive = training on the photo lowered the query's loss (helpful), negative = harmful.

The table loads no torch, so that settings can be checked against it at once: a direction is plain arithmetic on what the
optimizer state (``tracing.adam_point``) and the query's gradients give it.
"""

# Axes: Q queries; W the shape of a parameter.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grasp_psonet.influence.choices import UnitName

if TYPE_CHECKING:
    from torch import Tensor

    from grasp_psonet.influence.tracing.adam_point import AdamPoint

FormulaName = Literal["paper", "sgd", "adam", "adam-step", "cosine", "unrolled"]
ByName = Mapping[str, "Tensor"]
Direction = Callable[["AdamPoint", ByName], ByName]
Preconditioner = Callable[["AdamPoint"], ByName]


@dataclass(frozen=True, kw_only=True)
class Formula:
    """An influence formula.

    ``direction(point, query_QW)``: directions [Q, ...] by parameter, linear in the queries' gradients [Q, ...] (as they are, or
    ``is_of_unit_queries``), from Adam's moments at an anchor or a replayed step; None where the formula is no sum over single
    steps, and derivatives are carried back through all of them instead. ``preconditioner(point)``: the diagonal D [...]
    by parameter of ``g' . D g_z``; None where the formula is not of this form.
    """

    name: FormulaName
    help: str
    direction: Direction | None
    preconditioner: Preconditioner | None
    needs_second_moment: bool = False  # which SGD has none of
    needs_steps: bool = False  # the gradient that a step took, which only replay gives
    reads_query_after_step: bool = False  # else the query's gradient is taken at the weights before the step
    is_divided_by_batch: bool = True  # whether a draw counts lr / (draws of its step), or lr alone
    is_of_unit_queries: bool = False  # the query's gradient is divided by |sqrt(D) g'| before it becomes a direction
    is_divided_by_photo_norm: bool = False  # by |sqrt(D) g_z|, 0 where that is 0; D is then nonnegative
    caveats: Mapping[UnitName, str] | None = None  # what must be said beside scores in this unit

    @property
    def is_unrolled(self) -> bool:
        """Whether derivatives are carried back from the kept weights through every step: all parameters, kept errors."""
        return self.direction is None

    @property
    def is_loss_change_at_anchors(self) -> bool:
        """Whether a score counted at anchors is, to first order, how much a photo lowered the query's loss."""
        return not self.needs_steps and not self.is_divided_by_photo_norm

    @property
    def why_no_self_influence(self) -> str | None:
        """Why the influence of photos on themselves, summed over anchors, has no meaning here; None where it has one."""
        if self.needs_steps:
            return f"self-influence is summed over anchors, and formula {self.name} needs every step"
        if self.is_divided_by_photo_norm:
            return f"self-influence with formula {self.name} is the same for every photo and ranks nothing"
        return None


def _paper_preconditioner(point: "AdamPoint") -> ByName:
    """``m / (sqrt(v) + eps)`` without bias correction, as printed; it has both signs."""
    return {
        name: point.at_rate(name, point.exp_avg[name] / (v.sqrt() + point.eps)) for name, v in point.exp_avg_sq.items()
    }


def _paper(point: "AdamPoint", query_QW: ByName) -> ByName:
    return point.scaled(_paper_preconditioner(point), query_QW)


def _sgd(point: "AdamPoint", query_QW: ByName) -> ByName:
    return {name: point.at_rate(name, gradient_QW) for name, gradient_QW in query_QW.items()}


def _adam(point: "AdamPoint", query_QW: ByName) -> ByName:
    return point.scaled(point.adam, query_QW)


def _adam_step(point: "AdamPoint", query_QW: ByName) -> ByName:
    return point.through_clipping({name: point.step_derivative(name) * query_QW[name] for name in query_QW})


_TABLE = (
    Formula(
        name="paper",
        help="the paper's Algorithm 1 as printed",
        direction=_paper,
        preconditioner=_paper_preconditioner,
        needs_second_moment=True,
    ),
    Formula(
        name="sgd",
        help="product of the plain gradients (TracInCP)",
        direction=_sgd,
        preconditioner=lambda point: point.plain,
    ),
    Formula(
        name="adam",
        help="product in Adam's metric: the first-order effect of its step",
        direction=_adam,
        preconditioner=lambda point: point.adam,
        needs_second_moment=True,
    ),
    Formula(
        name="adam-step",
        help="exact derivative of the one step",
        direction=_adam_step,
        preconditioner=None,
        needs_steps=True,
        reads_query_after_step=True,
    ),
    Formula(
        name="cosine",
        help="cosine of the gradients in Adam's metric",
        direction=_adam,
        preconditioner=lambda point: point.adam,
        is_divided_by_batch=False,
        is_of_unit_queries=True,
        is_divided_by_photo_norm=True,
    ),
    Formula(
        name="unrolled",
        help="derivative through all later steps of training",
        direction=None,
        preconditioner=None,
        needs_steps=True,
        caveats={
            "single": "formula unrolled with unit single: training never took the loss of a photo alone, so these scores "
            "are the derivative of nothing that training did; unit edit or visit is"
        },
    ),
)

FORMULAS: Mapping[FormulaName, Formula] = {formula.name: formula for formula in _TABLE}
