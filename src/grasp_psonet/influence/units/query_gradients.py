"""Gradients of the queries: of whole visits, or of photos that stand for them."""

# Axes: Q queries; W the shape of a parameter.

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import QueryKind
from grasp_psonet.influence.gradients.batch_norm import exact_batch_norm
from grasp_psonet.influence.gradients.coverage import tolerance_of
from grasp_psonet.influence.units.network_parts import fitted, photos_alone, visit_losses

TELLING = 1e-2  # of the network's largest gradient: what is smaller, by tolerance, may be rounding


def query_gradients(
    network: nn.Module, batches: Iterable[BagBatch], kind: QueryKind, names: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Gradient of each query's loss [Q, *shape] by parameter (default: all), in evaluation mode without augmentation.

    ``visit``: the whole bag. ``photo``: the one present photo of the bag, alone; raises TraceError for a bag with several,
    since which photo stands for a visit is chosen once, by the kept model. Unreached parameters get zeros.
    """
    chosen = _chosen(network, names)
    rows: dict[str, list[Tensor]] = {name: [] for name in chosen}
    for given in batches:
        batch = _as_read(network, given, kind)
        with exact_batch_norm(network):
            loss_B = visit_losses(network, batch)
        for loss in loss_B:
            found = torch.autograd.grad(loss, list(chosen.values()), retain_graph=True, allow_unused=True)
            for (name, weight), gradient in zip(chosen.items(), found, strict=True):
                rows[name].append(torch.zeros_like(weight) if gradient is None else gradient)
    return {
        name: torch.stack(gradients) if gradients else chosen[name].new_zeros(0, *chosen[name].shape)
        for name, gradients in rows.items()
    }


def prove_query_gradient(
    network: nn.Module, query: BagBatch, kind: QueryKind, names: Iterable[str] | None = None
) -> None:
    """Takes the gradient of a query (a batch of one bag) by itself, as all are, and again beside a copy of it.

    Kernels for a batch of one are others than those for more, which the rules are proven on. Raises TraceError naming the
    parameters whose two gradients differ. Costs three passes of the query.
    """
    found = query_gradients(network, [query], kind, names)
    chosen = _chosen(network, names)
    batch = _as_read(network, query, kind)
    loss = visit_losses(network, batch.row(0).beside(batch.row(0)))[0]
    truth = torch.autograd.grad(loss, list(chosen.values()), allow_unused=True, materialize_grads=True)
    largest = max((float(gradient.abs().max()) for gradient in truth if gradient.numel()), default=0.0)
    wrong = []
    for (name, weight), gradient in zip(chosen.items(), truth, strict=True):
        tolerance = tolerance_of(weight.dtype)
        allowance = tolerance * float(gradient.abs().max()) + TELLING * tolerance * largest
        if not float((found[name][0] - gradient).abs().max()) <= allowance:
            wrong.append(name)
    if wrong:
        raise TraceError(
            f"the gradient of a query depends on whether it is taken alone, first for {', '.join(wrong[:5])}, of "
            f"{len(wrong)} parameters: a layer around them is differentiated wrongly on a batch of one, or mixes its batch\n"
            "  next: leave these out of the traced parameters, or replace the layer; torch.autograd.gradcheck finds it"
        )


def _chosen(network: nn.Module, names: Iterable[str] | None) -> dict[str, Tensor]:
    wanted = None if names is None else set(names)
    return {name: weight for name, weight in network.named_parameters() if wanted is None or name in wanted}


def _as_read(network: nn.Module, given: BagBatch, kind: QueryKind) -> BagBatch:
    """The queries as the network reads them. Raises TraceError for several photos where one is wanted."""
    batch = fitted(network, given)
    if kind == "visit":
        return batch
    crowded = (batch.is_photo_BN.sum(dim=1) != 1).nonzero().flatten().tolist()
    if crowded:
        raise TraceError(
            f"queries of kind photo are bags of one photo; rows {crowded} of this batch hold another number\n"
            "  next: give queries of one photo, or query='visit'"
        )
    return photos_alone(batch)
