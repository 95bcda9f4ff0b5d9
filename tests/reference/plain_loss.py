"""The loss of one visit by the book, written without the product's own: by the kind of the network's outcome."""

from typing import Any

import torch
from torch import Tensor

from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.network.network import BagNetwork
from tests.reference.regional import plain_parts_loss, plain_points


def plain_loss(network: BagNetwork, output_C: Tensor, label: Any) -> Tensor:
    """``label``: a number, or a list of the total and its parts.

    Cross-entropy of a class; of a score half the squared error in units, or Huber's loss with its bend at one unit."""
    if network.outcome.kind == "classes":
        return -output_C.log_softmax(dim=0)[int(label)]
    scale = network.outcome.scale
    if network.outcome.kind == "pasi regional":
        total, *parts = label
        loss = _of_error(scale.loss, _off(scale, plain_points(output_C), total) / scale.points_per_unit)
        return loss + scale.parts_weight * plain_parts_loss(output_C, parts)
    return _of_error(scale.loss, _off(scale, output_C[0] * scale.points_per_unit, label) / scale.points_per_unit)


def _off(scale: SeveritySettings, points: Tensor, label: float) -> Tensor:
    """Points off a score, or off the nearer end of the scores of the class of which alone is known: -1 the first, -2 the
    second, and so on (of a range that begins at 0)."""
    if scale.only_class == "refused" or label >= 0:
        return points - label
    edges = [0.0, *scale.cutoffs, scale.score_range[1]]
    low, high = edges[int(-label) - 1], edges[int(-label)]
    if low < float(points.detach()) < high:
        return 0 * points
    return points - (low if float(points.detach()) <= low else high)


def _of_error(loss: str, error: Tensor) -> Tensor:
    if loss == "squared" or abs(float(error.detach())) <= 1:
        return error * error / 2
    return (error if float(error.detach()) > 0 else -error) - 0.5


def plain_losses(network: BagNetwork, output_BC: Tensor, label_B: Tensor) -> Tensor:
    """The same of every visit [B]."""
    return torch.stack(
        [plain_loss(network, output_C, label) for output_C, label in zip(output_BC, label_B.tolist(), strict=True)]
    )
