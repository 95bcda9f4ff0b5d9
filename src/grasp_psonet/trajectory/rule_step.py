"""Update rules beside Adam's: each a pure, elementwise function of the gradient and of what is remembered, and its derivatives.

A step is ``w' = (1 - eta lambda) w - eta f(g, moments)`` (the factor in front with decoupled decay only; with coupled decay
``g`` holds ``lambda w``), and ``f`` and the moments after the step are functions of single coordinates. So their derivatives
are diagonals, taken by autograd of the function that makes the step: law and derivative cannot differ. Operations follow
``torch.optim`` (SGD: Sutskever et al. 2013 in torch's form; NAdam: Dozat 2016; RAdam: Liu et al. 2020; amsgrad: Reddi et
al. 2018).
"""

# Axes: Q queries; W the shape of a parameter.

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from grasp_psonet.trajectory.law import Phase

FIRST, SECOND, LARGEST = "exp_avg", "exp_avg_sq", "max_exp_avg_sq"  # what is remembered: names of moments
REMEMBERED: Mapping[str, tuple[str, ...]] = {
    "amsgrad": (FIRST, SECOND, LARGEST),
    "nadam": (FIRST, SECOND),
    "radam": (FIRST, SECOND),
    "sgd": (FIRST,),
}
NADAM_DECAY = 0.96  # of Dozat's schedule of the momentum, as torch has it
RADAM_LEAST = 5.0  # length of the moving average from which RAdam divides by the second moment


def update(
    gradient_W: Tensor, moments: Mapping[str, Tensor], phase: Phase, age: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """``f`` of the step and the moments after it; ``age`` counts the steps of the moments, this one included."""
    if phase.rule.name == "sgd":
        return _sgd(gradient_W, moments[FIRST], phase, age)
    beta1, beta2 = phase.settings.betas
    first = torch.lerp(moments[FIRST], gradient_W, 1 - beta1)
    second = moments[SECOND] * beta2 + gradient_W * gradient_W * (1 - beta2)
    after = {FIRST: first, SECOND: second}
    if phase.rule.name == "amsgrad":
        after[LARGEST] = torch.maximum(moments[LARGEST], second)
    scale = divisor(after, phase, age)
    if phase.rule.name != "nadam":
        return first / scale / (1 - beta1**age), after
    own, theirs = _nadam_weights(phase, age)
    return own * gradient_W / scale + theirs * first / scale, after


def divisor(after: Mapping[str, Tensor], phase: Phase, age: int) -> Tensor:
    """What the (bias-corrected) first moment is divided by in a step, from the moments after it: ``1 / D``."""
    eps, beta2 = phase.settings.eps, phase.settings.betas[1]
    correction = 1 - beta2**age
    if phase.rule.name == "sgd":
        return torch.ones_like(after[FIRST])
    if phase.rule.name == "amsgrad":
        return _root(after[LARGEST]) / math.sqrt(correction) + eps
    if phase.rule.name == "nadam":
        return _root(after[SECOND] / correction) + eps
    rectified = _rectification(beta2, age)
    if rectified is None:
        return torch.ones_like(after[SECOND])
    return (_root(after[SECOND]) + eps) / (math.sqrt(correction) * rectified)


@dataclass(frozen=True)
class StepDerivatives:
    """Diagonals [...] of one parameter's step: of ``f`` and of every moment after it, by ``g`` and every moment before it."""

    step_by_gradient: Tensor
    step_by_moment: Mapping[str, Tensor]
    moment_by_gradient: Mapping[str, Tensor]
    moment_by_moment: Mapping[tuple[str, str], Tensor]  # (after, before)


def step_derivatives(gradient_W: Tensor, before: Mapping[str, Tensor], phase: Phase, age: int) -> StepDerivatives:
    """The derivatives of ``update`` at this gradient and these moments; 0 where a second moment of 0 gives none."""
    names = REMEMBERED[phase.rule.name]
    with torch.enable_grad():
        inputs = [value.detach().clone().requires_grad_() for value in (gradient_W, *(before[name] for name in names))]
        made, after = update(inputs[0], dict(zip(names, inputs[1:], strict=True)), phase, age)
        rows = [
            torch.autograd.grad(output.sum(), inputs, retain_graph=True, allow_unused=True, materialize_grads=True)
            for output in (made, *(after[name] for name in names))
        ]
    by_gradient = [row[0] for row in rows]
    by_moment = [dict(zip(names, row[1:], strict=True)) for row in rows]
    return StepDerivatives(
        by_gradient[0],
        by_moment[0],
        dict(zip(names, by_gradient[1:], strict=True)),
        {(later, earlier): row[earlier] for later, row in zip(names, by_moment[1:], strict=True) for earlier in names},
    )


def _sgd(gradient_W: Tensor, buffer_W: Tensor, phase: Phase, age: int) -> tuple[Tensor, dict[str, Tensor]]:
    """torch's: the first step's gradient begins the buffer, undampened. Without momentum the buffer is the last gradient."""
    rule = phase.rule
    taken = 1.0 if age == 1 or not rule.momentum else 1 - rule.dampening
    after = buffer_W * rule.momentum + gradient_W * taken
    return (gradient_W + rule.momentum * after if rule.nesterov else after), {FIRST: after}


def _nadam_weights(phase: Phase, age: int) -> tuple[float, float]:
    """What gradient and first moment count in a step, bias correction included; torch rounds their product to its default."""
    beta1, decay = phase.settings.betas[0], phase.rule.momentum_decay
    rates = [beta1 * (1 - 0.5 * NADAM_DECAY ** (step * decay)) for step in range(1, age + 2)]
    rounded = torch.ones((), dtype=torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32)
    for rate in rates[:-1]:
        rounded *= rate
    product = float(rounded)
    return (1 - rates[-2]) / (1 - product), rates[-1] / (1 - product * rates[-1])


def _rectification(beta2: float, age: int) -> float | None:
    """RAdam's factor on the step; None while the moving average is too short to divide by."""
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * age * beta2**age / (1 - beta2**age)
    if length <= RADAM_LEAST:
        return None
    return math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))


def _root(value_W: Tensor) -> Tensor:
    """The root, with a derivative of 0 in place of one that is infinite at 0."""
    return torch.where(value_W > 0, torch.where(value_W > 0, value_W, 1.0).sqrt(), 0.0)
