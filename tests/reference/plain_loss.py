"""The loss of one visit by the book, written without the product's own: by the kind of the network's outcome."""

import torch
from torch import Tensor

from grasp_psonet.network.network import BagNetwork


def plain_loss(network: BagNetwork, output_C: Tensor, label: float) -> Tensor:
    """Cross-entropy of a class; of a score half the squared error in units, or Huber's loss with its bend at one unit."""
    if network.outcome.kind == "classes":
        return -output_C.log_softmax(dim=0)[int(label)]
    scale = network.outcome.scale
    error = output_C[0] - label / scale.points_per_unit
    if scale.loss == "squared" or abs(float(error.detach())) <= 1:
        return error * error / 2
    return (error if float(error.detach()) > 0 else -error) - 0.5


def plain_losses(network: BagNetwork, output_BC: Tensor, label_B: Tensor) -> Tensor:
    """The same of every visit [B]."""
    return torch.stack(
        [plain_loss(network, output_C, label) for output_C, label in zip(output_BC, label_B.tolist(), strict=True)]
    )
