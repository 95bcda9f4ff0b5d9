"""Colours of a photo: any mode to 8-bit RGB, and a colour profile to sRGB."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from grasp_psonet.errors import PhotoError

_SPACES = {
    "RGB": "RGB",
    "L": "GRAY",
    "CMYK": "CMYK",
}  # what a profile says of the pixels it belongs to, by Pillow's mode
_KNOWN = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "La", "CMYK", "YCbCr"}
_MOST_OF_16_BIT = 65535


def native(image: Image.Image) -> Image.Image:
    """8 bits a channel without transparency, in a mode that a colour profile may belong to: grey, RGB or CMYK. What is
    transparent becomes white. Raises PhotoError for pixels that are no photo's (floating point, Lab)."""
    if image.mode.startswith("I"):  # 16-bit grey, which convert() would clip at 255
        return _from_16_bit(image)
    if image.mode not in _KNOWN:
        raise PhotoError(f"has pixels of the kind {image.mode}, which are no photo's; export it as JPEG or PNG")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in _SPACES else image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image of ``native`` as sRGB. Without a profile, with a damaged one or one that belongs to other pixels, colours
    are taken as sRGB (of CMYK: by Pillow's plain formula)."""
    transform = None if not profile else _transform(profile, image.mode)
    if transform is None:
        return image.convert("RGB")
    found = ImageCms.applyTransform(image, transform)
    return image.convert("RGB") if found is None else found


@lru_cache(64)
def _transform(profile: bytes, mode: str) -> Any:
    """From this profile to sRGB; None where there is nothing to do, or nothing that can be done."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        if mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _from_16_bit(image: Image.Image) -> Image.Image:
    grey_HW = np.asarray(image, dtype=np.int64)
    if grey_HW.max(initial=0) > _MOST_OF_16_BIT:
        raise PhotoError("has pixels of 32 bits, which are no photo's; export it as JPEG or PNG")
    return Image.fromarray((grey_HW.clip(0, _MOST_OF_16_BIT) >> 8).astype(np.uint8))
