"""What a photo file says in words beside its pixels: EXIF, XMP, IPTC, text chunks, comments, attributes of DICOM.

Each format is read by its structure and only as far as its texts go. A file that says nothing in a form is no fault of it; one
that cannot be opened at all is for the caller to count.
"""

import html
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.dicom import texts_of_dicom
from grasp_psonet.photos.files.formats import kind_of
from grasp_psonet.photos.files.heic import metadata_of_heic
from grasp_psonet.photos.files.place import regular_file

_TEXT_TAGS = (0x010E, 0x013B, 0x013C, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)  # description, artist, host, ...
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_EXIF_TAGS = (0x9286, 0xA420, 0xA430, 0xA431, 0xA435)  # user comment, unique id, owner, serials of body and lens
_GPS_TAGS = (27, 28)  # method, area
_TIME_TAGS = ((0, 0x0132), (_EXIF_IFD, 0x9003), (_EXIF_IFD, 0x9004))
_TIFF_XMP, _TIFF_IPTC = 700, 33723
_HEAD = 512
_MOST_BYTES = 1 << 20  # of one text, unpacked
_VALUES = re.compile(r">([^<>]+)<|=\s*\"([^\"<>]*)\"|=\s*'([^'<>]*)'")
_NAMESPACES = re.compile(r"\sxmlns(:[\w.-]+)?\s*=\s*(\"[^\"]*\"|'[^']*')|<\?.*?\?>", re.DOTALL)
_TECHNICAL = re.compile(
    r"(https?|urn|adobe:ns)[:/].*|[\w.+-]+/[\w.+-]+|adobe xmp core.*|xmp core.*|srgb.*", re.IGNORECASE
)
_IPTC_MARK = b"\x1c"
_IPTC_CODES = (0, 10, 12, 60, 62, 63, 65, 70)  # versions, urgency, subject codes, times of day, the program
_XMP_HEAD, _XMP_MORE_HEAD = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"


@dataclass(frozen=True)
class Said:
    """Texts as they stand in the file, and the capture times of its EXIF as EXIF writes them."""

    texts: frozenset[str]
    times: frozenset[str] = frozenset()


def said_by(file: Path) -> Said:
    """What the file of a photo says of people, places and devices. Raises PhotoError where it cannot be opened, is of no
    format that is read, or needs an extra that is not installed."""
    try:
        with warnings.catch_warnings(), regular_file(file) as opened:
            warnings.simplefilter("ignore")
            return _said(opened)
    except PhotoError:
        raise
    except Exception as error:  # decoders raise everything on damage
        raise PhotoError(f"{file} is damaged: {type(error).__name__}") from None


def _said(opened: BinaryIO) -> Said:
    kind = kind_of(opened.read(_HEAD))
    opened.seek(0)
    match kind:
        case None:
            raise PhotoError("is not a photo that is read here")
        case "DICOM":
            return Said(_stripped(texts_of_dicom(opened)))
        case "HEIC":
            return _of_blocks(metadata_of_heic(opened.read()))
        case "PNG":
            return _of_blocks(_png_blocks(opened))
    with Image.open(opened, formats=(kind,)) as image:
        exif = image.getexif()
        return Said(_stripped([*_of_exif(exif), *_in_image(image)]), _times(exif))


def _of_blocks(blocks: Iterable[tuple[str, bytes]]) -> Said:
    """What metadata that stand beside a picture say, by their kind: exif, xmp, iptc or text."""
    texts: list[str] = []
    times: frozenset[str] = frozenset()
    for kind, data in blocks:
        if kind == "exif":
            exif = Image.Exif()
            exif.load(data)
            texts += _of_exif(exif)
            times |= _times(exif)
        else:
            texts += {"xmp": _in_xmp, "iptc": _in_iptc}.get(kind, _as_one)(data)
    return Said(_stripped(texts), times)


def _as_one(data: bytes) -> list[str]:
    return [_text(data)]


def _in_image(image: Image.Image) -> Iterator[str]:
    """XMP, IPTC and comments that Pillow hands out."""
    tags: Any = getattr(image, "tag_v2", {})
    for told in (image.info.get("xmp"), tags.get(_TIFF_XMP)):
        yield from _in_xmp(_bytes(told))
    yield from _in_iptc(_bytes(tags.get(_TIFF_IPTC)))
    segments: Any = getattr(image, "applist", ())
    for name, body in segments:
        if name == "COM":
            yield _text(bytes(body))
        elif name == "APP1" and body.startswith((_XMP_HEAD, _XMP_MORE_HEAD)):
            yield from _in_xmp(body.partition(b"\0")[2])
        elif name == "APP13":
            yield from _in_iptc(body)


def _png_blocks(opened: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Metadata of all chunks, those behind the picture too; nothing of the picture is read."""
    opened.seek(8)
    while len(head := opened.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
            body = opened.read(min(size, _MOST_BYTES))
            yield ("exif", b"Exif\0\0" + body) if kind == b"eXIf" else _of_chunk(kind, body)
            opened.seek(max(0, size - _MOST_BYTES) + 4, io.SEEK_CUR)
        else:
            opened.seek(size + 4, io.SEEK_CUR)


def _of_chunk(kind: bytes, body: bytes) -> tuple[str, bytes]:
    """A text chunk, by its keyword; ImageMagick writes EXIF and IPTC as a name, a size, and hexadecimal digits."""
    keyword, _, value = body.partition(b"\0")
    if kind == b"zTXt":
        value = _unpacked(value[1:])
    elif kind == b"iTXt":
        is_packed, rest = value[:1] == b"\1", value[2:]
        value = rest.partition(b"\0")[2].partition(b"\0")[2]  # behind the language and the keyword in it
        value = _unpacked(value) if is_packed else value
    if keyword.startswith(b"XML:com.adobe.xmp"):
        return "xmp", value
    if keyword.startswith(b"Raw profile type "):
        digits = re.sub(rb"[^0-9a-fA-F]", b"", b"".join(value.split()[2:])).decode()
        raw = bytes.fromhex(digits[: len(digits) // 2 * 2])
        return ("exif" if raw.startswith(b"Exif\0\0") else "xmp" if keyword.endswith(b"xmp") else "iptc"), raw
    return "text", value


def _unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(value, _MOST_BYTES)
    except zlib.error:
        return b""


def _in_xmp(data: bytes) -> Iterator[str]:
    """Values of elements and attributes; names of namespaces, of formats and of the program that wrote them are none."""
    text = data[:_MOST_BYTES].decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    for found in _VALUES.findall(_NAMESPACES.sub(" ", text)):
        value = html.unescape("".join(found)).strip()
        if not _TECHNICAL.fullmatch(value):
            yield value


def _in_iptc(data: bytes) -> Iterator[str]:
    """Datasets of the application record: mark, record, number, size, value."""
    at = data.find(_IPTC_MARK)
    while 0 <= at <= len(data) - 5:
        record, number, size = data[at + 1], data[at + 2], int.from_bytes(data[at + 3 : at + 5])
        whole = at + 5 + size <= len(data) and record <= 9 and size < 0x8000
        if whole and record == 2 and number not in _IPTC_CODES:
            yield _text(data[at + 5 : at + 5 + size])
        at = data.find(_IPTC_MARK, at + 5 + size if whole else at + 1)


def _of_exif(exif: Image.Exif) -> Iterator[str]:
    for ifd, tags in ((0, _TEXT_TAGS), (_EXIF_IFD, _EXIF_TAGS), (_GPS_IFD, _GPS_TAGS)):
        told = _in(exif, ifd)
        yield from (_text(told.get(tag)) for tag in tags)


def _times(exif: Image.Exif) -> frozenset[str]:
    return frozenset({_text(_in(exif, ifd).get(tag)) for ifd, tag in _TIME_TAGS} - {""})


def _in(exif: Image.Exif, ifd: int) -> Any:
    try:
        return exif.get_ifd(ifd) if ifd else exif
    except Exception:  # a damaged part says nothing that could be looked for
        return {}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        for code in (b"ASCII\0\0\0", b"UNICODE\0"):
            value = value.removeprefix(code)
        value = _decoded(value.replace(b"\0", b""))
    return value.strip("\0 \t\r\n") if isinstance(value, str) else ""


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, tuple):
        return b"".join(_bytes(part) for part in value) if not all(isinstance(n, int) for n in value) else bytes(value)
    return value if isinstance(value, bytes) else b""


def _stripped(texts: Iterable[str]) -> frozenset[str]:
    """The texts with something in them, and each line of those that have several."""
    lines = {line.strip() for text in texts for line in (text, *text.splitlines())}
    return frozenset(lines - {""})
