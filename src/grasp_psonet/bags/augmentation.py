"""Random changes of one photo, each named by a key so that any step of training can be rebuilt alone."""

import torch
from torch import Tensor

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.chance import generator


def augment(photo_HWC: Tensor, settings: AugmentationSettings, key: tuple[str | int, ...]) -> Tensor:
    """The photo [H, W, 3] in [0, 1], changed by the random choices of this key; the same object when nothing is set."""
    if not settings.is_on:
        return photo_HWC
    flip, brightness, contrast, across, down = generator(*key).random(5)
    if settings.flip and flip < 0.5:
        photo_HWC = photo_HWC.flip(1)
    if settings.shift:
        photo_HWC = _shift(photo_HWC, settings.shift * (2 * down - 1), settings.shift * (2 * across - 1))
    if settings.contrast:
        mean = photo_HWC.mean()
        photo_HWC = mean + (photo_HWC - mean) * (1 + settings.contrast * (2 * contrast - 1))
    if settings.brightness:
        photo_HWC = photo_HWC * (1 + settings.brightness * (2 * brightness - 1))
    return photo_HWC.clamp(0, 1)


def _shift(photo_HWC: Tensor, down: float, across: float) -> Tensor:
    """Shifted by fractions of the edge; what comes into view repeats the border."""
    height, width = photo_HWC.shape[:2]
    row_H = (torch.arange(height) - round(down * height)).clamp(0, height - 1)
    column_W = (torch.arange(width) - round(across * width)).clamp(0, width - 1)
    return photo_HWC[row_H][:, column_W]
