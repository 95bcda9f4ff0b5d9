"""The plain slow judge of per-photo gradients: one ``autograd.grad`` per example, everything kept."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def gradient_of_each(network: nn.Module, loss_of: Callable[[nn.Module], Tensor], names: Sequence[str]) -> list[Tensor]:
    """Gradient [B, *shape] of every example's loss for each named parameter; zero where a parameter is not used."""
    parameters = dict(network.named_parameters())
    chosen = [parameters[name] for name in names]
    loss_B = loss_of(network)
    rows = [torch.autograd.grad(loss, chosen, retain_graph=True, allow_unused=True) for loss in loss_B]
    return [
        torch.stack([torch.zeros_like(p) if row[i] is None else row[i] for row in rows]) for i, p in enumerate(chosen)
    ]


def dots(gradients: Sequence[Tensor], directions: Sequence[Tensor]) -> Tensor:
    """[B, Q]: sum over parameters of gradient times direction."""
    return sum((g.flatten(1) @ d.flatten(1).T for g, d in zip(gradients, directions, strict=True)), torch.zeros(()))


def grams(gradients: Sequence[Tensor], preconditioners: Sequence[Tensor]) -> Tensor:
    """[M, B, B]: sum over parameters of preconditioner times the gradients of two examples."""
    return torch.stack(
        [
            sum(
                (g.flatten(1) * m.flatten() @ g.flatten(1).T for g, m in zip(gradients, preconditioner, strict=True)),
                torch.zeros(()),
            )
            for preconditioner in zip(*preconditioners, strict=True)
        ]
    )
