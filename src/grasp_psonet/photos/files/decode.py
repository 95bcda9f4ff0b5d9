"""A photo file as pixels: upright, sRGB, one square size. Nothing but pixels leaves this module, so no metadata does."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.colour import native, to_srgb
from grasp_psonet.photos.files.formats import open_image, refuse_many_scans
from grasp_psonet.photos.files.large import own_limit
from grasp_psonet.photos.files.place import read_bytes, regular_file
from grasp_psonet.photos.settings import MOST_MEGAPIXELS, Fit

_DRAFT = 2  # a JPEG is decoded to no fewer than this many times the wanted edge; the rest is an antialiased resize
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)
# What decoders raise on damaged files, by file type and by place of the damage.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    IndexError,
    AssertionError,
    AttributeError,
    RuntimeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Photo:
    """``pixels`` [edge, edge, RGB] uint8; width and height are those of the upright original, in pixels."""

    pixels: NDArray[np.uint8]
    width_px: int
    height_px: int


def decode_photo(path: Path, edge_px: int, fit: Fit = "resize", most_megapixels: int = MOST_MEGAPIXELS) -> Photo:
    """Decodes a photo, turns it upright by its orientation, and makes it a square with antialiasing.

    ``fit``: "resize" squeezes the whole photo (paper: 224 x 224), "crop" takes the largest square from its middle, "pad"
    keeps the shape of the whole photo and fills up with black. Grey, palette, 16-bit and CMYK photos become RGB; what is
    transparent becomes white. A colour profile is followed to sRGB; without one colours are taken as sRGB. A photo whose
    EXIF is damaged is taken as upright.
    Raises PhotoError on anything that is no regular file, has more than so many million pixels, or cannot be decoded to its
    last row.
    """
    return decode_bytes(read_bytes(path), path, edge_px, fit, most_megapixels)


def decode_bytes(
    data: bytes, path: Path, edge_px: int, fit: Fit = "resize", most_megapixels: int = MOST_MEGAPIXELS
) -> Photo:
    """The same of bytes that were read; ``path`` names them in errors."""
    with _naming(path):
        opened = open_image(io.BytesIO(data), most_megapixels)
        image = opened.image
        refuse_many_scans(image, data)
        width_px, height_px = image.size
        image.draft(None, (_DRAFT * edge_px, _DRAFT * edge_px))
        image.load()  # before its tags are asked for: some formats would load it then, and damage would pass for a missing tag
        orientation = 1 if opened.stands else _orientation(image)
        profile = image.info.get("icc_profile")
        upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        upright = native(upright)
        if not profile:  # a profile is followed on the few pixels that are left
            upright = upright.convert("RGB")
        square = to_srgb(_square(upright, edge_px, fit), profile if isinstance(profile, bytes) else None)
        if orientation in _ON_ITS_SIDE:
            width_px, height_px = height_px, width_px
        return Photo(np.asarray(square, dtype=np.uint8), width_px, height_px)


def read_size(path: Path, most_megapixels: int = MOST_MEGAPIXELS) -> tuple[int, int]:
    """Width and height in pixels from the header, as stored (not yet upright). Raises PhotoError, for more than so many million
    pixels, too."""
    with _naming(path), regular_file(path) as file:
        return open_image(file, most_megapixels).image.size


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none, or none that can be read."""
    try:
        told = image.getexif().get(_ORIENTATION)
    except _DAMAGE:
        return 1
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _square(image: Image.Image, edge_px: int, fit: Fit) -> Image.Image:
    wanted, how = (edge_px, edge_px), Image.Resampling.BICUBIC
    match fit:
        case "resize":
            return image.resize(wanted, how)
        case "crop":
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            return image.resize(wanted, how, box=(left, top, left + side, top + side))
        case "pad":
            black = (0, 0, 0, 255) if image.mode == "CMYK" else 0
            return ImageOps.pad(image, wanted, how, color=black)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Every fault of a file as a PhotoError that names it. Pillow warns of odd metadata, which is left behind anyway; of too
    many pixels ``open_image`` speaks."""
    try:
        with warnings.catch_warnings(), own_limit():
            warnings.simplefilter("ignore")
            yield
    except PhotoError as error:
        told = str(error)
        raise PhotoError(told if told.startswith(str(path)) else f"{path} {told}") from None
    except UnidentifiedImageError:
        raise PhotoError(f"{path} is damaged: its header cannot be read") from None
    except MemoryError:
        raise PhotoError(f"{path} needs more memory than there is; export it smaller") from None
    except _DAMAGE as error:
        if "MAX_TEXT" in str(error):  # Pillow's name of a limit
            raise PhotoError(
                f"{path} holds texts or a colour profile of more than 1 MiB (64 MiB in all) once unpacked; export it anew"
            ) from None
        raise PhotoError(f"{path} is damaged: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).partition("\n")[0]
