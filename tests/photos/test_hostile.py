"""Whatever bytes a photo file holds: a letter that names it, or the right picture; in bounded time and memory."""

import io
import re
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.check import photo_faults
from grasp_psonet.photos.files.decode import decode_bytes
from grasp_psonet.photos.files.place import PhotoRoot
from tests.photos.scene import HEIC, file_of, scene
from tests.photos.test_formats import dicom

EDGE = 32
MOST_S, MOST_MIB = 1.0, 300
KINDS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: file_of(scene(), "JPEG"),
    "progressive": lambda: file_of(scene(), "JPEG", 6, progressive=True),
    "PNG": lambda: file_of(scene(), "PNG", 3),
    "WEBP": lambda: file_of(scene(), "WEBP"),
    "TIFF": lambda: file_of(scene(), "TIFF", 8, compression="tiff_lzw"),
    "AVIF": lambda: file_of(scene(), "AVIF"),
    "HEIC": (HEIC / "orientation-6.heic").read_bytes,
    "DICOM": lambda: dicom(jpeg=True),
}


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """CPU seconds and memory of every case; a case that waits for something would never end."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - started < MOST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MIB * 1024


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    """What decoders load on first use is no matter of a single case."""
    for make in KINDS.values():
        decode_bytes(make(), Path("p"), EDGE)


def picture() -> np.ndarray:
    return np.asarray(scene().resize((EDGE, EDGE), Image.Resampling.BICUBIC), dtype=int)


def refused(data: bytes) -> str | None:
    """The letter, or None where the bytes give a picture."""
    told = None
    try:
        assert decode_bytes(data, Path("some.jpg"), EDGE).pixels.shape == (EDGE, EDGE, 3)
    except PhotoError as error:
        told = str(error)
    assert told is None or (told.startswith("some.jpg ") and "\n" not in told)
    return told


@pytest.mark.parametrize("part", [0.01, 0.05, 0.2, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("kind", KINDS)
def test_truncated(kind: str, part: float) -> None:
    """Cut off anywhere: refused, or whole, where what was cut off is no part of the picture."""
    data = KINDS[kind]()
    data = data[: int(part * len(data))]
    if refused(data) is None:
        assert np.abs(decode_bytes(data, Path("p"), EDGE).pixels - picture()).mean() <= 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits(kind: str, seed: int) -> None:
    """Eight copies with one to forty bits flipped each: a letter or some picture, never another error."""
    rng = np.random.default_rng(seed)
    whole = np.frombuffer(KINDS[kind](), dtype=np.uint8)
    for num_bits in (1, 1, 2, 3, 5, 10, 20, 40):
        flipped = whole.copy()
        np.bitwise_xor.at(
            flipped, rng.integers(0, len(whole), num_bits), 1 << rng.integers(0, 8, num_bits, dtype=np.uint8)
        )
        refused(flipped.tobytes())


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jpg", KINDS["JPEG"]())
    return buffer.getvalue()


def _pillow(kind: str) -> bytes:
    buffer = io.BytesIO()
    scene().convert("P" if kind == "GIF" else "RGB").save(buffer, kind)
    return buffer.getvalue()


OTHERS: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"a letter to the trial office",
    "one byte": lambda: b"\xff",
    "page": lambda: b"<!doctype html><html><img src=x></html>",
    "drawing": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "entities": lambda: b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    "zip": _zip,
    "pdf": lambda: _pillow("PDF"),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "gif": lambda: _pillow("GIF"),
    "bmp": lambda: _pillow("BMP"),
    "icon": lambda: _pillow("ICO"),
    "jpeg 2000": lambda: _pillow("JPEG2000"),
    "targa": lambda: _pillow("TGA"),
    "film": lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(200),
    "photoshop": lambda: b"8BPS\0\1" + bytes(100),
    "program": lambda: b"\x7fELF\2\1\1" + bytes(100),
    "pickle": lambda: b"\x80\x04\x95\x10\0\0\0\0\0\0\0cposix\nsystem\n.",
    "zeros": lambda: bytes(5000),
    "noise": lambda: np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("what", OTHERS)
def test_no_photo_at_all(what: str) -> None:
    told = refused(OTHERS[what]())
    assert told is not None
    assert "is not a photo that is read here (JPEG, PNG, WebP, TIFF, AVIF, HEIC, DICOM)" in told


def _png(width: int, height: int, pixels: bytes, *more: tuple[bytes, bytes], depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(*one) for one in more), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _with_size(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header claims another size."""
    at = next(match.start() for match in re.finditer(rb"\xff[\xc0\xc2]", data))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def _with_scans(num: int) -> bytes:
    data = KINDS["progressive"]()
    last = data.rfind(b"\xff\xda")
    scan = data[last:-2]
    return data[:-2] + scan * num + b"\xff\xd9"


def _zeros(num_bytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(num_bytes >> 20)) + packer.flush()


def _tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + struct.pack("<I", following) + bytes(64)


def _huge_dicom() -> bytes:
    """Rows and columns are elements 0010 and 0011 of group 0028."""
    data = dicom()
    for element, size in ((0x10, 80), (0x11, 120)):
        head = struct.pack("<HH2sH", 0x28, element, b"US", 2)
        data = data.replace(head + struct.pack("<H", size), head + struct.pack("<H", 65535))
    return data


_PLAIN_TIFF = ((258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (279, 4, 1, 64))
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "png of 60000 x 60000": (lambda: _png(60000, 60000, zlib.compress(b"")), "too many pixels"),
    "png of 2^31 - 1": (lambda: _png(2**31 - 1, 2**31 - 1, b""), "too many pixels|damaged"),
    "png of one endless row": (lambda: _png(2**31 - 1, 1, b""), "too many pixels"),
    "png of zeros, 400 million pixels": (
        lambda: _png(20000, 20000, _zeros(2**24), depth=8, colour=0),
        "too many pixels",
    ),
    "png of no width": (lambda: _png(0, 10, b""), "damaged"),
    "png with endless text": (
        lambda: _png(9, 9, zlib.compress(bytes(9 * 28)), (b"zTXt", b"a\0\0" + _zeros(2**26))),
        "holds texts or a colour profile of more than 1 MiB",
    ),
    "png with an endless profile": (
        lambda: _png(9, 9, zlib.compress(bytes(9 * 28)), (b"iCCP", b"a\0\0" + _zeros(2**26))),
        "holds texts or a colour profile of more than 1 MiB",
    ),
    "jpeg of 65500 x 65500": (lambda: _with_size(KINDS["JPEG"](), 65500, 65500), "too many pixels"),
    "jpeg of no height": (lambda: _with_size(KINDS["JPEG"](), 120, 0), "damaged"),
    "jpeg of 9000 x 9000 that ends": (lambda: _with_size(KINDS["JPEG"](), 9000, 9000), ""),
    "jpeg of 500 scans": (lambda: _with_scans(500), "scans of 80 x 120"),
    "jpeg of 40 scans of 9000 x 9000": (lambda: _with_size(_with_scans(40), 9000, 9000), "scans of 9000 x 9000"),
    "tiff of 10^9 x 10^9": (lambda: _tiff((256, 4, 1, 10**9), (257, 4, 1, 10**9), *_PLAIN_TIFF), "too many pixels"),
    "tiff whose pages lead in a circle": (
        lambda: _tiff((256, 4, 1, 8), (257, 4, 1, 8), *_PLAIN_TIFF, following=8),
        "",
    ),
    "tiff with a tag of 2^32 values": (
        lambda: _tiff((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 2**32 - 1, 8), *_PLAIN_TIFF[1:]),
        "",
    ),
    "tiff whose pixels lie beyond": (
        lambda: _tiff((256, 4, 1, 8), (257, 4, 1, 8), *_PLAIN_TIFF[:3], (273, 4, 1, 10**9), *_PLAIN_TIFF[4:]),
        "damaged",
    ),
    "tiff without anything": (lambda: b"II*\0\x08\0\0\0", "damaged"),
    "webp of 16383 x 16383": (
        lambda: b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(8),
        "too many pixels|damaged",
    ),
    "dicom of 65535 x 65535": (
        _huge_dicom,
        "too many pixels",
    ),
    "heic without a picture": (lambda: KINDS["HEIC"]()[:40] + bytes(3000), "damaged"),
    "avif without a picture": (lambda: KINDS["AVIF"]()[:40] + bytes(3000), "damaged"),
}


@pytest.mark.parametrize("what", BOMBS)
def test_bombs_and_claims_that_do_not_hold(what: str, tmp_path: Path) -> None:
    make, wanted = BOMBS[what]
    told = refused(make())
    if wanted:
        assert told is not None
        assert re.search(wanted, told)
    (tmp_path / "p").write_bytes(make())
    told = photo_faults(pd.DataFrame({"path": ["p"]}), PhotoRoot(tmp_path)).get(0)  # what `grasp check` does
    assert told is None or told.startswith(f"photos.csv row 0: {tmp_path / 'p'} ")


def _exif(body: bytes) -> bytes:
    """The scene with this EXIF, as it stands."""
    data = file_of(scene(), "JPEG")
    plain = data[:2] + data[2 + 2 + int.from_bytes(data[4:6]) :] if data[3] == 0xE1 else data
    return plain[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(body) + 8) + b"Exif\0\0" + body + plain[2:]


def _ifd(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    ) + struct.pack("<I", following)  # fmt: skip


EXIFS = {
    "nothing": b"",
    "noise": np.random.default_rng(1).bytes(300),
    "orientation 0": _ifd((0x0112, 3, 1, 0)),
    "orientation 9": _ifd((0x0112, 3, 1, 9)),
    "orientation 65535": _ifd((0x0112, 3, 1, 65535)),
    "orientation as text": _ifd((0x0112, 2, 4, 0x36363636)),
    "orientation beyond the end": _ifd((0x0112, 3, 9999, 5000)),
    "65535 entries": b"II*\0\x08\0\0\0\xff\xff" + bytes(60),
    "a circle": _ifd((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), following=8),
    "an offset beyond the end": b"II*\0\xff\xff\xff\xff",
    "an unknown type": _ifd((0x0112, 99, 1, 6)),
    "a huge maker note": _ifd((0x8769, 4, 1, 40), (0x927C, 7, 2**31, 8)),
}


@pytest.mark.parametrize("what", EXIFS)
def test_odd_exif_leaves_the_photo_as_it_is(what: str) -> None:
    photo = decode_bytes(_exif(EXIFS[what]), Path("p"), EDGE)
    assert np.abs(photo.pixels - picture()).mean() <= 2


def test_a_good_orientation_beside_damaged_tags_is_followed() -> None:
    upright = np.asarray(scene().transpose(Image.Transpose.ROTATE_270).resize((EDGE, EDGE)), dtype=int)
    body = _ifd((0x010F, 2, 999999, 5000), (0x0112, 3, 1, 6), (0x9286, 7, 2**31, 9))
    assert np.abs(decode_bytes(_exif(body), Path("p"), EDGE).pixels - upright).mean() <= 2.5


def _png_damaged(how: str) -> bytes:
    rows = b"".join(b"\0" + bytes([v] * 27) for v in range(9))
    match how:
        case "wrong checksum":
            data = bytearray(_png(9, 9, zlib.compress(rows)))
            data[30] ^= 255
            return bytes(data)
        case "palette missing":
            return _png(9, 9, zlib.compress(rows), colour=3)
        case "an unknown colour type":
            return _png(9, 9, zlib.compress(rows), colour=5)
        case "half the rows":
            return _png(9, 9, zlib.compress(rows[:100]))
        case _:
            return _png(9, 9, b"not compressed")


@pytest.mark.parametrize(
    "how", ["wrong checksum", "palette missing", "an unknown colour type", "half the rows", "not compressed"]
)
def test_damaged_png(how: str) -> None:
    assert "is damaged" in (refused(_png_damaged(how)) or "a picture")
