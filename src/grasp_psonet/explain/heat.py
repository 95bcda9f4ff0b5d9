"""A map of a photo: how warm each place of it is, from 0 to 1, and what that stands for."""

# Axes: C channels, H W pixels, h w cells of a map.

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Heat = NDArray[np.float64]

_CELLS_ACROSS = 16


@dataclass(frozen=True)
class PhotoMap:
    """``heat_hw``: the map divided by its largest value, in [0, 1], in cells of its own; 0 where nothing speaks for the label.

    ``largest``: the largest value before that division; exactly 0 means that no place of the photo speaks for the label.
    """

    heat_hw: Heat
    largest: float

    @property
    def is_empty(self) -> bool:
        """Whether no place of the photo speaks for the label."""
        return self.largest == 0


def heat_at(heat_hw: NDArray[np.floating], height_px: int, width_px: int) -> Heat:
    """The heat of every pixel [height, width] of a photo of this size, bilinear between the cells of the map, in [0, 1]."""
    image = Image.fromarray(np.asarray(heat_hw, dtype=np.float32)).resize(
        (width_px, height_px), Image.Resampling.BILINEAR
    )
    return np.clip(np.asarray(image, dtype=np.float64), 0.0, 1.0)


def summed_in_cells(attribution_CHW: Tensor) -> Tensor:
    """Sums [C, h, w] of attributions over the cells of a grid, at most 16 across; their sum stays. Single pixels of a gradient
    are noise, and too small to be seen."""
    found = attribution_CHW.detach().cpu()
    for axis in (1, 2):
        edge = found.shape[axis]
        cell = torch.arange(edge) * min(_CELLS_ACROSS, edge) // edge
        shape = [min(_CELLS_ACROSS, edge) if one == axis else found.shape[one] for one in range(3)]
        found = found.new_zeros(shape).index_add(axis, cell, found)
    return found


def map_of_attributions(attribution_CHW: Tensor) -> PhotoMap:
    """The map of attributions [C, H, W]: what speaks for the label once channels are summed; what speaks against it is 0."""
    speaks_HW = attribution_CHW.detach().double().sum(dim=0).clamp(min=0).cpu().numpy()
    largest = float(speaks_HW.max())
    return PhotoMap(speaks_HW / (largest or 1.0), largest)
