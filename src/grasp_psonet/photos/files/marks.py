"""What a picture file holds beside its pixels, read by its structure: EXIF, GPS, XMP, IPTC, thumbnails, comments."""

import io
import struct
import warnings
from collections.abc import Iterator

from PIL import Image

_GPS_IFD = 0x8825
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_MARKS = {
    b"eXIf": "EXIF",
    b"tEXt": "text",
    b"zTXt": "text",
    b"iTXt": "text or XMP",
    b"tIME": "a time",
    b"iCCP": "a colour profile",
}
_WEBP_MARKS = {b"EXIF": "EXIF", b"XMP ": "XMP", b"ICCP": "a colour profile"}
_APP_MARKS = (  # JPEG marker, how the segment begins, what it is
    (0xE1, b"Exif\0", "EXIF"),
    (0xE1, b"http://ns.adobe.com/", "XMP"),
    (0xE2, b"MPF\0", "further pictures (MPF)"),
    (0xE2, b"ICC_PROFILE\0", "a colour profile"),
    (0xED, b"Photoshop", "IPTC"),
    (0xFE, b"", "a comment"),
)
# in any other file: byte strings that stand in no text and by chance once in 10^14 bytes or less
RAW_MARKS = {
    b"Exif\0\0": "EXIF",
    b"http://ns.adobe.com/xap/": "XMP",
    b"<x:xmpmeta": "XMP",
    b"Photoshop 3.0\0": "IPTC",
    b"ICC_PROFILE\0": "a colour profile",
}


def marks_of(data: bytes) -> list[str]:
    """What stands in a JPEG, PNG or WebP beside the picture, in words; of another format that it is one."""
    if data.startswith(b"\xff\xd8"):
        found = list(_jpeg_marks(data))
    elif data.startswith(_PNG):
        found = list(_png_marks(data))
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        found = [_WEBP_MARKS[kind] for kind, _ in _chunks(data, 12, "<") if kind in _WEBP_MARKS]
    else:
        return ["a picture of a format that is not looked into"]
    if _has_gps(data):
        found.append("a GPS position")
    return list(dict.fromkeys(found))


def raw_marks(data: bytes) -> list[str]:
    """Marks of metadata anywhere in bytes of any kind."""
    return list(dict.fromkeys(words for mark, words in RAW_MARKS.items() if mark in data))


def _jpeg_marks(data: bytes) -> Iterator[str]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + size]
        if marker == 0xDA:
            end = data.rfind(b"\xff\xd9")
            if end < 0 or end + 2 < len(data):
                yield "bytes after the picture"
            return
        if marker == 0xE0 and body[:5] == b"JFIF\0":
            if len(body) > 14:
                yield "a thumbnail"
        elif 0xE0 <= marker <= 0xEF or marker == 0xFE:
            named = (words for mark, start, words in _APP_MARKS if mark == marker and body.startswith(start))
            if marker != 0xEE:  # Adobe's note on colours
                yield next(named, f"a segment of an application (APP{marker - 0xE0})")
        at += 2 + size
    yield "a structure that cannot be followed"


def _png_marks(data: bytes) -> Iterator[str]:
    end = len(data)
    for kind, after in _chunks(data, 8, ">", checksum=4):
        if kind in _PNG_MARKS:
            yield _PNG_MARKS[kind]
        if kind == b"IEND":
            end = after
            break
    if end != len(data):
        yield "bytes after the picture"


def _chunks(data: bytes, at: int, order: str, checksum: int = 0) -> Iterator[tuple[bytes, int]]:
    """Name and end of each chunk: of PNG size and name (big-endian), of RIFF name and size, padded to even."""
    while at + 8 <= len(data):
        if order == ">":
            size, kind = struct.unpack(">I4s", data[at : at + 8])
            at += 8 + size + checksum
        else:
            kind, size = struct.unpack("<4sI", data[at : at + 8])
            at += 8 + size + size % 2
        yield kind, at


def _has_gps(data: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(Image.open(io.BytesIO(data)).getexif().get_ifd(_GPS_IFD))
    except Exception:  # of a damaged picture, whose marks are told by its structure
        return False
