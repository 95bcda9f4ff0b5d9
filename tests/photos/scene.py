"""One drawn photo in every format and orientation: what the camera saw, and how it may have been stored."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

HEIC = Path(__file__).with_name("heic")
_ORIENTATION = 0x0112
# how upright pixels are turned so that a viewer that follows the orientation sees them upright again
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene() -> Image.Image:
    """A photo of 120 x 80 whose halves and corners all differ, without fine detail: skin with a red plaque."""
    y, x = np.mgrid[:80, :120] / (80.0, 120.0)[0]
    plaque = np.exp(-(((x - 0.4) / 0.25) ** 2 + ((y - 0.3) / 0.2) ** 2))
    shade = 0.75 + 0.2 * x - 0.25 * y
    colour = np.array([215, 165, 140])[None, None] * shade[..., None] + plaque[..., None] * np.array([20, -70, -60])
    return Image.fromarray(colour.clip(0, 255).astype(np.uint8))


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera held that way stores them."""
    return upright.transpose(_STORED[orientation]) if orientation in _STORED else upright


def file_of(upright: Image.Image, kind: str, orientation: int = 1, **how: object) -> bytes:
    """A file of Pillow's format ``kind`` with this orientation in its EXIF."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    buffer = io.BytesIO()
    lossy = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"quality": 95} if kind in ("WEBP", "AVIF") else {}
    stored(upright, orientation).save(buffer, kind, exif=exif, **(lossy | how))
    return buffer.getvalue()
