"""Products of the curvature of a step's mean loss with vectors: how a change of the weights changes the gradient taken."""

# Axes: B draws of the step, Q vectors; W the shape of a parameter.

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import Curvature
from grasp_psonet.influence.units.network_parts import visit_losses
from grasp_psonet.network.checkpointing import checkpointed
from grasp_psonet.trajectory.step import trained_parameters

ByName = Mapping[str, Tensor]
Rows = Callable[[Tensor, Sequence[Tensor], Sequence[Tensor]], list[list[Tensor]]]


def curvature_products(kind: Curvature, network: nn.Module, batch: BagBatch, vectors_QW: ByName) -> dict[str, Tensor]:
    """``H v`` [Q, ...] by parameter, H the Hessian of the batch's mean loss at the network's weights.

    ``exact``: double backward, one a vector, through attention's plain kernel. ``fisher``: mean of ``g_z (g_z . v)`` over
    the draws. ``none``: 0. ``vectors_QW`` holds every trained parameter. A batch in pieces is taken piece by piece.
    """
    parameters = trained_parameters(network)
    assert parameters.keys() == vectors_QW.keys()
    match kind:
        case "none":
            return {name: torch.zeros_like(vector_QW) for name, vector_QW in vectors_QW.items()}
        case "exact":
            rows = _hessian_rows
        case "fisher":
            rows = _fisher_rows
        case _:
            assert_never(kind)
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
        try:
            found = _of_pieces(
                rows, network, batch, list(parameters.values()), [vectors_QW[name] for name in parameters]
            )
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as fault:
            raise TraceError(
                f"formula unrolled with curvature {kind} needs second derivatives, which a layer of {type(network).__name__} "
                f"does not give: {str(fault).splitlines()[0]}\n  next: curvature fisher or none, or another layer"
            ) from fault
        columns = zip(*found, strict=True)
    return {name: torch.stack(column) for name, column in zip(parameters, columns, strict=True)}


def _of_pieces(
    rows: Rows, network: nn.Module, batch: BagBatch, weights: Sequence[Tensor], vectors: Sequence[Tensor]
) -> list[list[Tensor]]:
    """The rows of a batch from those of its pieces, each by its part of the draws."""
    total: list[list[Tensor]] | None = None
    for piece in batch.pieces():
        with checkpointed(network, batch.recomputes):
            found = rows(visit_losses(network, piece), weights, vectors)
        if piece is batch:
            return found
        part = len(piece.label_B) / len(batch.label_B)
        found = [[part * value for value in row] for row in found]
        total = found if total is None else [_added(one, two) for one, two in zip(total, found, strict=True)]
    assert total is not None
    return total


def _added(one: Sequence[Tensor], two: Sequence[Tensor]) -> list[Tensor]:
    return [a + b for a, b in zip(one, two, strict=True)]


def _hessian_rows(loss_B: Tensor, weights: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[list[Tensor]]:
    found = torch.autograd.grad(loss_B.mean(), weights, create_graph=True, allow_unused=True)
    bent = [at for at, gradient in enumerate(found) if gradient is not None and gradient.requires_grad]
    gradients = [found[at] for at in bent]
    rows = []
    for q in range(len(vectors[0])):
        pulled = torch.autograd.grad(
            gradients, weights, [vectors[at][q] for at in bent], retain_graph=True, allow_unused=True
        )
        rows.append(_filled(pulled, weights))
    return rows


def _fisher_rows(loss_B: Tensor, weights: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[list[Tensor]]:
    gradients = [
        _filled(torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True), weights) for loss in loss_B
    ]
    rows = []
    for q in range(len(vectors[0])):
        row = [torch.zeros_like(weight) for weight in weights]
        for gradient in gradients:
            along = sum(float((part * vector[q]).sum()) for part, vector in zip(gradient, vectors, strict=True))
            row = [total + along / len(loss_B) * part for total, part in zip(row, gradient, strict=True)]
        rows.append(row)
    return rows


def _filled(gradients: Sequence[Tensor | None], weights: Sequence[Tensor]) -> list[Tensor]:
    return [
        torch.zeros_like(weight) if gradient is None else gradient.detach()
        for gradient, weight in zip(gradients, weights, strict=True)
    ]
