"""The Adam step differentiated backward: from what came after a step to the gradient it took and to what came before.

One step takes the unclipped gradient ``u`` (norm n), clips it to ``c u`` with ``c = clip_norm / (n + 1e-6)`` where that is
below 1, adds ``lambda w`` (coupled decay only), and has ``g``; with ``m, v`` the moments after the step, and ``eta`` and
``lambda`` those of the parameter::

    w' = w - eta / (1 - beta1^t) * m * D        D = 1 / (sqrt(v^) + eps),  v^ = v / (1 - beta2^t)
    dw'/dm = -eta / (1 - beta1^t) * D           dw'/dv = eta / (1 - beta2^t) * S
    S = m^ D^2 / (2 sqrt(v^)),  m^ = m / (1 - beta1^t);  S = 0 where v^ = 0: there g and m are 0 as well

A query's derivatives ``U_w, U_m, U_v`` with respect to w', m, v become ``r`` with respect to g, then ``J r`` with respect
to u, where ``J = c (I - u u^T / (n (n + 1e-6)))`` is symmetric, and last those with respect to w and the earlier moments.
"""

# Axes: Q queries; W the shape of a parameter.

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from grasp_psonet.trajectory.adam import preconditioner
from grasp_psonet.trajectory.replay import ReplayedStep

ByName = Mapping[str, Tensor]


@dataclass(frozen=True)
class Adjoint:
    """Derivatives of each query's loss with respect to weights and both moments after a step, [Q, ...] by parameter."""

    weight_QW: ByName
    exp_avg_QW: ByName
    exp_avg_sq_QW: ByName

    @classmethod
    def at_end(cls, query_QW: ByName) -> "Adjoint":
        """After the last step: the queries' gradients, and no way through the moments."""
        zeros = {name: torch.zeros_like(gradient) for name, gradient in query_QW.items()}
        return cls(query_QW, zeros, zeros)


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
    root = exp_avg_sq.sqrt() / math.sqrt(1 - beta2**step.age)
    unbiased = step.state.exp_avg[name] / (1 - beta1**step.age)
    scale = preconditioner(exp_avg_sq, step.age, step.phase.settings)
    return torch.where(root > 0, unbiased * scale**2 / (2 * root), 0.0)


def negative_update_derivative(step: ReplayedStep, name: str) -> Tensor:
    """``-dw'/dg / eta`` of one parameter: ``(1-beta1)/(1-beta1^t) D - 2 (1-beta2)/(1-beta2^t) S g``."""
    beta1, beta2 = step.phase.settings.betas
    scale = preconditioner(step.state.exp_avg_sq[name], step.age, step.phase.settings)
    bend = curvature_of_root(step, name) * moment_gradient(step, name)
    return (1 - beta1) / (1 - beta1**step.age) * scale - 2 * (1 - beta2) / (1 - beta2**step.age) * bend


def gradient_adjoint(after: Adjoint, step: ReplayedStep) -> dict[str, Tensor]:
    """``r``: derivative of each query's loss with respect to g, [Q, ...] by parameter; 0 where it stands."""
    beta1, beta2 = step.phase.settings.betas
    return {
        name: torch.zeros_like(weight_QW)
        if name in step.phase.standing
        else -step.rates[name] * negative_update_derivative(step, name) * weight_QW
        + (1 - beta1) * after.exp_avg_QW[name]
        + 2 * (1 - beta2) * moment_gradient(step, name) * after.exp_avg_sq_QW[name]
        for name, weight_QW in after.weight_QW.items()
    }


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
    settings, phase = step.phase.settings, step.phase
    beta1, beta2 = settings.betas
    weight, exp_avg, exp_avg_sq = {}, {}, {}
    for name, weight_QW in after.weight_QW.items():
        if settings.kind == "adamw":
            direct_QW = (1 - step.rates[name] * phase.weight_decay(name)) * weight_QW
        else:
            direct_QW = weight_QW + phase.weight_decay(name) * gradient_QW[name]
        weight[name] = direct_QW + curved_QW[name]
        if phase.begins_after(step.step - 1) or name in phase.standing:
            exp_avg[name] = exp_avg_sq[name] = torch.zeros_like(weight_QW)
            continue
        scale = (
            step.rates[name] / (1 - beta1**step.age) * preconditioner(step.state.exp_avg_sq[name], step.age, settings)
        )
        bend = step.rates[name] / (1 - beta2**step.age) * curvature_of_root(step, name)
        exp_avg[name] = beta1 * (after.exp_avg_QW[name] - scale * weight_QW)
        exp_avg_sq[name] = beta2 * (after.exp_avg_sq_QW[name] + bend * weight_QW)
    return Adjoint(weight, exp_avg, exp_avg_sq)
