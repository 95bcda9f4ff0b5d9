"""The Adam law, once: training steps by it, tracing reads its moments by it. Other rules stand in ``rule_step``.

Kingma and Ba 2015 (Adam, with torch's coupled L2) and Loshchilov and Hutter 2019 (AdamW). Every operation is done in the
order of ``torch.optim.Adam`` and ``AdamW``, so that a step gives the same bits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from grasp_psonet.trajectory.law import Phase
from grasp_psonet.trajectory.rule_step import FIRST, LARGEST, REMEMBERED, SECOND, divisor, update
from grasp_psonet.trajectory.settings import OptimizerSettings


@dataclass
class AdamState:
    """Moments by parameter name and the number of steps taken; ``optimizer_step`` changes it in place.

    ``exp_avg`` of SGD is its momentum buffer, and without momentum the gradient that the last step took; ``max_exp_avg_sq``
    is amsgrad's. What a rule does not remember may be left out.
    """

    exp_avg: dict[str, Tensor]
    exp_avg_sq: dict[str, Tensor]
    step: int
    max_exp_avg_sq: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def at_start(cls, weights: dict[str, Tensor], step: int = 0) -> "AdamState":
        """Zero moments after ``step``: before the first step of a training or of a phase."""
        zeros = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        return cls(zeros, {name: zero.clone() for name, zero in zeros.items()}, step)

    def forget(self) -> None:
        """Sets the moments to 0, in place: a phase begins."""
        for moments in self.moments.values():
            for moment in moments.values():
                moment.zero_()

    def copy(self) -> "AdamState":
        """The same in tensors of its own."""
        first, second, largest = (
            {name: moment.clone() for name, moment in moments.items()} for moments in self.moments.values()
        )
        return AdamState(first, second, self.step, largest)

    @property
    def moments(self) -> dict[str, dict[str, Tensor]]:
        """Moments by what they are, then by parameter name."""
        return {FIRST: self.exp_avg, SECOND: self.exp_avg_sq, LARGEST: self.max_exp_avg_sq}

    def of_rule(self, rule: str, name: str) -> dict[str, Tensor]:
        """What this rule remembers of a parameter; 0 where it is not there yet."""
        zero = torch.zeros_like(self.exp_avg[name])
        return {kind: self.moments[kind].get(name, zero) for kind in REMEMBERED[rule]}


def learning_rate(settings: OptimizerSettings, step: int, num_steps: int) -> float:
    """The learning rate of step 1..num_steps: linear warm-up, then constant or a cosine that ends near 0."""
    if step <= settings.warmup_steps:
        return settings.lr * step / settings.warmup_steps
    if settings.schedule == "constant":
        return settings.lr
    done = (step - 1 - settings.warmup_steps) / max(1, num_steps - settings.warmup_steps)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * done))


def gradient_norm(gradients: dict[str, Tensor]) -> Tensor:
    """The Euclidean norm over all parameters."""
    norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients.values()])
    whole: Tensor = torch.linalg.vector_norm(norms)
    return whole


def clip_coefficient(norm: Tensor, clip_norm: float | None) -> float:
    """The factor on the gradient: 1, or ``clip_norm / (norm + 1e-6)`` where that is smaller (torch's rule, to the bit)."""
    return 1.0 if clip_norm is None else min(1.0, float(clip_norm / (norm + 1e-6)))


@torch.no_grad()
def optimizer_step(
    weights: dict[str, Tensor],
    gradients: dict[str, Tensor],
    state: AdamState,
    phase: Phase,
    rates: Mapping[str, float],
) -> None:
    """One step of this phase, in place. ``gradients`` are those of the loss, after clipping and without weight decay;
    ``rates`` is the learning rate of each parameter. Parameters that stand in the phase are left as they are, moments too.
    """
    state.step += 1
    for name, weight in weights.items():
        if name in phase.standing:
            continue
        gradient, lr, weight_decay = gradients[name], rates[name], phase.weight_decay(name)
        if weight_decay and phase.settings.kind == "adamw":
            weight.mul_(1 - lr * weight_decay)
        elif weight_decay:
            gradient = gradient.add(weight, alpha=weight_decay)
        if phase.rule.name == "adam":
            moments = state.exp_avg[name], state.exp_avg_sq[name]
            _move_by_adam(weight, gradient, moments, phase.settings, lr, phase.age(state.step, name))
            continue
        made, after = update(gradient, state.of_rule(phase.rule.name, name), phase, phase.age(state.step, name))
        weight.sub_(made, alpha=lr)
        for kind, moment in after.items():
            state.moments[kind][name] = moment


def _move_by_adam(
    weight: Tensor,
    gradient: Tensor,
    moments: tuple[Tensor, Tensor],
    settings: OptimizerSettings,
    lr: float,
    age: int,
) -> None:
    """Adam's step in torch's order, in place."""
    (beta1, beta2), (exp_avg, exp_avg_sq) = settings.betas, moments
    exp_avg.lerp_(gradient, 1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    denominator = (exp_avg_sq.sqrt() / math.sqrt(1 - beta2**age)).add_(settings.eps)
    weight.addcdiv_(exp_avg, denominator, value=-(lr / (1 - beta1**age)))


def step_metric(state: AdamState, name: str, phase: Phase) -> Tensor:
    """``D`` of one parameter under the phase's rule: 1 over what its first moment is divided by; of SGD 1."""
    if phase.rule.name == "adam":
        return preconditioner(state.exp_avg_sq[name], phase.age(state.step, name), phase.settings)
    return 1 / divisor(state.of_rule(phase.rule.name, name), phase, phase.age(state.step, name))


def preconditioner(exp_avg_sq: Tensor, age: int, settings: OptimizerSettings) -> Tensor:
    """``D = 1 / (sqrt(v / (1 - beta2^t)) + eps)`` from the second moment after ``age`` steps (t, ``Phase.age``)."""
    return 1 / ((exp_avg_sq.sqrt() / math.sqrt(1 - settings.betas[1] ** age)) + settings.eps)
