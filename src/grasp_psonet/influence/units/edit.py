"""Unit ``edit``: a photo's gradient is that of its visit's loss, less that of the visit without the photo.

To first order what pruning does; nothing to subtract for the last photo of a visit. Under the paper's mask the photo loses its
presence and stays stored, as pruning leaves it there.
"""

# Axes: B bags (visits), N photos per bag (padded), P present photos in row order of is_photo_BN.nonzero(), Q directions,
# M preconditioners.

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.batch_norm import exact_batch_norm
from grasp_psonet.influence.units.bag_edits import tangent_bags
from grasp_psonet.influence.units.network_parts import refuse_without_parts, visit_losses
from grasp_psonet.influence.units.probe import probe_visits, refuse_coupled_photos, refuse_coupled_visits
from grasp_psonet.influence.units.unit import NOTHING, ByName, Unit, UnitCoverage, UnitProducts, numel_of

VISIBLE = 1e-3  # of the largest gradient norm of a parameter: smaller ones are rounding when a derivative is proven


def cover(network: nn.Module, batch: BagBatch, names: frozenset[str]) -> UnitCoverage:
    """No rules: every parameter is covered by forward mode, which is proven against reverse mode."""
    ones, pairs = probe_visits(batch, 3, 1), probe_visits(batch, 2, 2)
    refuse_without_parts(network, "edit", pairs)
    refuse_coupled_photos(network, ones)
    refuse_coupled_visits(network, pairs)
    _prove_forward_mode(network, pairs, names)
    numel = numel_of(network)
    rules = {"forward mode": sum(numel[name] for name in names)}
    return UnitCoverage("edit", names, NOTHING, NOTHING, rules, numel)


def products(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, preconditioners: ByName
) -> UnitProducts:
    """One pass of the encoder for each direction answers every photo; squares cost a backward pass for each photo."""
    squared_PM = edit_squares(network, batch, coverage.names, preconditioners) if preconditioners else None
    photos = batch.photos_BNCHW
    if not directions:
        return UnitProducts(photos.new_zeros(int(batch.is_photo_BN.sum()), 0), squared_PM)
    return UnitProducts(tangent_bags(network, batch, directions).drop_photo().to(photos.dtype), squared_PM)


def edit_squares(network: nn.Module, batch: BagBatch, names: Collection[str], preconditioners: ByName) -> Tensor:
    """``sum preconditioner * (grad L(bag) - grad L(bag without the photo)) ** 2`` [P, M], exactly and slowly.

    A norm is not linear in the gradient, so no tangent can give it: this runs a backward pass through the whole visit for
    each of its photos (about as many times the cost of a visit's gradient as it has photos). For the last photo of a visit,
    the square of the visit's own gradient.
    """
    parameters = {name: weight for name, weight in network.named_parameters() if name in names}
    num_preconditioners = next(len(diagonal) for diagonal in preconditioners.values())
    rows: list[Tensor] = []
    for b in range(len(batch.label_B)):
        for n in batch.is_photo_BN[b].nonzero().flatten().tolist():
            with exact_batch_norm(network):
                loss = _difference(network, batch, b, n)
            found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            square_M = loss.new_zeros(num_preconditioners)
            for name, gradient in zip(parameters, found, strict=True):
                if gradient is not None:
                    square_M = (
                        square_M + preconditioners[name].reshape(num_preconditioners, -1) @ gradient.flatten().square()
                    )
            rows.append(square_M.detach())
    return torch.stack(rows)


def _difference(network: nn.Module, batch: BagBatch, b: int, n: int) -> Tensor:
    """Loss of the visit b as it is, less its loss without photo n (none where nothing is left)."""
    is_photo_1N = batch.is_photo_BN[b : b + 1]
    without_1N = is_photo_1N.clone()
    without_1N[0, n] = False
    visit = batch.row(b)
    loss: Tensor = visit_losses(network, visit).sum()
    if without_1N.any():
        # without the paper's mask a removed photo is not read, whether stored or not
        loss = loss - visit_losses(network, replace(visit, is_photo_BN=without_1N)).sum()
    return loss


def _prove_forward_mode(network: nn.Module, probe: BagBatch, names: Collection[str]) -> None:
    """Compares with reverse mode along a direction to which every parameter with a visible gradient contributes 1."""
    weights = {name: weight for name, weight in network.named_parameters() if name in names}
    with torch.enable_grad():
        found = torch.autograd.grad(
            visit_losses(network, probe)[0], list(weights.values()), allow_unused=True, materialize_grads=True
        )
    norm_by_name = {name: float(gradient.norm()) for name, gradient in zip(weights, found, strict=True)}
    largest = max(norm_by_name.values())
    visible = {name for name, norm in norm_by_name.items() if norm > VISIBLE * largest}
    direction = {
        name: (gradient / norm_by_name[name] ** 2 if name in visible else torch.zeros_like(gradient))[None]
        for name, gradient in zip(weights, found, strict=True)
    }
    sum_of_ones = float(tangent_bags(network, probe, direction).visits()[0, 0])
    if not abs(sum_of_ones - len(visible)) < 0.5:
        raise TraceError(
            f"unit edit: forward mode finds {sum_of_ones:.3f} where reverse mode finds {len(visible)}; a layer of "
            f"{type(network).__name__} hides parameters from one of them\n  next: unit share, visit or single"
        )


EDIT = Unit("edit", cover, products, takes_pass_per_direction=True)
