"""The photo store: every photo of a study as pixels of one size in one memory-mapped file, with an index beside it."""

import math
import mmap
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.errors import FileError, PhotoError, StageError
from grasp_psonet.photos.files.place import PhotoRoot
from grasp_psonet.photos.journal import Journal
from grasp_psonet.photos.quality import near_duplicates
from grasp_psonet.photos.settings import Damaged
from grasp_psonet.photos.workers import PhotoForm, prepared
from grasp_psonet.progress import Track, track
from grasp_psonet.tables.columns import (
    HEIGHT_PX,
    NEAR_DUPLICATE_OF,
    PATH,
    PHOTO_ID,
    REASON,
    ROW,
    VIEW,
    VISIT_ID,
    WIDTH_PX,
)
from grasp_psonet.tables.schemas.store import SKIPPED, STORE_INDEX
from grasp_psonet.workers import ALONE, Workers

PIXELS_FILE = "photos.npy"
INDEX_FILE = "index.parquet"
SKIPPED_FILE = "skipped.parquet"
_MOST_TOLD = 50
_COPIED = 256  # photos at a time
_LET_GO = 64  # photos after which the pages of those written are no longer held by this process


@dataclass(frozen=True, eq=False)
class PhotoStore:
    """``pixels`` [photo, row, column, RGB] uint8, read from disk as they are used; ``index`` one row per photo in that
    order: row, photo_id, visit_id, view, width_px and height_px of the original, the measures of ``Quality``, and
    near_duplicate_of (an earlier photo of the visit)."""

    pixels: NDArray[np.uint8]
    index: pd.DataFrame

    @property
    def edge_px(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True)
class StoreForm(PhotoForm):
    """The same, and whether a photo that cannot be read stops all or is left out."""

    damaged: Damaged = "stop"


def write_store(
    photos: pd.DataFrame,
    root: PhotoRoot,
    form: StoreForm,
    folder: Path,
    workers: Workers = ALONE,
    shown: Track[Any] = track,
) -> None:
    """Decodes the photos of a cohort (photo_id, visit_id, view, path from ``root``) into ``folder``.

    The bytes are the same for any number of workers, and whether or not it was interrupted: photos that stand in the
    folder from an attempt before, whole by their checksum, are not decoded again. Files carry pixels and measures only: no
    EXIF, position or thumbnail of the originals. Raises PhotoError listing every photo that cannot be read, or, where these
    are left out, every visit that has no other; the index is then not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(photos), form.edge_px, form.edge_px, 3)
    with Journal(folder) as journal:
        pixels = _pixels_to_fill(folder / PIXELS_FILE, shape, journal)
        todo = journal.rows_to_do(pixels)
        paths = photos[PATH].astype(str).to_numpy(dtype=object)[todo].tolist()
        faults: dict[int, str] = {}
        results = prepared(paths, root, form, workers)
        for number, (row, result) in enumerate(zip(todo, shown(results, "photos", len(paths)), strict=True)):
            if number % _LET_GO == 0:
                _let_go(pixels)
            if isinstance(result, str):
                faults[row] = result
                continue
            photo, quality = result
            pixels[row] = photo.pixels
            journal.note(row, photo.pixels, {WIDTH_PX: photo.width_px, HEIGHT_PX: photo.height_px, **asdict(quality)})
        pixels.flush()
        measures = journal.measures
    told = [f"photo {photos[PHOTO_ID].iloc[row]}: {reason}" for row, reason in faults.items()]
    if form.damaged == "stop" and told:
        raise PhotoError(_message(told, len(photos)))
    kept = [row for row in range(len(photos)) if row not in faults]
    if form.damaged == "skip":
        _write_skipped(photos, root, faults, folder)
        _keep_rows(folder / PIXELS_FILE, kept)
    index = photos[[PHOTO_ID, VISIT_ID, VIEW]].iloc[kept].reset_index(drop=True).astype("string")
    index.insert(0, ROW, np.arange(len(index)))
    index = pd.concat([index, pd.DataFrame([measures[row] for row in kept])], axis=1)
    index[NEAR_DUPLICATE_OF] = near_duplicates(index)
    STORE_INDEX.write(index, folder / INDEX_FILE)
    journal.delete()


def open_store(folder: Path) -> PhotoStore:
    """The store in ``folder``. Raises StageError where a file is missing or the two do not belong together."""
    try:
        index = STORE_INDEX.read(folder / INDEX_FILE)
        pixels = np.load(folder / PIXELS_FILE, mmap_mode="r")
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise StageError(f"{folder} holds no complete photo store: {error}\n  next: `grasp prepare`") from None
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or len(pixels) != len(index):
        raise StageError(
            f"{folder} does not fit together: {INDEX_FILE} has {len(index)} photos, {PIXELS_FILE} is {pixels.dtype}"
            f" {list(pixels.shape)}\n  next: remove the folder and run `grasp prepare`"
        )
    return PhotoStore(pixels, index)


def map_for_writing(path: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...], advice: str) -> "np.memmap[Any, Any]":
    """A file of this shape, mapped for writing. Raises FileError where the disk has no room for it; ``advice``: what else
    would help."""
    free = shutil.disk_usage(path.parent).free
    size = math.prod(shape) * dtype.itemsize
    if size > free:  # a mapped file is full of holes: without this, a full disk would end the process with a signal
        raise FileError(
            f"{path} takes {size / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free\n  next: make room, or {advice}"
        )
    mapped: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    return mapped


def _pixels_to_fill(path: Path, shape: tuple[int, ...], journal: Journal) -> "np.memmap[Any, Any]":
    """The file of pixels that an interrupted attempt left, or a new one."""
    left = _left_there(path) if journal.measures else None
    if left is not None and left.shape == shape and left.dtype == np.uint8:
        return left
    journal.forget()
    return map_for_writing(path, np.dtype(np.uint8), shape, "a smaller photos.edge_px")


def _left_there(path: Path) -> "np.memmap[Any, Any] | None":
    try:
        found: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="r+")
    except (OSError, ValueError):
        return None
    return found


def _let_go(pixels: "np.memmap[Any, Any]") -> None:
    """Takes the file's pages out of this process, so that its memory does not grow with the study; nothing is lost."""
    mapped: mmap.mmap | None = getattr(pixels, "_mmap", None)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def _write_skipped(photos: pd.DataFrame, root: PhotoRoot, faults: dict[int, str], folder: Path) -> None:
    """The photos that are left out, without their paths. Raises PhotoError for visits that have no other photo."""
    rows = list(faults)
    table = photos[[PHOTO_ID, VISIT_ID, VIEW]].iloc[rows].reset_index(drop=True).astype("string")
    bare = sorted(set(table[VISIT_ID]) - set(photos.drop(photos.index[rows])[VISIT_ID]))
    if bare:
        raise PhotoError(
            f"{len(bare)} visit(s) have no photo that can be read, first {bare[0]}\n"
            "  next: bring their photos again, or remove them from visits.csv and photos.csv"
        )
    paths = photos[PATH].astype(str).iloc[rows]
    table[REASON] = [
        reason.replace(str(root.folder / path), "").replace(path, "").strip(" :")
        for path, reason in zip(paths, faults.values(), strict=True)
    ]
    SKIPPED.write(table.astype("string"), folder / SKIPPED_FILE)


def _keep_rows(path: Path, kept: list[int]) -> None:
    """Takes the other rows out of the file of pixels."""
    pixels = np.load(path, mmap_mode="r")
    if len(kept) == len(pixels):
        return
    fewer = map_for_writing(
        path.with_suffix(".fewer"), pixels.dtype, (len(kept), *pixels.shape[1:]), "a smaller photos.edge_px"
    )
    for start in range(0, len(kept), _COPIED):
        fewer[start : start + _COPIED] = pixels[kept[start : start + _COPIED]]
    fewer.flush()
    path.with_suffix(".fewer").replace(path)


def _message(faults: list[str], num_photos: int) -> str:
    hidden = len(faults) - _MOST_TOLD
    return (
        f"{len(faults)} of {num_photos} photos cannot be read:\n  "
        + "\n  ".join(faults[:_MOST_TOLD])
        + (f"\n  and {hidden} more" if hidden > 0 else "")
        + "\n  next: replace these files or remove their rows from photos.csv; `photos.damaged skip` leaves them out"
    )
