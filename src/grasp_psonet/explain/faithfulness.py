"""Deletion and insertion: whether what a map calls important is so to the network (Petsiuk et al. 2018, RISE, section 4.1).

Deletion takes the photo's patches away, the warmest first; insertion puts them back, the warmest first. A map that is right
makes what speaks for the label fall early and rise early: a small area under the deletion curve, a large one under the
insertion curve. What counts as small or large depends on network and photo, so the same patches in random order stand beside.

Two choices differ from the paper's. The order is of patches, not of pixels: a random order of pixels makes a photo of speckle,
which a network answers for other reasons than a coarse map's blots. And the curve is of what maps explain (of classes: the
logit), not of the probability, which hardly moves where a visit's answer is sure.
"""

# Axes: R orders, P patches, S versions along a curve, C channels, H W pixels, h w cells of a map.

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from grasp_psonet.explain.heat import Heat, heat_at
from grasp_psonet.explain.in_bag import PhotoInBag

Orders = NDArray[np.int64]

PATCHES_ACROSS = 8
NUM_PATCHES = PATCHES_ACROSS**2
NUM_STEPS = 8  # versions between the ends of a curve, one end included: 8 patches a step
_BLUR = 1 / 8  # standard deviation as a part of the edge: plaques are gone, the colour of the whole stays
_TOGETHER = 32  # versions of a photo in one pass of the encoder


@dataclass(frozen=True)
class Areas:
    """Areas under the curves of orders, as means of the evidence over the part of the photo that was changed, from none to all:
    in units of the output (of classes: logits)."""

    deletion_R: NDArray[np.float64]
    insertion_R: NDArray[np.float64]


def warmest_first(heat_hw: Heat, rng: np.random.Generator) -> Orders:
    """The patches [P] of an 8 x 8 grid by the mean heat in them, the warmest first; equally warm ones in random order."""
    edge_px = PATCHES_ACROSS * max(4, -(-max(heat_hw.shape) // PATCHES_ACROSS))  # a whole number of pixels a patch
    pixels = heat_at(heat_hw, edge_px, edge_px)
    size = edge_px // PATCHES_ACROSS
    heat_P = pixels.reshape(PATCHES_ACROSS, size, PATCHES_ACROSS, size).mean(axis=(1, 3)).ravel()
    return np.lexsort((rng.random(NUM_PATCHES), -heat_P.round(9)))  # rounding of sums is no difference


def random_orders(num: int, rng: np.random.Generator) -> Orders:
    """So many random orders of the patches, [R, P]."""
    return np.stack([rng.permutation(NUM_PATCHES) for _ in range(num)])


def areas_of(photo: PhotoInBag, order_RP: Orders) -> Areas:
    """Areas under the deletion and the insertion curve of these orders of patches.

    Deleted patches take the encoder's mean colour; insertion begins with the blurred photo (standard deviation an eighth of its
    edge).
    """
    whole_CHW, blurred_CHW = photo.pixels, _blurred(photo.pixels)
    changed_SHW = _steps(order_RP, whole_CHW)
    with torch.no_grad():
        end_3 = photo.evidence(torch.stack([whole_CHW, photo.neutral, blurred_CHW])).double().cpu()
        deleted = _evidence(photo, whole_CHW, photo.neutral, changed_SHW)
        inserted = _evidence(photo, blurred_CHW, whole_CHW, changed_SHW)
    curves = (len(order_RP), NUM_STEPS - 1)
    return Areas(
        _area(end_3[0], deleted.reshape(curves), end_3[1]), _area(end_3[2], inserted.reshape(curves), end_3[0])
    )


def _steps(order_RP: Orders, photo_CHW: Tensor) -> Tensor:
    """Which pixels have changed at each inner step of each order, one order after the other, [S, H, W]."""
    height_px, width_px = photo_CHW.shape[1:]
    row_H, column_W = (torch.arange(edge) * PATCHES_ACROSS // edge for edge in (height_px, width_px))
    patch_HW = row_H[:, None] * PATCHES_ACROSS + column_W[None]
    rank_RP = torch.from_numpy(np.argsort(order_RP, axis=1))
    rank_RHW = rank_RP[:, patch_HW]
    num_changed = torch.arange(1, NUM_STEPS) * NUM_PATCHES // NUM_STEPS
    return (rank_RHW[:, None] < num_changed[:, None, None]).flatten(0, 1).to(photo_CHW.device)


def _evidence(photo: PhotoInBag, before_CHW: Tensor, after_CHW: Tensor, changed_SHW: Tensor) -> Tensor:
    """The evidence of every version [S]: ``after`` where it has changed, ``before`` elsewhere."""
    parts = [
        photo.evidence(torch.where(some_SHW[:, None], after_CHW, before_CHW)).double().cpu()
        for some_SHW in torch.split(changed_SHW, _TOGETHER)
    ]
    return torch.cat(parts)


def _area(first: Tensor, inner_RS: Tensor, last: Tensor) -> NDArray[np.float64]:
    """Trapezoid rule over [0, 1] of curves that share their ends, [R]."""
    area_R: NDArray[np.float64] = ((inner_RS.sum(dim=1) + (first + last) / 2) / NUM_STEPS).numpy()
    return area_R


def _blurred(photo_CHW: Tensor) -> Tensor:
    """The photo blurred until no plaque is seen; the photo goes on beyond its edge as its mirror image."""
    sigma = [edge * _BLUR for edge in photo_CHW.shape[1:]]
    kernel = [2 * min(int(3 * one), edge - 1) + 1 for one, edge in zip(sigma, photo_CHW.shape[1:], strict=True)]
    blurred_CHW: Tensor = gaussian_blur(photo_CHW, kernel[::-1], sigma[::-1])
    return blurred_CHW
