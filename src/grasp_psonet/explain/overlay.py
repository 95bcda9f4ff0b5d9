"""A photo with the heat of its map laid over it, as PNG bytes."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.explain.heat import heat_at

# Viridis at ten even steps: perceptually uniform, safe for colour-blind readers, and unlike skin or erythema.
_ANCHORS = ("440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725")
_ANCHORS_RGB = np.array([[int(code[at : at + 2], 16) for at in (0, 2, 4)] for code in _ANCHORS], dtype=np.float64)
_STRONGEST = 0.7  # share of the heat colour where the map is 1; the skin stays visible under it


def heat_colours(heat: NDArray[np.float64]) -> NDArray[np.float64]:
    """RGB (0-255) along a new last axis for heat in [0, 1]."""
    at = np.clip(heat, 0.0, 1.0) * (len(_ANCHORS_RGB) - 1)
    steps = np.arange(len(_ANCHORS_RGB))
    return np.stack([np.interp(at, steps, _ANCHORS_RGB[:, channel]) for channel in range(3)], axis=-1)


def overlay_png(photo_HWC: NDArray[np.uint8], cam_hw: NDArray[np.floating]) -> bytes:
    """The photo with the map over it (bilinear to the photo's size); where the map is 0 the photo is untouched.

    A map without positive evidence therefore gives the plain photo: the caller says so in words.
    """
    heat_HW = heat_at(cam_hw, *photo_HWC.shape[:2])
    opacity_HW1 = (_STRONGEST * heat_HW)[..., None]
    mixed_HWC = (1 - opacity_HW1) * photo_HWC + opacity_HW1 * heat_colours(heat_HW)
    written = io.BytesIO()
    Image.fromarray(np.rint(mixed_HWC).astype(np.uint8)).save(written, format="PNG", optimize=True)
    return written.getvalue()
