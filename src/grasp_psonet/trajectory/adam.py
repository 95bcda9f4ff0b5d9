"""The Adam law, once: training steps by it, tracing reads its moments by it.

Kingma and Ba 2015 (Adam, with torch's coupled L2) and Loshchilov and Hutter 2019 (AdamW). Every operation is done in the
order of ``torch.optim.Adam`` and ``AdamW``, so that a step gives the same bits.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from grasp_psonet.trajectory.settings import OptimizerSettings


@dataclass
class AdamState:
    """Moments by parameter name and the number of steps taken; ``adam_step`` changes it in place."""

    exp_avg: dict[str, Tensor]
    exp_avg_sq: dict[str, Tensor]
    step: int

    @classmethod
    def at_start(cls, weights: dict[str, Tensor]) -> "AdamState":
        """Zero moments before the first step."""
        zeros = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        return cls(zeros, {name: zero.clone() for name, zero in zeros.items()}, 0)


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


def clip_coefficient(norm: float, clip_norm: float | None) -> float:
    """The factor on the gradient: 1, or ``clip_norm / (norm + 1e-6)`` where that is smaller (torch's rule)."""
    return 1.0 if clip_norm is None else min(1.0, clip_norm / (norm + 1e-6))


@torch.no_grad()
def adam_step(
    weights: dict[str, Tensor], gradients: dict[str, Tensor], state: AdamState, settings: OptimizerSettings, lr: float
) -> None:
    """One step, in place. ``gradients`` are those of the loss, after clipping and without weight decay."""
    state.step += 1
    beta1, beta2 = settings.betas
    step_size = lr / (1 - beta1**state.step)
    for name, weight in weights.items():
        gradient, exp_avg, exp_avg_sq = gradients[name], state.exp_avg[name], state.exp_avg_sq[name]
        if settings.weight_decay and settings.kind == "adamw":
            weight.mul_(1 - lr * settings.weight_decay)
        elif settings.weight_decay:
            gradient = gradient.add(weight, alpha=settings.weight_decay)
        exp_avg.lerp_(gradient, 1 - beta1)
        exp_avg_sq.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        denominator = (exp_avg_sq.sqrt() / math.sqrt(1 - beta2**state.step)).add_(settings.eps)
        weight.addcdiv_(exp_avg, denominator, value=-step_size)


def preconditioner(exp_avg_sq: Tensor, step: int, settings: OptimizerSettings) -> Tensor:
    """``D = 1 / (sqrt(v / (1 - beta2^t)) + eps)`` from the second moment after step t."""
    return 1 / ((exp_avg_sq.sqrt() / math.sqrt(1 - settings.betas[1] ** step)) + settings.eps)
