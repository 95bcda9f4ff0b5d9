"""How a network reads a batch of visits: whole, photo by photo, and its parts before and after the pool.

Networks that are not ``BagNetwork`` are called as ``trajectory.logits`` says. A network *offers its parts* when it has
``features`` (photos [M, ...] -> [M, D]), ``attention`` (a module, [M, D] -> logits [M]) and ``head`` (a module, [B, D] ->
logits [B, C]), and its own forward is softmax pooling between them.
"""

# Axes: B bags (visits), N photos per bag (padded), M photos that are read, P present photos, D feature length, C classes.

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.backward_pass import LossOf
from grasp_psonet.influence.gradients.exact_products import Examples
from grasp_psonet.network.attention import pool_read
from grasp_psonet.network.loss import loss_of
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.logits import logits_of


def fitted(network: nn.Module, batch: BagBatch) -> BagBatch:
    """The batch on the network's device, photos in the network's precision."""
    weight = next(network.parameters())
    moved = batch.to(weight.device)
    return replace(moved, photos_BNCHW=moved.photos_BNCHW.to(weight.dtype))


def reads_removed(network: nn.Module) -> bool:
    """Whether removed photos still shape the attention (the paper's mask)."""
    return bool(getattr(network, "masks_as_paper", False))


def read_mask(network: nn.Module, batch: BagBatch) -> Tensor:
    """Which photos [B, N] the network reads: the stored ones under the paper's mask, else the present ones."""
    return batch.is_stored_BN if reads_removed(network) else batch.is_photo_BN


def visit_losses(network: nn.Module, batch: BagBatch) -> Tensor:
    """The loss of each visit [B] that the network is trained by; networks that are not ours: cross-entropy."""
    return loss_of(network)(logits_of(network, batch), batch.label_B)


def pooled(network: nn.Module, batch: BagBatch) -> Tensor:
    """Bag features [B, D] of a network that offers its parts."""
    feature_MD = features_of(network, batch.photos_BNCHW[read_mask(network, batch)])
    logit_M = part(network, "attention")(feature_MD)
    return pool_of(network, batch, feature_MD, logit_M)


def pool_of(network: nn.Module, batch: BagBatch, feature_MD: Tensor, logit_M: Tensor) -> Tensor:
    """Bag features [B, D] of these features and attention logits of the photos that are read; by region [B, R, D + 1]."""
    masks = (batch.is_photo_BN, batch.is_stored_BN, reads_removed(network))
    return pool_read(feature_MD, logit_M, *masks, batch.region_BN)[0]


def features_of(network: nn.Module, photos_M: Tensor) -> Tensor:
    """Features [M, D] of photos by themselves."""
    feature_MD: Tensor = network.features(photos_M)  # type: ignore[operator]
    return feature_MD


def part(network: nn.Module, name: str) -> nn.Module:
    """The attention or the head of a network that offers its parts."""
    module: nn.Module = getattr(network, name)
    return module


def refuse_without_parts(network: nn.Module, unit: str, batch: BagBatch) -> None:
    """Raises TraceError naming the parts that the network lacks, or where its forward is not made of them."""
    lacking = [name for name in ("attention", "head") if not isinstance(getattr(network, name, None), nn.Module)]
    if not callable(getattr(network, "features", None)):
        lacking.insert(0, "features")
    if lacking:
        raise TraceError(
            f"unit {unit} needs a network that offers its parts; {type(network).__name__} has no {', '.join(lacking)}\n"
            "  next: unit single or visit, or give the network features(photos), attention(features) and head(bag)"
        )
    with torch.no_grad():
        logits_BC = part(network, "head")(pooled(network, batch))
        if not isinstance(network, BagNetwork) and (logits_BC.ndim != 2 or logits_BC.shape[1] < 2):
            raise TraceError(
                f"unit {unit} needs a head that returns logits [bags, classes]; that of {type(network).__name__} returns "
                f"{tuple(logits_BC.shape)} for {len(batch.label_B)} bags\n  next: unit single or visit, or a head of two logits"
            )
        by_parts_B = loss_of(network)(logits_BC, batch.label_B)
        whole_B = visit_losses(network, batch)
    if not torch.allclose(by_parts_B, whole_B, rtol=1e-3, atol=1e-4):
        raise TraceError(
            f"unit {unit} needs the network's forward to be its parts: features, softmax attention, head; "
            f"{type(network).__name__} gives losses {whole_B.tolist()}, its parts {by_parts_B.tolist()}\n"
            "  next: unit single or visit"
        )


def bags_of(batch: BagBatch) -> Examples:
    """Each bag as an example, by its own loss."""

    def alone(b: int) -> LossOf:
        return partial(visit_losses, batch=batch.row(b))

    return Examples(len(batch.label_B), partial(visit_losses, batch=batch), alone)


def photos_alone(batch: BagBatch) -> BagBatch:
    """Every present photo as a bag of one with its visit's label, in row order [P, 1, ...]; nothing else is stored."""
    is_there_P1 = batch.is_photo_BN[batch.is_photo_BN][:, None]
    photos_P1 = batch.photos_BNCHW[batch.is_photo_BN][:, None]
    region_P1 = None if batch.region_BN is None else batch.region_BN[batch.is_photo_BN][:, None]
    return BagBatch(photos_P1, is_there_P1, is_there_P1, batch.label_B[visit_of_photos(batch)], region_P1)


def visit_of_photos(batch: BagBatch) -> Tensor:
    """The row of the visit of each present photo [P]."""
    return batch.is_photo_BN.nonzero()[:, 0]


def only_visits(batch: BagBatch, rows: Tensor, is_read_BN: Tensor) -> BagBatch:
    """These visits with the photos that are read moved together, all of which must read equally many: no padding left."""
    count = int(is_read_BN[rows[0]].sum())
    is_read_RN = is_read_BN[rows]
    return BagBatch(
        batch.photos_BNCHW[rows][is_read_RN].view(len(rows), count, *batch.photos_BNCHW.shape[2:]),
        batch.is_photo_BN[rows][is_read_RN].view(-1, count),
        batch.is_stored_BN[rows][is_read_RN].view(-1, count),
        batch.label_B[rows],
        None if batch.region_BN is None else batch.region_BN[rows][is_read_RN].view(-1, count),
    )
