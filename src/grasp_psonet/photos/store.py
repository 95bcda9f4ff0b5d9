"""The photo store: every photo of a study as pixels of one size in one memory-mapped file, with an index beside it."""

import math
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.errors import FileError, PhotoError, StageError
from grasp_psonet.photos.decode import Photo, decode_photo
from grasp_psonet.photos.quality import Quality, measure_quality, near_duplicates
from grasp_psonet.progress import Track, track
from grasp_psonet.tables.columns import HEIGHT_PX, NEAR_DUPLICATE_OF, PATH, PHOTO_ID, ROW, VIEW, VISIT_ID, WIDTH_PX
from grasp_psonet.tables.store import STORE_INDEX

PIXELS_FILE = "photos.npy"
INDEX_FILE = "index.parquet"
_CHUNK = 16  # photos handed to a process at a time
_MOST_TOLD = 50


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


def write_store(
    photos: pd.DataFrame, root: Path, edge_px: int, folder: Path, processes: int = 1, shown: Track[Any] = track
) -> None:
    """Decodes the photos of a cohort (photo_id, visit_id, view, path from ``root``) into ``folder``.

    The bytes are the same for any number of processes. Files carry pixels and measures only: no EXIF, position or
    thumbnail of the originals. Raises PhotoError listing every unreadable photo; the index is then not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [root / path for path in photos[PATH]]
    shape = (len(paths), edge_px, edge_px, 3)
    pixels = map_for_writing(folder / PIXELS_FILE, np.dtype(np.uint8), shape, "a smaller photos.edge_px")
    measures: list[dict[str, Any]] = []
    faults: list[str] = []
    with _mapped(partial(_prepare, edge_px=edge_px), paths, processes) as prepared:
        for row, result in enumerate(shown(prepared, "photos", len(paths))):
            if isinstance(result, str):
                faults.append(f"photo {photos[PHOTO_ID].iloc[row]}: {result}")
                continue
            photo, quality = result
            pixels[row] = photo.pixels
            measures.append({WIDTH_PX: photo.width_px, HEIGHT_PX: photo.height_px, **asdict(quality)})
    pixels.flush()
    if faults:
        raise PhotoError(_message(faults, len(paths)))
    index = photos[[PHOTO_ID, VISIT_ID, VIEW]].reset_index(drop=True).astype("string")
    index.insert(0, ROW, np.arange(len(index)))
    index = pd.concat([index, pd.DataFrame(measures)], axis=1)
    index[NEAR_DUPLICATE_OF] = near_duplicates(index)
    STORE_INDEX.write(index, folder / INDEX_FILE)


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


def _prepare(path: Path, edge_px: int) -> tuple[Photo, Quality] | str:
    """A photo and its measures, or why there are none."""
    try:
        photo = decode_photo(path, edge_px)
    except PhotoError as error:
        return str(error)
    return photo, measure_quality(photo.pixels)


@contextmanager
def _mapped(work: Any, items: list[Path], processes: int) -> Iterator[Iterator[Any]]:
    """Results in the order of the items, made here or by fresh processes."""
    if processes == 1 or len(items) <= _CHUNK:
        yield map(work, items)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool.map(work, items, chunksize=_CHUNK)


def _message(faults: list[str], num_photos: int) -> str:
    hidden = len(faults) - _MOST_TOLD
    return (
        f"{len(faults)} of {num_photos} photos cannot be read:\n  "
        + "\n  ".join(faults[:_MOST_TOLD])
        + (f"\n  and {hidden} more" if hidden > 0 else "")
        + "\n  next: replace these files or remove their rows from photos.csv"
    )
