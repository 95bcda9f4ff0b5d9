"""What the original photos say of people, places and devices, so that it can be looked for elsewhere."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

_TEXT_TAGS = (0x010E, 0x013B, 0x013C, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)  # description, artist, host, ...
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_EXIF_TAGS = (0x9286, 0xA420, 0xA430, 0xA431, 0xA435)  # user comment, unique id, owner, serials of body and lens
_GPS_TAGS = (27, 28)  # method, area
_TIME_TAGS = ((0, 0x0132), (_EXIF_IFD, 0x9003), (_EXIF_IFD, 0x9004))
_SHORTEST = 6  # shorter texts stand anywhere by chance
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


@dataclass(frozen=True)
class Secrets:
    """Texts of the originals' metadata (owner, serials, descriptions) and their capture times as EXIF writes them."""

    texts: frozenset[str]
    times: frozenset[str]
    num_photos: int  # whose EXIF was read
    num_closed: int = 0  # HEIC, DICOM and damaged ones, whose EXIF was not


def secrets_of(files: Iterable[Path]) -> Secrets:
    """What the headers of these photos say; of files that Pillow cannot open, nothing."""
    texts: set[str] = set()
    times: set[str] = set()
    num_photos, num_closed = 0, 0
    for file in files:
        exif = _exif(file)
        if exif is None:
            num_closed += 1
            continue
        num_photos += 1
        texts |= {text for text in _texts(exif) if len(text) >= _SHORTEST}
        times |= {_text(_in(exif, ifd).get(tag)) for ifd, tag in _TIME_TAGS}
    return Secrets(frozenset(texts), frozenset(times - {""}), num_photos, num_closed)


def _exif(file: Path) -> Image.Exif | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS) as image:
                return image.getexif()
    except Exception:  # what cannot be opened is for `grasp check` to say
        return None


def _texts(exif: Image.Exif) -> Iterator[str]:
    for ifd, tags in ((0, _TEXT_TAGS), (_EXIF_IFD, _EXIF_TAGS), (_GPS_IFD, _GPS_TAGS)):
        told = _in(exif, ifd)
        yield from (_text(told.get(tag)) for tag in tags)


def _in(exif: Image.Exif, ifd: int) -> Any:
    try:
        return exif.get_ifd(ifd) if ifd else exif
    except Exception:  # a damaged part says nothing that could be looked for
        return {}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        for code in (b"ASCII\0\0\0", b"UNICODE\0"):
            value = value.removeprefix(code)
        value = value.replace(b"\0", b"").decode("latin-1")
    return value.strip("\0 \t\n") if isinstance(value, str) else ""
