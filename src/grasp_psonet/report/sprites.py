"""Thumbnails laid side by side on few sheets, so that a page with thousands of photos stays small and holds each once."""

# Axes: H rows, W columns, C colours.

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 10
ROWS = 10
Key = tuple[str, str]  # what the picture is of ("photo", "map"), and the photo's id


@dataclass(frozen=True)
class Place:
    """Where a thumbnail lies: its sheet, column and row, each from 0."""

    sheet: int
    column: int
    row: int


@dataclass(frozen=True)
class Sprites:
    """``sheets``: JPEG files of ``COLUMNS`` times ``ROWS`` thumbnails (a last sheet has fewer rows), each ``edge_px`` wide and
    high; ``places``: where each key's lies."""

    sheets: tuple[bytes, ...]
    places: Mapping[Key, Place]
    edge_px: int

    def rows_of(self, sheet: int) -> int:
        """Rows that a sheet has."""
        on_it = min(COLUMNS * ROWS, len(self.places) - sheet * COLUMNS * ROWS)
        return -(-on_it // COLUMNS)


def sprites_of(pictures: Iterable[tuple[Key, NDArray[np.uint8]]], edge_px: int, quality: int = 80) -> Sprites:
    """Sheets of pictures [H, W, 3], each scaled to ``edge_px``; of a key that comes twice the first counts."""
    places: dict[Key, Place] = {}
    sheets: list[bytes] = []
    waiting: list[NDArray[np.uint8]] = []
    for key, pixels_HWC in pictures:
        if key in places:
            continue
        row, column = divmod(len(waiting), COLUMNS)
        places[key] = Place(len(sheets), column, row)
        waiting.append(_scaled(pixels_HWC, edge_px))
        if len(waiting) == COLUMNS * ROWS:
            sheets.append(_sheet(waiting, edge_px, quality))
            waiting = []
    if waiting:
        sheets.append(_sheet(waiting, edge_px, quality))
    return Sprites(tuple(sheets), places, edge_px)


def _scaled(pixels_HWC: NDArray[np.uint8], edge_px: int) -> NDArray[np.uint8]:
    image = Image.fromarray(pixels_HWC)
    return np.asarray(image.resize((edge_px, edge_px), Image.Resampling.BOX if image.width > edge_px else None))


def _sheet(thumbnails: list[NDArray[np.uint8]], edge_px: int, quality: int) -> bytes:
    num_rows = -(-len(thumbnails) // COLUMNS)
    sheet = np.full((num_rows * edge_px, COLUMNS * edge_px, 3), 128, dtype=np.uint8)
    for number, thumbnail in enumerate(thumbnails):
        row, column = divmod(number, COLUMNS)
        sheet[row * edge_px : (row + 1) * edge_px, column * edge_px : (column + 1) * edge_px] = thumbnail
    written = io.BytesIO()
    Image.fromarray(sheet).save(written, "JPEG", quality=quality, optimize=True)
    return written.getvalue()


def thumbnail(pixels_HWC: NDArray[np.uint8], edge_px: int, quality: int = 80) -> bytes:
    """One picture [H, W, 3] scaled to ``edge_px``, as JPEG bytes."""
    written = io.BytesIO()
    Image.fromarray(_scaled(pixels_HWC, edge_px)).save(written, "JPEG", quality=quality)
    return written.getvalue()
