"""What originals say of themselves, in every form that files have for it; what cannot be read is counted."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, PngImagePlugin

from grasp_psonet.photos.files.secrets import secrets_of, stands_in
from tests.photos.stuffed import WORDS, stuffed

NAME = "Erika Mustermann"
XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.6">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg" xmp:Label="Station&#32;7 &amp; Co">'
    f"<dc:creator>{NAME}</dc:creator></rdf:Description></x:xmpmeta>"
).encode()
PICTURE = Image.new("RGB", (8, 8))


def _saved(form: str, **words: object) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **words)
    return buffer.getvalue()


def _png_text(**words: object) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Author", NAME, **words)
    return _saved("PNG", pnginfo=chunks)


def _png_itxt(key: str, text: str, zip_it: bool = False) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(key, text, zip=zip_it)
    return _saved("PNG", pnginfo=chunks)


def _png_behind() -> bytes:
    """A text chunk behind the picture."""
    plain, told = _saved("PNG"), _png_text()
    start = told.index(b"tEXt") - 4
    chunk = told[start : start + 12 + int.from_bytes(told[start : start + 4])]
    return plain[:-12] + chunk + plain[-12:]


def _iptc(value: bytes) -> bytes:
    return b"\x1c\x02\x00\x00\x02\x00\x04" + b"\x1c\x02\x50" + len(value).to_bytes(2) + value


def _jpeg_iptc(value: bytes) -> bytes:
    block = _iptc(value)
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4) + block + b"\0" * (len(block) % 2)
    body = b"Photoshop 3.0\0" + resource
    plain = _saved("JPEG")
    return plain[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2) + body + plain[2:]


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x013B] = NAME
    return exif


def _dicom() -> bytes:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.77.1.4", "1.2.3.4567.89"
    dataset.PatientName, dataset.InstitutionName = "Mustermann^Erika", "Klinik am See"
    dataset.RequestAttributesSequence = [pydicom.Dataset()]
    dataset.RequestAttributesSequence[0].ScheduledProcedureStepDescription = "Knie links"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _raw_profile() -> bytes:
    """IPTC as ImageMagick writes it into a PNG."""
    block = _iptc(NAME.encode())
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Raw profile type iptc", f"\niptc\n      {len(block)}\n{block.hex()}\n", zip=True)
    return _saved("PNG", pnginfo=chunks)


FORMS: dict[str, Callable[[], bytes]] = {
    "EXIF of JPEG": lambda: _saved("JPEG", exif=_exif()),
    "EXIF of WebP": lambda: _saved("WEBP", exif=_exif()),
    "XMP of JPEG": lambda: _saved("JPEG", xmp=XMP),
    "XMP of WebP": lambda: _saved("WEBP", xmp=XMP),
    "XMP of TIFF": lambda: _saved("TIFF", tiffinfo={700: XMP}),
    "XMP of AVIF": lambda: _saved("AVIF", xmp=XMP),
    "XMP of PNG": lambda: _png_itxt("XML:com.adobe.xmp", XMP.decode()),
    "IPTC of JPEG": lambda: _jpeg_iptc(NAME.encode()),
    "IPTC of TIFF": lambda: _saved("TIFF", tiffinfo={33723: _iptc(NAME.encode())}),
    "comment of JPEG": lambda: _saved("JPEG", comment=NAME.encode()),
    "tEXt": _png_text,
    "zTXt": lambda: _png_text(zip=True),
    "iTXt": lambda: _png_itxt("Author", NAME),
    "packed iTXt": lambda: _png_itxt("Author", NAME, zip_it=True),
    "a chunk behind the picture": _png_behind,
    "EXIF of PNG": lambda: _saved("PNG", exif=_exif()),
    "IPTC of PNG": _raw_profile,
    "attributes of DICOM": _dicom,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_name_is_found_wherever_a_file_says_it(form: str, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(FORMS[form]())
    found = secrets_of([tmp_path / "photo"])
    assert (found.num_photos, found.num_closed) == (1, 0)
    assert NAME in found.texts
    named = {"Station 7 & Co"} if "XMP" in form else set()
    named |= {
        "Mustermann^Erika",
        "Mustermann, Erika",
        "Mustermann Erika",
        "Klinik am See",
        "Knie links",
        "1.2.3.4567.89",
    }
    assert found.texts - {NAME} <= named, "words of the program that wrote them are no one's"


def test_heic_says_what_its_exif_and_xmp_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made HEIC needs an encoder, which the extra does not bring: its decoder's answer is put in its place."""
    heif = pytest.importorskip("pi_heif")
    opened = SimpleNamespace(info={"exif": _exif().tobytes(), "xmp": XMP})
    monkeypatch.setattr(heif, "open_heif", lambda file: opened)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    assert secrets_of([tmp_path / "a.heic"]).texts == {NAME, "Station 7 & Co"}


def test_everything_in_a_stuffed_photo(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(stuffed(PICTURE))
    found = secrets_of([tmp_path / "a.jpg"]).texts
    inside = {
        "IPTC",
        "MPF",
        "THUMBNAIL",
        "TRAILER",
        "MAKERNOTE",
    }  # the first is damaged, the others are told to be left
    assert found == {word for what, word in WORDS.items() if what not in inside}


@pytest.mark.parametrize("form", FORMS)
def test_damage_at_any_place_is_counted_and_never_raised(form: str, tmp_path: Path) -> None:
    data = FORMS[form]()
    for at in range(20, len(data), max(1, len(data) // 60)):
        (tmp_path / "photo").write_bytes(data[:at])
        assert secrets_of([tmp_path / "photo"]).num_photos in (0, 1)
        (tmp_path / "photo").write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        assert secrets_of([tmp_path / "photo"]).num_photos in (0, 1)


def test_a_packed_text_that_grows_without_limit_is_cut(tmp_path: Path) -> None:
    body = b"Comment\0\0" + zlib.compress(b"A" * (64 << 20), 9)
    chunk = len(body).to_bytes(4) + b"zTXt" + body + zlib.crc32(b"zTXt" + body).to_bytes(4)
    plain = _saved("PNG")
    (tmp_path / "a.png").write_bytes(plain[:-12] + chunk + plain[-12:])
    assert max(map(len, secrets_of([tmp_path / "a.png"]).texts)) <= 1 << 20


def test_originals_that_cannot_be_searched_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(_saved("JPEG", exif=_exif()))
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    (tmp_path / "c.txt").write_bytes(b"no photo")
    found = secrets_of([tmp_path / "a.jpg", tmp_path / "b.heic", tmp_path / "c.txt", tmp_path / "lost.jpg"])
    assert (found.num_photos, found.num_closed) == (1, 3)
    assert found.texts == {NAME}


def test_what_many_files_say_is_not_looked_for(tmp_path: Path) -> None:
    for number, words in enumerate(("untitled", "Psoriasis", "12345", "short")):
        (tmp_path / f"{number}.jpg").write_bytes(_saved("JPEG", comment=words.encode()))
    assert secrets_of(sorted(tmp_path.glob("*.jpg"))).texts == set()


def test_a_number_is_found_by_itself_alone() -> None:
    assert stands_in("20240331", "taken on 20240331, at noon")
    assert not stands_in("20240331", "0.20240331")
    assert not stands_in("20240331", "a20240331b")
    assert stands_in(NAME, f"x{NAME}y")
