"""Photos of more pixels than are decoded: a small file may claim, or unpack to, far more than memory holds."""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from grasp_psonet.errors import PhotoError

_MILLION = 1_000_000


def refuse_large(width_px: int, height_px: int, most_megapixels: int) -> None:
    """Raises PhotoError, in words that follow the file's name, for more than so many million pixels."""
    num_pixels = width_px * height_px
    if num_pixels > most_megapixels * _MILLION:
        raise PhotoError(
            f"has too many pixels: {width_px} x {height_px} are {num_pixels / _MILLION:,.0f} million, more than the "
            f"{most_megapixels} of photos.most_megapixels; export it smaller, or raise the setting where memory allows"
        )


@contextmanager
def own_limit() -> Iterator[None]:
    """Pillow without its limit of pixels, for code that asks ``refuse_large`` before anything is decoded."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
