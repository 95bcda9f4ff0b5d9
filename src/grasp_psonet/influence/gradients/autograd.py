"""Whole gradients by plain autograd, example by example: the truth that rules are proven against, and the slowest exact way.

Axes: B examples, Q directions or preconditioners, W weights of a parameter.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from grasp_psonet.influence.gradients.backward_pass import LossOf, loss_with
from grasp_psonet.influence.gradients.batch_norm import exact_batch_norm


def gradients_of_each(
    network: nn.Module, loss_of: LossOf, parameters: Mapping[str, Tensor], *, summed: bool = False
) -> dict[str, Tensor | None]:
    """Gradient of each loss [B, W] by parameter (``summed``: of their sum, [1, W]); None where no loss reaches it."""
    leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    with torch.enable_grad(), exact_batch_norm(network):
        loss_B = loss_with(network, loss_of, leaves)
        terms = [loss_B.sum()] if summed else list(loss_B)
        rows = [_row(term, list(leaves.values())) for term in terms]
    columns = zip(*rows, strict=True) if rows else [()] * len(parameters)
    return {
        name: None
        if all(gradient is None for gradient in column)
        else torch.stack(
            [torch.zeros_like(p).flatten() if gradient is None else gradient.flatten() for gradient in column]
        )
        for (name, p), column in zip(parameters.items(), columns, strict=True)
    }


def _row(term: Tensor, leaves: list[Tensor]) -> tuple[Tensor | None, ...]:
    if not term.requires_grad:
        return (None,) * len(leaves)
    return torch.autograd.grad(term, leaves, retain_graph=True, allow_unused=True, materialize_grads=False)


def product_of_gradient(
    gradient: Mapping[str, Tensor | None], by_name: Mapping[str, Tensor], *, power: int = 1
) -> Tensor | None:
    """One gradient [1, W], to this power, times each direction or preconditioner [Q]; None where there are none."""
    if not by_name:
        return None
    first = next(iter(by_name.values()))
    found = first.new_zeros(len(first))
    for name, value in gradient.items():
        if value is not None:
            found = found + by_name[name].reshape(len(first), -1) @ value[0] ** power
    return found
