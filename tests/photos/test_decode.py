"""Decoding: every kind of file becomes upright RGB, and every damaged one a letter."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.decode import decode_photo, read_size

_ORIENTATION = 0x0112


@pytest.fixture
def scene() -> Image.Image:
    """A 96 x 64 photo whose four corners differ: red, green, blue, white on grey."""
    pixels = np.full((64, 96, 3), 128, dtype=np.uint8)
    pixels[:24, :32], pixels[:24, -32:] = (230, 20, 20), (20, 230, 20)
    pixels[-24:, :32], pixels[-24:, -32:] = (20, 20, 230), (240, 240, 240)
    return Image.fromarray(pixels)


def corners(pixels: np.ndarray) -> list[list[int]]:
    return [pixels[y, x].astype(int).tolist() for y in (2, -3) for x in (2, -3)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_stand_upright_whatever_the_camera_was_held_like(
    tmp_path: Path, scene: Image.Image, orientation: int
) -> None:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    file = tmp_path / "p.jpg"
    scene.save(file, exif=exif, quality=95, subsampling=0)
    with Image.open(file) as stored:
        upright = ImageOps.exif_transpose(stored)
    photo = decode_photo(file, 32)
    assert (photo.width_px, photo.height_px) == upright.size
    wanted = corners(np.asarray(upright))
    assert np.abs(np.array(corners(photo.pixels)) - wanted).max() < 12
    assert np.abs(np.diff(np.array(wanted), axis=0)).max(axis=1).min() > 100, "the corners are alike: nothing is proved"


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_every_mode_becomes_the_same_rgb(tmp_path: Path, scene: Image.Image, mode: str) -> None:
    grey = mode in {"L", "LA", "1", "I;16"}
    wanted = scene.convert("1" if mode == "1" else "L", dither=Image.Dither.NONE).convert("RGB") if grey else scene
    if mode == "I;16":
        source = Image.fromarray(np.asarray(scene.convert("L"), dtype=np.uint16) * 256 + 128)
    elif mode == "P":
        source = scene.convert("P", palette=Image.Palette.ADAPTIVE)
    else:
        source = scene.convert(mode, dither=Image.Dither.NONE)
    file = tmp_path / ("p.jpg" if mode == "CMYK" else "p.png")
    source.save(file)
    with Image.open(file) as stored:
        assert stored.mode == mode, "the file is not of the mode under test"
    photo = decode_photo(file, 32)
    assert photo.pixels.shape == (32, 32, 3)
    assert photo.pixels.dtype == np.uint8
    assert np.abs(np.array(corners(photo.pixels)) - corners(np.asarray(wanted))).max() < 12


def test_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (200, 0, 0, 0)).save(tmp_path / "p.png")
    assert (decode_photo(tmp_path / "p.png", 16).pixels == 255).all()


def test_fine_patterns_are_averaged_not_sampled(tmp_path: Path) -> None:
    board = np.indices((512, 512)).sum(axis=0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "p.png")
    pixels = decode_photo(tmp_path / "p.png", 32).pixels
    assert pixels.min() >= 120
    assert pixels.max() <= 135


def test_draft_decoding_of_large_jpegs_changes_little(tmp_path: Path) -> None:
    y, x = np.mgrid[:1600, :1200] / 200.0
    waves = np.stack([np.sin(x + y), np.cos(2 * x), np.sin(3 * y)], axis=-1)
    Image.fromarray((127 + 100 * waves).astype(np.uint8)).save(tmp_path / "p.jpg", quality=95)
    with Image.open(tmp_path / "p.jpg") as stored:
        plain = np.asarray(stored.resize((64, 64), Image.Resampling.BICUBIC), dtype=int)
    photo = decode_photo(tmp_path / "p.jpg", 64)
    assert np.abs(photo.pixels - plain).max() <= 4
    assert (photo.width_px, photo.height_px) == (1200, 1600), "sizes are those of the file, not of the draft"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, part: float) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    (tmp_path / "p").write_bytes(buffer.getvalue()[: int(part * len(buffer.getvalue()))])
    with pytest.raises(PhotoError, match="p is damaged: "):
        decode_photo(tmp_path / "p", 32)


def test_letters_for_files_that_are_no_photos(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r"none\.jpg does not exist; check `path`"):
        decode_photo(tmp_path / "none.jpg", 32)
    (tmp_path / "text.jpg").write_text("a letter")
    with pytest.raises(PhotoError, match="is not a photo that is read here"):
        decode_photo(tmp_path / "text.jpg", 32)
    Image.new("RGB", (8, 8)).save(tmp_path / "anim.gif")
    with pytest.raises(PhotoError, match="is not a photo that is read here"):
        read_size(tmp_path / "anim.gif")
    with pytest.raises(PhotoError, match="cannot be opened: it is a folder"):
        decode_photo(tmp_path, 32)
    Image.new("RGB", (40, 30)).save(tmp_path / "large.png")
    assert read_size(tmp_path / "large.png") == (40, 30)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_photos_of_more_pixels_than_the_setting_says_are_refused_in_its_words(tmp_path: Path, kind: str) -> None:
    Image.new("L" if kind != "WEBP" else "RGB", (1600, 1300), 99).save(tmp_path / "large", kind)
    told = (
        f"{tmp_path / 'large'} has too many pixels: 1600 x 1300 are 2 million, more than the 1 of photos.most_megapixels; "
        "export it smaller, or raise the setting where memory allows"
    )
    limit = Image.MAX_IMAGE_PIXELS
    for look in (
        lambda most: decode_photo(tmp_path / "large", 32, "resize", most).pixels.shape,
        partial(_size, tmp_path),
    ):
        with pytest.raises(PhotoError) as raised:
            look(1)
        assert str(raised.value) == told
        assert look(3)
    assert limit == Image.MAX_IMAGE_PIXELS, "other code of the process keeps Pillow's own limit"


def _size(folder: Path, most: int) -> tuple[int, int]:
    return read_size(folder / "large", most)


def test_a_photo_above_pillows_own_limit_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (400, 300), 99).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode_photo(tmp_path / "large.png", 32).width_px == 400


def test_damage_anywhere_is_a_letter_or_a_photo(tmp_path: Path, scene: Image.Image) -> None:
    rng = np.random.default_rng(1)
    refused = 0
    for kind in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[_ORIENTATION] = 6
        scene.save(buffer, kind, exif=exif)
        for _ in range(150):
            damaged = bytearray(buffer.getvalue())
            for place in rng.integers(2, len(damaged), 3):
                damaged[place] = rng.integers(256)
            (tmp_path / "p").write_bytes(damaged)
            try:
                decode_photo(tmp_path / "p", 16)
            except PhotoError:
                refused += 1
    assert refused > 50, "the damage did not reach the decoder"
