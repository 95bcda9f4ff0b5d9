"""The Adam step differentiated backward: from what came after a step to the gradient it took and to what came before.

One step takes the unclipped gradient ``u`` (norm n), clips it to ``c u`` with ``c = clip_norm / (n + 1e-6)`` where that is
below 1, adds ``lambda w`` (coupled decay only), and has ``g``; with ``m, v`` the moments after the step, and ``eta`` and
``lambda`` those of the parameter::

    w' = w - eta / (1 - beta1^t) * m * D        D = 1 / (sqrt(v^) + eps),  v^ = v / (1 - beta2^t)
    dw'/dm = -eta / (1 - beta1^t) * D           dw'/dv = eta / (1 - beta2^t) * S
    S = m^ D^2 / (2 sqrt(v^)),  m^ = m / (1 - beta1^t);  S = 0 where v^ = 0: there g and m are 0 as well

A query's derivatives ``U_w, U_m, U_v`` with respect to w', m, v become ``r`` with respect to g, then ``J r`` with respect
to u, where ``J = c (I - u u^T / (n (n + 1e-6)))`` is symmetric, and last those with respect to w and the earlier moments.

Of other update rules the derivatives of f and of the moments (``rule_step.step_derivatives``) take the place of these.
"""

# Axes: Q queries; W the shape of a parameter.

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from grasp_psonet.trajectory.adam import preconditioner
from grasp_psonet.trajectory.replay import ReplayedStep
from grasp_psonet.trajectory.rule_step import FIRST, LARGEST, REMEMBERED, SECOND, StepDerivatives, step_derivatives

ByName = Mapping[str, Tensor]


@dataclass(frozen=True)
class Adjoint:
    """Derivatives of each query's loss with respect to weights and moments after a step, [Q, ...] by parameter.

    Those by amsgrad's largest second moment are empty under other rules, and after the last step.
    """

    weight_QW: ByName
    exp_avg_QW: ByName
    exp_avg_sq_QW: ByName
    max_exp_avg_sq_QW: ByName = field(default_factory=dict)

    @classmethod
    def at_end(cls, query_QW: ByName) -> "Adjoint":
        """After the last step: the queries' gradients, and no way through the moments."""
        zeros = {name: torch.zeros_like(gradient) for name, gradient in query_QW.items()}
        return cls(query_QW, zeros, zeros)

    def of_moments(self, rule: str, name: str) -> dict[str, Tensor]:
        """Those of one parameter by the moments that this rule remembers."""
        found = {FIRST: self.exp_avg_QW, SECOND: self.exp_avg_sq_QW, LARGEST: self.max_exp_avg_sq_QW}
        zero = torch.zeros_like(self.weight_QW[name])
        return {kind: found[kind].get(name, zero) for kind in REMEMBERED[rule]}


def moment_gradient(step: ReplayedStep, name: str) -> Tensor:
    """``g`` of one parameter: what entered the moments."""
    clipped = step.gradient.clipped[name]
    if step.phase.settings.kind == "adamw":
        return clipped
    return clipped.add(step.weights[name], alpha=step.phase.weight_decay(name))


def curvature_of_root(step: ReplayedStep, name: str) -> Tensor:
    """``S`` of one parameter: how the second moment's root bends the step; 0 where it is 0."""
    beta1, beta2 = step.phase.settings.betas
    exp_avg_sq = step.state.exp_avg_sq[name]
    root = exp_avg_sq.sqrt() / math.sqrt(1 - beta2 ** step.age(name))
    unbiased = step.state.exp_avg[name] / (1 - beta1 ** step.age(name))
    scale = preconditioner(exp_avg_sq, step.age(name), step.phase.settings)
    return torch.where(root > 0, unbiased * scale**2 / (2 * root), 0.0)


def negative_update_derivative(step: ReplayedStep, name: str) -> Tensor:
    """``-dw'/dg / eta`` of one parameter; under Adam ``(1-beta1)/(1-beta1^t) D - 2 (1-beta2)/(1-beta2^t) S g``."""
    if step.phase.rule.name != "adam":
        return _derivatives(step, name).step_by_gradient
    beta1, beta2 = step.phase.settings.betas
    scale = preconditioner(step.state.exp_avg_sq[name], step.age(name), step.phase.settings)
    bend = curvature_of_root(step, name) * moment_gradient(step, name)
    return (1 - beta1) / (1 - beta1 ** step.age(name)) * scale - 2 * (1 - beta2) / (1 - beta2 ** step.age(name)) * bend


def gradient_adjoint(after: Adjoint, step: ReplayedStep) -> dict[str, Tensor]:
    """``r``: derivative of each query's loss with respect to g, [Q, ...] by parameter; 0 where it stands."""
    return {
        name: torch.zeros_like(weight_QW) if name in step.phase.standing else _of_gradient(after, step, name)
        for name, weight_QW in after.weight_QW.items()
    }


def _of_gradient(after: Adjoint, step: ReplayedStep, name: str) -> Tensor:
    """``r`` of one parameter that moves."""
    beta1, beta2 = step.phase.settings.betas
    if step.phase.rule.name == "adam":
        return (
            -step.rates[name] * negative_update_derivative(step, name) * after.weight_QW[name]
            + (1 - beta1) * after.exp_avg_QW[name]
            + 2 * (1 - beta2) * moment_gradient(step, name) * after.exp_avg_sq_QW[name]
        )
    by = _derivatives(step, name)
    own_QW = -step.rates[name] * by.step_by_gradient * after.weight_QW[name]
    for kind, moment_QW in after.of_moments(step.phase.rule.name, name).items():
        own_QW = own_QW + by.moment_by_gradient[kind] * moment_QW
    return own_QW


def _derivatives(step: ReplayedStep, name: str) -> StepDerivatives:
    assert step.remembered is not None, "replay keeps the moments before a step under every rule but Adam's"
    before = step.remembered.of_rule(step.phase.rule.name, name)
    return step_derivatives(moment_gradient(step, name), before, step.phase, step.age(name))


def unclipped(adjoint_QW: ByName, step: ReplayedStep) -> dict[str, Tensor]:
    """``J r``: through the clipping of the whole gradient; ``r`` itself where the step did not clip.

    Written with the clipped gradient c u: ``J r = c r - c u (c u . r) / (n clip_norm)``.
    """
    if step.gradient.clip == 1:
        return dict(adjoint_QW)
    clip_norm, clip, clipped = step.phase.settings.clip_norm, step.gradient.clip, step.gradient.clipped
    assert clip_norm is not None
    along_Q = torch.stack(
        [
            torch.einsum("p,qp->q", clipped[name].flatten(), r_QW.reshape(len(r_QW), -1))
            for name, r_QW in adjoint_QW.items()
        ]
    ).sum(dim=0) / (step.gradient.result.grad_norm * clip_norm)
    return {
        name: clip * r_QW - torch.einsum("q,...->q...", along_Q, clipped[name]) for name, r_QW in adjoint_QW.items()
    }


def step_back(after: Adjoint, step: ReplayedStep, gradient_QW: ByName, curved_QW: ByName) -> Adjoint:
    """The derivatives with respect to weights and moments before the step, from ``r`` and from ``H J r`` (curved).

    The first step of a phase begins with moments of 0, whatever came before: nothing goes back through them.
    """
    phase = step.phase
    weight: dict[str, Tensor] = {}
    moments: dict[str, dict[str, Tensor]] = {FIRST: {}, SECOND: {}, LARGEST: {}}
    for name, weight_QW in after.weight_QW.items():
        if phase.settings.kind == "adamw":
            direct_QW = (1 - step.rates[name] * phase.weight_decay(name)) * weight_QW
        else:
            direct_QW = weight_QW + phase.weight_decay(name) * gradient_QW[name]
        weight[name] = direct_QW + curved_QW[name]
        if phase.begins_after(step.step - 1, name) or name in phase.standing:
            moments[FIRST][name] = moments[SECOND][name] = torch.zeros_like(weight_QW)
            continue
        for kind, moment_QW in _of_moments(after, step, name).items():
            moments[kind][name] = moment_QW
    return Adjoint(weight, moments[FIRST], moments[SECOND], moments[LARGEST])


def _of_moments(after: Adjoint, step: ReplayedStep, name: str) -> dict[str, Tensor]:
    """Derivatives [Q, ...] by each moment of one parameter before the step."""
    rate, weight_QW, rule = step.rates[name], after.weight_QW[name], step.phase.rule.name
    if rule == "adam":
        beta1, beta2 = step.phase.settings.betas
        root_scale = preconditioner(step.state.exp_avg_sq[name], step.age(name), step.phase.settings)
        scale = rate / (1 - beta1 ** step.age(name)) * root_scale
        bend = rate / (1 - beta2 ** step.age(name)) * curvature_of_root(step, name)
        return {
            FIRST: beta1 * (after.exp_avg_QW[name] - scale * weight_QW),
            SECOND: beta2 * (after.exp_avg_sq_QW[name] + bend * weight_QW),
        }
    by, later = _derivatives(step, name), after.of_moments(rule, name)
    return {
        kind: sum(
            (by.moment_by_moment[one, kind] * moment_QW for one, moment_QW in later.items()),
            start=-rate * by.step_by_moment[kind] * weight_QW,
        )
        for kind in later
    }
