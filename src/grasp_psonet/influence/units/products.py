"""What "one photo" means inside a bag, and the products of its gradient with folded directions.

========  ==========================================================================================================
unit      a photo's gradient
========  ==========================================================================================================
single    of the loss of the bag that holds this photo alone, with the visit's label (the paper's vector of one)
share     the part of the visit's gradient that flows through this photo's encoder, projection and attention scorer
edit      of the visit's loss, less that of the visit without the photo (nothing to subtract for its last photo)
visit     of the whole visit: every photo bears it
========  ==========================================================================================================

The loss of a visit is its cross-entropy, not divided by the number of draws: that is in the folded direction. Under the
paper's mask, ``single`` reads the photo alone, ``share`` and ``visit`` let removed photos shape the softmax as training
did, and ``edit`` takes a photo's presence away but leaves it stored, as pruning does there.
"""

# Axes: B bags (visits), N photos per bag (padded), M photos that are read (in metrics: the metrics), P present photos in
# row order of is_photo_BN.nonzero(), Q directions or queries.

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import QueryKind, UnitName
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics
from grasp_psonet.influence.gradients.products import Products, products
from grasp_psonet.influence.units.bag_edits import tangent_bags
from grasp_psonet.influence.units.coverage import UnitCoverage
from grasp_psonet.influence.units.edit_squares import edit_squares
from grasp_psonet.influence.units.network_parts import (
    fitted,
    only_visits,
    part,
    photos_alone,
    pooled,
    read_mask,
    visit_losses,
    visit_of_photos,
)
from grasp_psonet.network.network import visit_loss

ByName = Mapping[str, Tensor]


@dataclass(frozen=True)
class UnitProducts:
    """What one batch of visits gives.

    ``dot_PQ``: each present photo's gradient times each direction. ``squared_PM``: sum over parameters of metric *
    gradient ** 2, where metrics were given. ``rest_BQ`` (unit share): the part of each visit's gradient that no present
    photo bears, times each direction: the head's, and under the paper's mask the removed photos'. The shares of a visit's
    photos and its rest add up to the visit's gradient exactly.
    """

    dot_PQ: Tensor
    squared_PM: Tensor | None
    rest_BQ: Tensor | None = None


def unit_products(
    unit: UnitName,
    network: nn.Module,
    batch: BagBatch,
    coverage: UnitCoverage,
    directions: ByName,
    metrics: ByName | None = None,
) -> UnitProducts:
    """Products of the photos of these visits with ``directions`` [Q, *shape], and their squares under ``metrics`` [M, *shape].

    Both map exactly the covered parameters (``coverage.names``); an empty mapping of directions means none. Absent photos have
    no row. Raises TraceError where the coverage was made for another unit or a parameter is missing.
    """
    if unit != coverage.unit:
        raise TraceError(
            f"the coverage was proven for unit {coverage.unit}, and unit {unit} was asked for; make one for it"
        )
    metrics = metrics or {}
    for what, values in (("direction", directions), ("metric", metrics)):
        if values and values.keys() != coverage.names:
            odd = sorted(coverage.names ^ values.keys())
            raise TraceError(f"{what}s and coverage differ by {odd}; wanted: one for each covered parameter")
    refuse_batch_statistics(network)
    batch = fitted(network, batch)
    match unit:
        case "single":
            return _single(network, batch, coverage, directions, metrics)
        case "share":
            return _share(network, batch, coverage, directions, metrics)
        case "edit":
            return _edit(network, batch, coverage, directions, metrics)
        case "visit":
            return _visit(network, batch, coverage, directions, metrics)


def query_gradients(
    network: nn.Module, batches: Iterable[BagBatch], kind: QueryKind, names: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Gradient of each query's loss [Q, *shape] by parameter (default: all), in evaluation mode without augmentation.

    ``visit``: the whole bag. ``photo``: the one present photo of the bag, alone; raises TraceError for a bag with several,
    since which photo stands for a visit is chosen once, by the kept model. Unreached parameters get zeros.
    """
    chosen = {name: weight for name, weight in network.named_parameters() if names is None or name in set(names)}
    rows: dict[str, list[Tensor]] = {name: [] for name in chosen}
    for given in batches:
        batch = fitted(network, given)
        if kind == "photo":
            crowded = (batch.is_photo_BN.sum(dim=1) != 1).nonzero().flatten().tolist()
            if crowded:
                raise TraceError(
                    f"queries of kind photo are bags of one photo; rows {crowded} of this batch hold another number\n"
                    "  next: give queries of one photo, or query='visit'"
                )
            batch = photos_alone(batch)
        loss_B = visit_losses(network, batch)
        for loss in loss_B:
            found = torch.autograd.grad(loss, list(chosen.values()), retain_graph=True, allow_unused=True)
            for (name, weight), gradient in zip(chosen.items(), found, strict=True):
                rows[name].append(torch.zeros_like(weight) if gradient is None else gradient)
    return {
        name: torch.stack(gradients) if gradients else chosen[name].new_zeros(0, *chosen[name].shape)
        for name, gradients in rows.items()
    }


def _single(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, metrics: ByName
) -> UnitProducts:
    alone = photos_alone(batch)
    found = products(network, lambda module: visit_losses(module, alone), coverage.by_photo, directions, metrics)
    return UnitProducts(found.dot_BQ, found.squared_BM if metrics else None)


def _share(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, metrics: ByName
) -> UnitProducts:
    is_read_BN = read_mask(network, batch)
    is_present_M, visit_M = batch.is_photo_BN[is_read_BN], is_read_BN.nonzero()[:, 0]
    seen: list[Tensor] = []

    def losses(module: nn.Module) -> Tensor:
        bag_BD = pooled(module, batch)
        seen.append(bag_BD.detach())
        return visit_loss(part(module, "head")(bag_BD), batch.label_B)

    def losses_of_head(module: nn.Module) -> Tensor:
        return visit_loss(part(module, "head")(seen[0]), batch.label_B)

    by_photo, by_visit = coverage.by_photo.names, coverage.by_visit.names
    photos = products(
        network,
        losses,
        coverage.by_photo,
        {name: direction for name, direction in directions.items() if name in by_photo},
        {name: metric for name, metric in metrics.items() if name in by_photo},
        num_examples=len(visit_M),
    )
    dot_MQ = _as_wide(photos.dot_BQ, directions)
    rest_BQ = dot_MQ.new_zeros(len(batch.label_B), dot_MQ.shape[1])
    of_head = {name: direction for name, direction in directions.items() if name in by_visit}
    if of_head:
        rest_BQ = products(network, losses_of_head, coverage.by_visit, of_head).dot_BQ
    rest_BQ = rest_BQ.index_add(0, visit_M[~is_present_M], dot_MQ[~is_present_M])
    squared_PM = _as_wide(photos.squared_BM, metrics)[is_present_M] if metrics else None
    return UnitProducts(dot_MQ[is_present_M], squared_PM, rest_BQ)


def _visit(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, metrics: ByName
) -> UnitProducts:
    """Visits that read equally many photos go together: an example is then the neighbouring rows of one visit."""
    is_read_BN = read_mask(network, batch)
    count_B = is_read_BN.sum(dim=1)
    parts: list[Products] = []
    order: list[Tensor] = []
    for count in sorted(set(count_B.tolist())):
        rows = (count_B == count).nonzero().flatten()
        losses = partial(visit_losses, batch=only_visits(batch, rows, is_read_BN))
        parts.append(
            products(network, losses, coverage.by_photo if count == 1 else coverage.by_visit, directions, metrics)
        )
        order.append(rows)
    place_P = torch.cat(order).argsort()[visit_of_photos(batch)]
    dot_PQ = torch.cat([found.dot_BQ for found in parts])[place_P]
    return UnitProducts(dot_PQ, torch.cat([found.squared_BM for found in parts])[place_P] if metrics else None)


def _edit(
    network: nn.Module, batch: BagBatch, coverage: UnitCoverage, directions: ByName, metrics: ByName
) -> UnitProducts:
    squared_PM = edit_squares(network, batch, coverage.names, metrics) if metrics else None
    photos = batch.photos_BNCHW
    if not directions:
        return UnitProducts(photos.new_zeros(int(batch.is_photo_BN.sum()), 0), squared_PM)
    return UnitProducts(tangent_bags(network, batch, directions).drop_photo().to(photos.dtype), squared_PM)


def _as_wide(found: Tensor, values: ByName) -> Tensor:
    """Products [rows, values], zero where none of the values' parameters took part."""
    width = next((len(value) for value in values.values()), 0)
    return found if found.shape[1] else found.new_zeros(len(found), width)
