"""A JPEG stuffed with everything that cameras and programs write beside the pixels, each with a word of its own."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

WORDS = {
    what: f"SECRET{what}WORD"
    for what in (
        "DESCRIPTION",
        "ARTIST",
        "SERIAL",
        "COMMENT",
        "GPSAREA",
        "MAKERNOTE",
        "XMP",
        "IPTC",
        "MPF",
        "THUMBNAIL",
    )
} | {"JPEGCOMMENT": "SECRETJPEGCOMMENTWORD", "TRAILER": "SECRETTRAILERWORD"}
TIME = "2021:03:04 05:06:07"


def stuffed(image: Image.Image, quality: int = 92) -> bytes:
    """The image as such a JPEG, turned by orientation 6."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x013B], exif[0x0132] = 6, WORDS["DESCRIPTION"], WORDS["ARTIST"], TIME
    exif.get_ifd(0x8769).update(
        {0x9003: TIME, 0xA431: WORDS["SERIAL"], 0x9286: b"ASCII\0\0\0" + WORDS["COMMENT"].encode()}
        | {0x927C: WORDS["MAKERNOTE"].encode() * 3}
    )
    gps = exif.get_ifd(0x8825)
    gps.update(
        {1: "N", 2: (47.0, 33.0, 21.0), 3: "E", 4: (7.0, 35.0, 2.0), 29: "2021:03:04", 28: WORDS["GPSAREA"].encode()}
    )
    buffer = io.BytesIO()
    turned = image.transpose(Image.Transpose.ROTATE_90)
    turned.save(buffer, "JPEG", quality=quality, exif=exif.tobytes(), comment=WORDS["JPEGCOMMENT"])
    data = buffer.getvalue()
    extra = _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + WORDS["XMP"].encode() + b"</x:xmpmeta>")
    extra += _segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + WORDS["IPTC"].encode())
    extra += _segment(0xE2, b"MPF\0" + WORDS["MPF"].encode())
    extra += _segment(0xE0, b"JFXX\0\x10" + _thumbnail())
    return data[:2] + extra + data[2:] + WORDS["TRAILER"].encode()


def _thumbnail() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "JPEG", comment=WORDS["THUMBNAIL"])
    return buffer.getvalue()


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def words_in(data: bytes) -> list[str]:
    """The words that stand in these bytes, in any spelling of their characters."""
    spelled = {word: [word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")] for word in WORDS.values()}
    found = [word for word, forms in spelled.items() if any(form in data for form in forms)]
    return found + ([TIME] if TIME.encode() in data else [])


def stuff_all(folder: Path) -> int:
    """Rewrites every JPEG below a folder as a stuffed one; how many."""
    files = sorted(folder.rglob("*.jpg"))
    for file in files:
        with Image.open(file) as image:
            file.write_bytes(stuffed(image.convert("RGB")))
    return len(files)
