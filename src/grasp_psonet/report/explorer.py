"""All photos of a study as the report's explorer holds them: columns of words and numbers, and thumbnails within a bound."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.report.sprites import COLUMNS, ROWS, Sprites, sprites_of

EDGES_PX = (96, 64, 48, 40, 32, 24)  # of thumbnails, the largest first
_DIGITS = 5  # significant ones: a hundred thousand scores at full length would be half of the page


@dataclass(frozen=True)
class Words:
    """A column of few different words: ``codes`` are places in ``words``, None where nothing is told."""

    words: tuple[str, ...]
    codes: tuple[int | None, ...]


@dataclass(frozen=True)
class AllPhotos:
    """One entry per photo in every column. ``words``: also its class, split and so on; ``numbers``: five significant digits,
    None where there is none. ``why_no_pictures``: why there are no thumbnails; empty where there are, or is no photo.
    ``is_beside``: thumbnails lie in a folder beside the page.
    """

    photo_ids: tuple[str, ...]
    visits: Words
    words: Mapping[str, Words]
    numbers: Mapping[str, tuple[float | None, ...]]
    pictures: Sprites | None = None
    why_no_pictures: str = ""
    is_beside: bool = False


def coded(values: Iterable[str | None], order: Sequence[str] = ()) -> Words:
    """A column of words; those of ``order`` first, the others as they sort."""
    told = list(values)
    known = sorted({value for value in told if value is not None} - set(order))
    words = (*(word for word in order if word in set(told)), *known)
    code_of = {word: code for code, word in enumerate(words)}
    return Words(words, tuple(None if value is None else code_of[value] for value in told))


def rounded(values: Iterable[float | None]) -> tuple[float | None, ...]:
    """Numbers with five significant digits, None where there is none."""
    return tuple(
        None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}") for value in values
    )


def largest_edge(sample: Sequence[NDArray[np.uint8]], num_photos: int, most_bytes: float, edge_px: int) -> int | None:
    """The largest edge of thumbnails, at most ``edge_px``, at which so many like those of the sample fit into so many bytes of
    a page; None where none does. What is inside a page takes four thirds of its bytes."""
    if not sample:
        return None
    for edge in sorted({min(edge, edge_px) for edge in EDGES_PX}, reverse=True):
        made = sprites_of(((("photo", str(i)), pixels) for i, pixels in enumerate(sample)), edge)
        per_photo = sum(map(len, made.sheets)) / len(sample)
        if per_photo * num_photos * 4 / 3 <= most_bytes:
            return edge
    return None


def sample_of(num_photos: int) -> list[int]:
    """Places of photos, evenly over all, that fill one sheet."""
    return sorted({int(place) for place in np.linspace(0, num_photos - 1, min(num_photos, COLUMNS * ROWS))})
