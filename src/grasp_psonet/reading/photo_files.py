"""Photos at reading size: fresh pixels in files of random names, large and small, with nothing of the original's metadata."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from grasp_psonet.errors import PhotoError
from grasp_psonet.files import write_whole
from grasp_psonet.photos.files.decode import decode_whole

SMALL_PX = 240
_QUALITY, _SMALL_QUALITY = 90, 80
_MOST_TOLD = 50


@dataclass(frozen=True)
class SourcePhoto:
    """A photo of the study: its id, its file, and the heading that it hangs under."""

    photo_id: str
    path: Path
    region: str


@dataclass(frozen=True)
class StoredPhoto:
    """A photo at reading size. ``file``: its random name in the app's store; size in pixels."""

    photo_id: str
    region: str
    file: str
    width_px: int
    height_px: int


def store_photos(
    photos: Sequence[SourcePhoto],
    folder: Path,
    edge_px: int,
    most_megapixels: int,
    advance: Callable[[int, int], object],
) -> list[StoredPhoto]:
    """Writes each photo in two sizes. ``most_megapixels``: larger originals are refused; ``advance`` hears of each (done,
    total).

    Raises PhotoError that names every photo which cannot be read, and leaves none behind.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    stored: list[StoredPhoto] = []
    faults: list[str] = []
    for number, photo in enumerate(photos, 1):
        advance(number, len(photos))
        try:
            pixels = decode_whole(photo.path, edge_px, most_megapixels)
        except PhotoError as error:
            faults.append(str(error))
            continue
        image = Image.fromarray(pixels)
        name = secrets.token_urlsafe(17)[:22]
        _write(image, photo_file(folder, name, is_small=False), _QUALITY)
        small = image.copy()
        small.thumbnail((SMALL_PX, SMALL_PX))
        _write(small, photo_file(folder, name, is_small=True), _SMALL_QUALITY)
        stored.append(StoredPhoto(photo.photo_id, photo.region, name, *image.size))
    if faults:
        remove_photos(stored, folder)
        told = "\n  ".join(faults[:_MOST_TOLD])
        raise PhotoError(f"{len(faults)} photo(s) of the round cannot be read:\n  {told}\n  next: bring them again")
    return stored


def remove_photos(photos: Sequence[StoredPhoto], folder: Path) -> None:
    """Takes photos out of the store again."""
    for photo in photos:
        for is_small in (False, True):
            photo_file(folder, photo.file, is_small).unlink(missing_ok=True)


def photo_file(folder: Path, name: str, is_small: bool) -> Path:
    """Where a stored photo lies."""
    return folder / f"{name}{'.small' if is_small else ''}.jpg"


def _write(image: Image.Image, path: Path, quality: int) -> None:
    write_whole(path, lambda beside: image.save(beside, "JPEG", quality=quality, optimize=True))
