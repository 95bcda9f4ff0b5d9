"""The same photo in every format and orientation gives the same stored picture."""

import builtins
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.decode import decode_bytes, decode_photo, read_size
from grasp_psonet.photos.files.formats import kind_of
from tests.photos.scene import HEIC, file_of, scene

EDGE = 32
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC")


def picture(data: bytes, fit: Any = "resize") -> np.ndarray:
    return decode_bytes(data, Path("p"), EDGE, fit).pixels.astype(int)


def wanted() -> np.ndarray:
    return np.asarray(scene().resize((EDGE, EDGE), Image.Resampling.BICUBIC), dtype=int)


def difference(data: bytes) -> float:
    return float(np.abs(picture(data) - wanted()).mean())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_in_every_orientation_gives_the_same_picture(kind: str, orientation: int) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    for turned in (wanted()[::-1], wanted()[:, ::-1], np.rot90(wanted(), 2), wanted().transpose(1, 0, 2)):
        assert np.abs(turned - wanted()).mean() > 6, "turning it changes nothing: nothing is proved"
    data = (
        (HEIC / f"orientation-{orientation}.heic").read_bytes()
        if kind == "HEIC"
        else file_of(scene(), kind, orientation)
    )
    assert kind_of(data) == kind
    photo = decode_bytes(data, Path("p"), EDGE)
    assert np.abs(photo.pixels.astype(int) - wanted()).mean() <= 2
    assert (photo.width_px, photo.height_px) == (120, 80)


def _mpo() -> bytes:
    buffer = io.BytesIO()
    other = Image.new("RGB", (40, 30), "blue")
    scene().save(buffer, "MPO", save_all=True, append_images=[other], quality=95)
    return buffer.getvalue()


def _alpha() -> bytes:
    layer = scene().convert("RGBA")
    layer.putalpha(255)
    return file_of(layer, "PNG")


def _cmyk(kind: str, **how: Any) -> bytes:
    return file_of(scene().convert("CMYK"), kind, **how)


def _two_bytes(kind: str) -> bytes:
    grey = np.asarray(scene().convert("L"), dtype=np.uint16)
    return file_of(Image.fromarray(grey * 256 + 128), kind)


GREY = {"16-bit PNG", "16-bit TIFF", "grey JPEG", "grey WebP"}
FORMS = {
    "progressive JPEG": lambda: file_of(scene(), "JPEG", progressive=True),
    "optimised JPEG 4:2:0": lambda: file_of(scene(), "JPEG", subsampling=2, optimize=True),
    "CMYK JPEG": lambda: _cmyk("JPEG"),
    "progressive CMYK JPEG": lambda: _cmyk("JPEG", progressive=True),
    "grey JPEG": lambda: file_of(scene().convert("L"), "JPEG"),
    "MPO": _mpo,
    "palette PNG": lambda: file_of(scene().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
    "PNG with alpha": _alpha,
    "16-bit PNG": lambda: _two_bytes("PNG"),
    "16-bit TIFF": lambda: _two_bytes("TIFF"),
    "CMYK TIFF": lambda: _cmyk("TIFF"),
    "LZW TIFF": lambda: file_of(scene(), "TIFF", compression="tiff_lzw"),
    "JPEG in TIFF": lambda: file_of(scene(), "TIFF", compression="jpeg", quality=95),
    "big TIFF": lambda: file_of(scene(), "TIFF", big_tiff=True),
    "lossless WebP": lambda: file_of(scene(), "WEBP", lossless=True),
    "grey WebP": lambda: file_of(scene().convert("L"), "WEBP"),
    "WebP with alpha": lambda: file_of(scene().convert("RGBA"), "WEBP"),
    "lossless AVIF": lambda: file_of(scene(), "AVIF", quality=100),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_picture(form: str) -> None:
    grey = np.asarray(scene().convert("L").convert("RGB").resize((EDGE, EDGE), Image.Resampling.BICUBIC), dtype=int)
    assert np.abs(picture(FORMS[form]()) - (grey if form in GREY else wanted())).mean() <= 2


def test_a_transparent_palette_becomes_white() -> None:
    image = scene().convert("P", palette=Image.Palette.ADAPTIVE)
    assert (picture(file_of(image, "PNG", transparency=bytes(256))) == 255).all()


def _linear_profile() -> bytes:
    """A made profile: sRGB's primaries with the colours red and blue changed, told by its own name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    at_red, at_blue = profile[red + 4 : red + 8], profile[blue + 4 : blue + 8]
    profile[red + 4 : red + 8], profile[blue + 4 : blue + 8] = at_blue, at_red
    return bytes(profile.replace("sRGB".encode("utf-16-be"), "odd!".encode("utf-16-be")).replace(b"sRGB", b"odd!"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_colour_profile_is_followed_to_srgb(kind: str) -> None:
    """The profile of a camera that calls red what is blue: channels change places, whatever the format."""
    swapped = Image.fromarray(np.asarray(scene())[..., ::-1].copy())
    assert np.abs(np.asarray(swapped, dtype=int) - np.asarray(scene(), dtype=int)).mean() > 20
    assert difference(file_of(swapped, kind, icc_profile=_linear_profile())) <= 2
    assert difference(file_of(swapped, kind)) > 20


def test_srgb_profiles_and_damaged_or_foreign_ones_change_nothing() -> None:
    plain = picture(file_of(scene(), "PNG"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, _linear_profile()[:100], b"no profile", bytes(4000)):
        assert (picture(file_of(scene(), "PNG", icc_profile=profile)) == plain).all()
    grey = file_of(scene().convert("L"), "PNG", icc_profile=_linear_profile())
    assert (picture(grey) == picture(file_of(scene().convert("L"), "PNG"))).all(), "an RGB profile on a grey photo"


def test_resize_crop_and_pad() -> None:
    """Of a 120 x 80 photo: all of it squeezed, its middle 80 x 80, or all of it between black bars of a sixth each."""
    data = file_of(scene(), "PNG")
    middle = scene().crop((20, 0, 100, 80)).resize((EDGE, EDGE), Image.Resampling.BICUBIC)
    assert np.abs(picture(data, "crop") - np.asarray(middle, dtype=int)).mean() < 1.5
    padded = picture(data, "pad")
    assert (padded[:5] == 0).all()
    assert (padded[-5:] == 0).all()
    inside = np.asarray(scene().resize((EDGE, 21), Image.Resampling.BICUBIC), dtype=int)
    assert np.abs(padded[6:27] - inside).mean() < 1.5
    for fit in ("crop", "pad"):
        assert np.abs(picture(data, fit) - picture(data)).mean() > 4
        cmyk = picture(file_of(scene().convert("CMYK"), "JPEG"), fit)
        assert np.abs(cmyk - picture(data, fit)).mean() <= 2


def dicom(frames: int = 1, storage: str = "1.2.840.10008.5.1.4.1.1.77.1.4", jpeg: bool = False, bits: int = 8) -> bytes:
    """A VL photographic image of the scene, its pixels as they are or as one JPEG."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = storage, "1.2.3.4"
    dataset.PatientName, dataset.Modality = "SECRET^NAME", "XC"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 80, 120, 3
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = ("YBR_FULL_422" if jpeg else "RGB"), 0
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    if frames != 1:
        dataset.NumberOfFrames = frames
    pixels = np.asarray(scene())
    raw = pixels.tobytes() if bits == 8 else (pixels.astype(np.uint16) << (bits - 8)).tobytes()
    dataset.PixelData = encapsulate([file_of(scene(), "JPEG")]) if jpeg else raw * frames
    dataset["PixelData"].VR = "OB" if jpeg or bits == 8 else "OW"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = storage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize(("jpeg", "bits"), [(False, 8), (True, 8), (False, 12)])
def test_dicom_photographs(jpeg: bool, bits: int) -> None:
    data = dicom(jpeg=jpeg, bits=bits)
    assert kind_of(data) == "DICOM"
    assert difference(data) <= 2


def test_dicom_that_is_no_photograph_is_refused() -> None:
    for data, told in (
        (dicom(frames=3), "3 frames"),
        (dicom(storage="1.2.840.10008.5.1.4.1.1.2"), "no photograph"),
        (dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"), "deflated"),
    ):
        with pytest.raises(PhotoError, match=f"^p is DICOM.*{told}"):
            decode_bytes(data, Path("p"), EDGE)


@pytest.mark.parametrize(("package", "extra"), [("pi_heif", "heic"), ("pydicom", "dicom")])
def test_a_missing_extra_is_named(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    data = dicom() if extra == "dicom" else (HEIC / "orientation-1.heic").read_bytes()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PhotoError, match=rf"needs the extra `{extra}`: pip install 'grasp-psonet\[{extra}\]'"):
        decode_bytes(data, Path("p"), EDGE)


def test_the_bytes_decide_and_not_the_name(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        file = tmp_path / f"really-{kind}.heic"
        file.write_bytes(file_of(scene(), kind))
        assert np.abs(decode_photo(file, EDGE).pixels.astype(int) - wanted()).mean() <= 2
        assert read_size(file) == (120, 80)


def test_files_that_hold_more_than_one_photo_or_a_preview_are_refused() -> None:
    pages, moving, raw = io.BytesIO(), io.BytesIO(), io.BytesIO()
    scene().save(pages, "TIFF", save_all=True, append_images=[scene()])
    scene().save(moving, "WEBP", save_all=True, append_images=[Image.new("RGB", (120, 80))])
    scene().save(raw, "TIFF", tiffinfo={254: 1})
    for data, told in ((pages, "several pages"), (moving, "several pictures"), (raw, "raw file")):
        with pytest.raises(PhotoError, match=told):
            decode_bytes(data.getvalue(), Path("p"), EDGE)
    floating = file_of(Image.fromarray(np.ones((9, 9), dtype=np.float32)), "TIFF")
    with pytest.raises(PhotoError, match="pixels of the kind F"):
        decode_bytes(floating, Path("p"), EDGE)
