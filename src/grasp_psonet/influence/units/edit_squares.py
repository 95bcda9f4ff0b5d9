"""Squared norms of the gradients that unit ``edit`` stands for, as ``cosine`` and self-influence need them."""

# Axes: B bags (visits), N photos per bag (padded), P present photos, M metrics.

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.units.network_parts import fitted, visit_losses


def edit_squares(network: nn.Module, batch: BagBatch, names: Collection[str], metrics: Mapping[str, Tensor]) -> Tensor:
    """``sum metric * (grad L(bag) - grad L(bag without the photo)) ** 2`` [P, M], exactly and slowly.

    A norm is not linear in the gradient, so no tangent can give it: this runs a backward pass through the whole visit for
    each of its photos (about as many times the cost of a visit's gradient as it has photos). For the last photo of a visit,
    the square of the visit's own gradient.
    """
    batch = fitted(network, batch)
    parameters = {name: weight for name, weight in network.named_parameters() if name in names}
    num_metrics = next(len(metric) for metric in metrics.values())
    rows: list[Tensor] = []
    for b in range(len(batch.label_B)):
        for n in batch.is_photo_BN[b].nonzero().flatten().tolist():
            loss = _difference(network, batch, b, n)
            found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            square_M = loss.new_zeros(num_metrics)
            for name, gradient in zip(parameters, found, strict=True):
                if gradient is not None:
                    square_M = square_M + metrics[name].flatten(1) @ gradient.flatten().square()
            rows.append(square_M.detach())
    return torch.stack(rows)


def _difference(network: nn.Module, batch: BagBatch, b: int, n: int) -> Tensor:
    """Loss of the visit b as it is, less its loss without photo n (none where nothing is left)."""
    is_photo_1N = batch.is_photo_BN[b : b + 1]
    without_1N = is_photo_1N.clone()
    without_1N[0, n] = False
    is_stored_1N, photos_1N = batch.is_stored_BN[b : b + 1], batch.photos_BNCHW[b : b + 1]
    label_1 = batch.label_B[b : b + 1]
    loss: Tensor = visit_losses(network, BagBatch(photos_1N, is_photo_1N, is_stored_1N, label_1)).sum()
    if without_1N.any():
        # without the paper's mask a removed photo is not read, whether stored or not
        loss = loss - visit_losses(network, BagBatch(photos_1N, without_1N, is_stored_1N, label_1)).sum()
    return loss
