"""Decoded photos of a batch on disk, in a file without a name: memory does not grow with the batch, and nothing of it stays."""

import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.errors import FileError

Photo = NDArray[np.uint8]


class PixelFile:
    """Photos [edge, edge, RGB] uint8 by row. The file has no name and goes with this value, or with the process."""

    def __init__(self, num_photos: int, edge_px: int) -> None:
        """Raises FileError where the folder of temporary files has no room."""
        self.shape = (num_photos, edge_px, edge_px, 3)
        self.ndim = len(self.shape)
        self._size = edge_px * edge_px * 3
        folder = tempfile.gettempdir()
        needed, free = math.prod(self.shape), shutil.disk_usage(folder).free
        if needed > free:
            raise FileError(
                f"{num_photos} photos take {needed / 2**30:.1f} GiB of temporary files, {free / 2**30:.1f} GiB are free in "
                f"{folder}\n"
                "  next: make room, name another folder in the environment variable TMPDIR, or predict fewer visits at a time"
            )
        self._file, name = tempfile.mkstemp()
        Path(name).unlink()
        weakref.finalize(self, os.close, self._file)
        os.truncate(self._file, needed)

    def __len__(self) -> int:
        return self.shape[0]

    def write(self, row: int, pixels: Photo) -> None:
        """Puts the photo of this row."""
        os.pwrite(self._file, np.ascontiguousarray(pixels).tobytes(), row * self._size)

    def __getitem__(self, rows: int | slice | Sequence[int]) -> Photo:
        """The photo of a row [edge, edge, RGB], or those of several [photos, edge, edge, RGB]."""
        if isinstance(rows, int | np.integer):
            return self._read(int(rows))
        chosen = range(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        return (
            np.stack([self._read(row) for row in chosen]) if len(chosen) else np.zeros((0, *self.shape[1:]), np.uint8)
        )

    def _read(self, row: int) -> Photo:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} photos")
        data = os.pread(self._file, self._size, row * self._size)
        return np.frombuffer(data, dtype=np.uint8).reshape(self.shape[1:]).copy()
