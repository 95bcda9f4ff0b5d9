"""From the bytes of a photo file to an image that Pillow holds: which format it is, and what is refused before decoding.

The bytes decide, not the name. JPEG, PNG, WebP, TIFF and AVIF are Pillow's; HEIC and DICOM need an extra of the package.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, features

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.dicom import read_dicom
from grasp_psonet.photos.files.heic import read_heic
from grasp_psonet.photos.files.large import refuse_large
from grasp_psonet.photos.settings import MOST_MEGAPIXELS

READ = "JPEG, PNG, WebP, TIFF, AVIF, HEIC, DICOM"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".dcm")
_HEAD = 512  # bytes that name the format
_JPEG = b"\xff\xd8\xff"
_SCAN = b"\xff\xda"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MOST_SCANS = 100
_MOST_SCANNED = 2_000_000_000  # pixels times scans: a progressive JPEG is gone over once for each of its scans
_SUBFILE_TYPE, _DNG_VERSION = 254, 50706
_MOST_PAGES = 64


@dataclass(frozen=True)
class Opened:
    """An image whose pixels are mostly not decoded yet; width and height in pixels as stored. ``stands``: it is upright as
    it is, whatever its EXIF says."""

    image: Image.Image
    stands: bool = False


def open_image(file: BinaryIO, most_megapixels: int = MOST_MEGAPIXELS) -> Opened:
    """The image in an open file, of which no more than the header is read where the format allows it. Raises PhotoError in
    words that follow the file's name (for more than so many million pixels, too), or what decoders raise on damage."""
    opened = _opened(file, most_megapixels)
    refuse_large(*opened.image.size, most_megapixels)
    return opened


def _opened(file: BinaryIO, most_megapixels: int) -> Opened:
    kind = kind_of(file.read(_HEAD))
    file.seek(0)
    match kind:
        case None:
            raise PhotoError(f"is not a photo that is read here ({READ}); export it as JPEG or PNG")
        case "HEIC":
            return Opened(read_heic(file.read(), most_megapixels), stands=True)
        case "DICOM":
            return Opened(read_dicom(file.read(), _open_jpeg, most_megapixels), stands=True)
        case "AVIF" if not features.check("avif"):
            raise PhotoError(
                "is AVIF, which the Pillow installed here does not read; install a newer Pillow, or export it"
            )
    image = Image.open(file, formats=(kind,))
    refuse_large(*image.size, most_megapixels)
    refusal = _REFUSALS.get(kind)
    if refusal is not None:
        refusal(image)
    return Opened(image, stands=kind == "TIFF")


def refuse_many_scans(image: Image.Image, data: bytes) -> None:
    """A small progressive JPEG can hold so many scans that decoding takes hours. Marker bytes stand nowhere else in pixels.
    Raises PhotoError."""
    if not data.startswith(_JPEG) or _is_one_scan(image, data):
        return
    scans = data.count(_SCAN)
    if scans > _MOST_SCANS or scans * image.width * image.height > _MOST_SCANNED:
        raise PhotoError(f"has {scans} scans of {image.width} x {image.height} pixels; export it anew")


def _is_one_scan(image: Image.Image, data: bytes) -> bool:
    """Whether the first scan holds all colours at full depth, so that decoding ends with it: most photos are such."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at : at + 2] != _SCAN:
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return "progressive" not in image.info and data[at + 4 : at + 5] == bytes([getattr(image, "layers", 0)])


def _open_jpeg(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    refuse_many_scans(image, data)
    return image


def kind_of(data: bytes) -> str | None:
    """The format by the first bytes; None where it is none that is read."""
    if data.startswith(_JPEG):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data[4:8] == b"ftyp":
        return _kind_of_brands(data)
    return "DICOM" if data[128:132] == b"DICM" else None


def _kind_of_brands(data: bytes) -> str | None:
    size = min(int.from_bytes(data[:4]), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, size, 4))]
    if any(brand in (b"avif", b"avis") for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in _HEIC_BRANDS for brand in brands) else None


def _refuse_moving(image: Image.Image) -> None:
    if getattr(image, "n_frames", 1) > 1:
        raise PhotoError("holds several pictures; save the one that is meant as a file of its own")


def _refuse_pages(image: Image.Image) -> None:
    """Camera raw files carry a small preview first, and would be taken for it; further pages would be lost."""
    tags = getattr(image, "tag_v2", {})
    if _DNG_VERSION in tags or _is_reduced(tags):
        raise PhotoError("is a camera's raw file; export it as JPEG")
    for page in range(1, _MOST_PAGES):
        try:
            image.seek(page)
        except EOFError:
            break
        if not _is_reduced(getattr(image, "tag_v2", {})):
            raise PhotoError("holds several pages; save the one that is meant as a file of its own")
    image.seek(0)


def _is_reduced(tags: "dict[int, int]") -> bool:
    subfile = tags.get(_SUBFILE_TYPE, 0)
    return isinstance(subfile, int) and bool(subfile & 1)


_REFUSALS: dict[str, Callable[[Image.Image], None]] = {
    "PNG": _refuse_moving,
    "WEBP": _refuse_moving,
    "AVIF": _refuse_moving,
    "TIFF": _refuse_pages,
}
