"""Adam's moments at an anchor, or after a replayed step, in the terms that formulas are written in (``influence.formulas``)."""

# Axes: Q queries; W the shape of a parameter.

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from grasp_psonet.errors import TraceError
from grasp_psonet.trajectory.adam import AdamState, step_metric
from grasp_psonet.trajectory.adam_adjoint import negative_update_derivative, unclipped
from grasp_psonet.trajectory.law import AdamLaw, Phase
from grasp_psonet.trajectory.replay import ReplayedStep

ByName = Mapping[str, Tensor]


@dataclass(frozen=True)
class AdamPoint:
    """The optimizer where a formula is evaluated; ``step`` is the replayed step that led there, None at an anchor.

    Raises TraceError before the first step, where there are no moments.
    """

    state: AdamState
    optimizer: AdamLaw
    step: ReplayedStep | None = None

    def __post_init__(self) -> None:
        if self.state.step < 1:
            raise TraceError("the anchor before step 1 holds no moments and cannot be traced; use the later anchors")

    @property
    def exp_avg(self) -> ByName:
        """``m`` by parameter."""
        return self.state.exp_avg

    @property
    def exp_avg_sq(self) -> ByName:
        """``v`` by parameter."""
        return self.state.exp_avg_sq

    @property
    def eps(self) -> float:
        return self.optimizer.eps

    @cached_property
    def phase(self) -> Phase:
        """The law of the step that led here."""
        return self.optimizer.at(self.state.step)

    def at_rate(self, name: str, value: Tensor) -> Tensor:
        """The value times what the parameter's learning rate is of the step's; as it is where that is all of it."""
        scale = self.phase.lr_scale(name)
        return value if scale == 1 else scale * value

    @cached_property
    def adam(self) -> ByName:
        """The preconditioner ``D`` of the optimizer's step, at each parameter's rate; 0 where its second moment is 0.

        Of Adam ``D = 1 / (sqrt(v / (1 - beta2^t)) + eps)``, of SGD 1. Where ``v`` is 0
        no draw has had a gradient yet (a dead ReLU, a token or expert never used), and 1 / eps would let a handful of
        such coordinates outweigh all others: Adam's step has no derivative worth the name before its first gradient.
        """
        found = {name: self.at_rate(name, step_metric(self.state, name, self.phase)) for name in self.exp_avg}
        if not self.phase.rule.has_second_moment:
            return found
        return {name: value.where(self.exp_avg_sq[name] > 0, 0.0) for name, value in found.items()}

    @property
    def plain(self) -> ByName:
        """The preconditioner of plain gradients: 1, at each parameter's rate."""
        return {name: self.at_rate(name, torch.ones_like(moment)) for name, moment in self.exp_avg.items()}

    def step_derivative(self, name: str) -> Tensor:
        """``-dw'/dg / lr`` of one parameter, at its rate: the change of the step with the gradient it took.

        Raises TraceError at an anchor, which does not hold that gradient.
        """
        return self.at_rate(name, negative_update_derivative(self._replayed, name))

    def through_clipping(self, direction_QW: ByName) -> ByName:
        """The directions with respect to the gradient before clipping. Raises TraceError at an anchor."""
        return unclipped(direction_QW, self._replayed)

    @property
    def _replayed(self) -> ReplayedStep:
        if self.step is None:
            raise TraceError(
                "the derivative of a step needs the batch gradient of the step, which anchors do not hold\n"
                "  next: counting steps, or formula adam"
            )
        return self.step

    @staticmethod
    def scaled(diagonal_W: ByName, query_QW: ByName) -> ByName:
        """``D g'`` [Q, ...] by parameter."""
        return {name: diagonal_W[name] * gradient_QW for name, gradient_QW in query_QW.items()}

    @staticmethod
    def unit_length(diagonal_W: ByName, query_QW: ByName) -> ByName:
        """``g' / |sqrt(D) g'|`` [Q, ...] by parameter, 0 where the norm is 0."""
        parts = [
            (diagonal_W[name] * gradient**2).reshape(len(gradient), -1).sum(dim=1)
            for name, gradient in query_QW.items()
        ]
        norm_Q = torch.stack(parts).sum(dim=0).sqrt()
        scale_Q = torch.where(norm_Q > 0, 1 / norm_Q, 0.0)
        return {name: torch.einsum("q,q...->q...", scale_Q, gradient_QW) for name, gradient_QW in query_QW.items()}
