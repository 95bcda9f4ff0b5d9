"""A photo file as pixels: upright, RGB, one square size. Nothing but pixels leaves this module, so no metadata does."""

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

_FORMATS = ("JPEG", "PNG")
_DRAFT = 2  # a JPEG is decoded to no fewer than this many times the wanted edge; the rest is an antialiased resize
# What Pillow raises on damaged files, by file type and by place of the damage.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, struct.error, zlib.error)


@dataclass(frozen=True)
class Photo:
    """``pixels`` [edge, edge, RGB] uint8; width and height are those of the upright original, in pixels."""

    pixels: NDArray[np.uint8]
    width_px: int
    height_px: int


def decode_photo(path: Path, edge_px: int) -> Photo:
    """Decodes a JPEG or PNG, turns it upright by its EXIF orientation, and resizes the whole photo to a square (paper:
    224 x 224) with antialiasing.

    Grey, palette, 16-bit and CMYK photos become RGB; what is transparent becomes white. Colours are taken as sRGB;
    a photo whose EXIF is damaged is taken as upright.
    Raises PhotoError on anything that cannot be decoded to its last row.
    """
    with _pillow_warnings(), _opened(path) as image:
        try:
            width_px, height_px = image.size
            image.draft(None, (_DRAFT * edge_px, _DRAFT * edge_px))
            upright = ImageOps.exif_transpose(image)
            if image.getexif().get(0x0112) in (5, 6, 7, 8):  # EXIF orientations that lie on their side
                width_px, height_px = height_px, width_px
            square = _rgb(upright).resize((edge_px, edge_px), Image.Resampling.BICUBIC)
        except _DAMAGE as error:
            raise PhotoError(f"{path} is damaged: {_reason(error)}") from None
    return Photo(np.asarray(square, dtype=np.uint8), width_px, height_px)


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels from the header alone, as stored (not yet upright). Raises PhotoError."""
    with _pillow_warnings(), _opened(path) as image:
        return image.size


@contextmanager
def _pillow_warnings() -> Iterator[None]:
    """Pillow warns of odd metadata, which is left behind anyway, and of too many pixels, which is refused here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _opened(path: Path) -> Image.Image:
    """An image whose header was read; its pixels are not loaded yet."""
    try:
        return Image.open(path, formats=_FORMATS)
    except FileNotFoundError:
        raise PhotoError(f"{path} does not exist; check `path` in photos.csv and the setting photos.root") from None
    except UnidentifiedImageError:
        raise PhotoError(f"{path} is not a JPEG or PNG; export it as one of these") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise PhotoError(f"{path} has too many pixels: {_reason(error)}; export it smaller") from None
    except _DAMAGE as error:
        raise PhotoError(f"{path} cannot be opened: {_reason(error)}") from None


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of an image of any mode."""
    if image.mode.startswith("I"):  # 16-bit grey, which convert() would clip at 255
        grey_HW = np.asarray(image, dtype=np.int64)
        return Image.fromarray((grey_HW.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
