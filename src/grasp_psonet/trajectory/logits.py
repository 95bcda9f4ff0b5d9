"""Class logits of a batch of visits from any network: what training, replay and tracing take losses of.

Networks that are not ``BagNetwork`` are called as ``network(photos_BN, is_photo_BN) -> logits_BC``, or logits [B] of the
second of two classes (as with ``BCEWithLogitsLoss``).
"""

# Axes: B bags, N photos per bag (padded), R bags of equally many photos, C classes (in logits).

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.network.loss import has_own_loss
from grasp_psonet.network.network import BagNetwork


def logits_of(network: nn.Module, batch: BagBatch) -> Tensor:
    """Logits [B, C] of each visit. Networks that are not ours see bags of equally many photos together: no padding, except
    zeros in the batches of a recorded loop that padded its bags (``padded_to_B``).

    Raises TraceError where the network returns something else than logits.
    """
    if isinstance(network, BagNetwork):
        ours: Tensor = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.region_BN).logits_BC
        return ours
    length_B = batch.is_photo_BN.sum(dim=1)
    if batch.padded_to_B is not None:
        length_B = torch.maximum(length_B, batch.padded_to_B)
    elif bool(batch.is_photo_BN.all()):
        return class_logits(network, network(batch.photos_BNCHW, batch.is_photo_BN), len(batch.label_B))
    parts: list[Tensor] = []
    order: list[Tensor] = []
    for length in sorted(set(length_B.tolist())):
        rows = (length_B == length).nonzero().flatten()
        parts.append(class_logits(network, network(*_padded(batch, rows, length)), len(rows)))
        order.append(rows)
    return torch.cat(parts)[torch.cat(order).argsort()]


def _padded(batch: BagBatch, rows: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Photos of these bags [R, length, ...], zeros behind the present ones, and which of them are photos [R, length]."""
    is_photo_RN, photos_RN = batch.is_photo_BN[rows], batch.photos_BNCHW[rows]
    is_there_RN = torch.arange(length, device=rows.device) < is_photo_RN.sum(dim=1)[:, None]
    shape = (len(rows), length, *photos_RN.shape[2:])
    if bool(is_there_RN.all()):
        return photos_RN[is_photo_RN].view(shape), is_there_RN
    padded_RN = photos_RN.new_zeros(shape)
    padded_RN[is_there_RN] = photos_RN[is_photo_RN]
    return padded_RN, is_there_RN


def class_logits(network: nn.Module, output: object, num_bags: int) -> Tensor:
    """What a network returned, as logits [B, C]; one number a bag is the logit of the second of two classes.

    As it is, of any shape [B, ...], where the network has a loss of its own.
    """
    if has_own_loss(network):
        if isinstance(output, Tensor) and output.ndim and len(output) == num_bags:
            return output
        seen = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise TraceError(
            f"{type(network).__name__} returned {seen} for {num_bags} bags; wanted: a tensor [bags, ...] for the loss\n"
            "  next: wrap it in a module whose forward(photos, mask) returns what the loss takes, one row a bag"
        )
    if isinstance(output, Tensor) and output.ndim == 1:
        output = torch.stack([torch.zeros_like(output), output], dim=1)
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != num_bags or output.shape[1] < 2:
        seen = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise TraceError(
            f"{type(network).__name__} returned {seen} for {num_bags} bags; wanted: logits [bags, classes], or "
            "[bags] for two classes\n  next: wrap it in a module whose forward(photos, mask) returns the logits alone"
        )
    return output
