"""What originals say of themselves: read where it can be, counted where it cannot."""

from pathlib import Path

from PIL import Image

from grasp_psonet.photos.files.secrets import secrets_of


def test_originals_that_cannot_be_searched_are_counted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Erika Mustermann"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    found = secrets_of([tmp_path / "a.jpg", tmp_path / "b.heic"])
    assert (found.num_photos, found.num_closed) == (1, 1)
    assert found.texts == {"Erika Mustermann"}
