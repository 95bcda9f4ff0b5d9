"""Measures of one photo's quality. They inform people; no photo is left out by them. Loads no pandas, for fresh processes."""

# Axes: H rows, W columns, C colours (red, green, blue) of a stored photo.

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LUMA_C = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_HASH_EDGE = 8


@dataclass(frozen=True)
class Quality:
    """Measures of one stored photo, in grey levels from 0 to 255 unless said otherwise.

    brightness: mean luma. contrast: standard deviation of luma. sharpness: variance of the Laplacian of luma (levels
    squared; small is blurred). cast_red_green: mean red minus mean green (negative is greenish). cast_yellow_blue: mean
    of red and green minus blue (negative is bluish). Skin is reddish and yellowish by itself: compare casts within a
    study, not with 0. hash: 64-bit difference hash as 16 hexadecimal digits.
    """

    brightness: float
    contrast: float
    sharpness: float
    cast_red_green: float
    cast_yellow_blue: float
    hash: str


def measure_quality(pixels_HWC: NDArray[np.uint8]) -> Quality:
    """The measures of a photo of at least 9 x 9 pixels."""
    colour_HWC = pixels_HWC.astype(np.float64)
    luma_HW = colour_HWC @ _LUMA_C
    laplacian_HW = (
        luma_HW[:-2, 1:-1] + luma_HW[2:, 1:-1] + luma_HW[1:-1, :-2] + luma_HW[1:-1, 2:] - 4 * luma_HW[1:-1, 1:-1]
    )
    red, green, blue = colour_HWC.mean(axis=(0, 1))
    return Quality(
        brightness=float(luma_HW.mean()),
        contrast=float(luma_HW.std()),
        sharpness=float(laplacian_HW.var()),
        cast_red_green=float(red - green),
        cast_yellow_blue=float((red + green) / 2 - blue),
        hash=_difference_hash(luma_HW),
    )


def _difference_hash(luma_HW: NDArray[np.float64]) -> str:
    """Whether brightness rises from each cell to its right neighbour, on an 8 x 9 grid of cell means."""
    rows_8W = np.stack([band.mean(axis=0) for band in np.array_split(luma_HW, _HASH_EDGE, axis=0)])
    cells_89 = np.stack([band.mean(axis=1) for band in np.array_split(rows_8W, _HASH_EDGE + 1, axis=1)], axis=1)
    return np.packbits(cells_89[:, 1:] > cells_89[:, :-1]).tobytes().hex()
