"""Gradients of the queries: of whole visits, or of photos that stand for them."""

# Axes: Q queries; W the shape of a parameter.

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import QueryKind
from grasp_psonet.influence.units.network_parts import fitted, photos_alone, visit_losses


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
