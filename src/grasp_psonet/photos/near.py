"""Photos that look almost the same, anywhere in a study: copies stored anew, resized, lit otherwise, mirrored or turned.

A difference hash proposes pairs, the correlation of the small grey pictures decides: on drawn photos the hash alone also names
strangers, whose pictures correlate less than copies do (`make bench-photos`, docs/experiments.md).
"""

# Axes: P photos, T ways to turn one, H rows, W columns, K pixels of the small grey picture.

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.photos.store import PhotoStore
from grasp_psonet.tables.columns import (
    ACROSS,
    CORRELATION,
    HASH,
    HASH_BITS,
    ORIENTATION,
    OTHER_PHOTO_ID,
    OTHER_VISIT_ID,
    PATIENT_ID,
    PHOTO_ID,
    SPLIT,
    VISIT_ID,
)

MOST_BITS = 4  # of 64 in which the hashes of a pair differ
LEAST_CORRELATION = 0.99
SAME = "same"
_TURNS = tuple(
    (
        " and ".join(filter(None, ["mirrored" * is_mirrored, f"turned {90 * quarter}" * bool(quarter)])),
        is_mirrored,
        quarter,
    )
    for is_mirrored in (False, True)
    for quarter in range(4)
)[1:]  # without the photo as it is
_SMALL_PX = 32
_GRID = (8, 9)  # rows and columns of the hash
_GRID_PX = 72  # whole pixels for each cell
_FLAT = 2.0  # grey levels: a photo that varies less shows nothing that could be compared
_BLOCK = 4096

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Pairs:
    """Rows of both photos, the first before the second, the bits in which their hashes differ, their correlation, and how the
    second is turned."""

    first: Ints
    second: Ints
    bits: Ints
    correlation: Floats
    orientation: str


def near_pairs(store: PhotoStore, visits: pd.DataFrame) -> pd.DataFrame:
    """One row per pair: photo_id, visit_id, other_photo_id, other_visit_id, across (splits, patients, visits, or visit: the
    same one), hash_bits, correlation, orientation (same, or how the other is to be mirrored and then turned clockwise, in
    degrees, to look like the first); pairs across splits first. ``visits``: visit_id, patient_id, split."""
    index = store.index
    bits_P = np.array([int(text, 16) for text in index[HASH]], dtype=np.uint64)
    found = [_near(store.pixels, *_candidates(bits_P, bits_P), SAME), *_turned_pairs(store)]
    best: dict[tuple[int, int], tuple[int, float, str]] = {}
    for pairs in found:
        for first, second, bits, correlation in zip(
            pairs.first.tolist(), pairs.second.tolist(), pairs.bits.tolist(), pairs.correlation.tolist(), strict=True
        ):
            known = best.get((first, second))
            if known is None or (known[2] != SAME and correlation > known[1]):
                best[first, second] = bits, correlation, pairs.orientation
    order = sorted(best)
    rows = np.array(order, dtype=np.int64).reshape(-1, 2)
    told = [best[pair] for pair in order]
    return _in_order(index, visits, rows, told)


def _in_order(
    index: pd.DataFrame, visits: pd.DataFrame, rows: Ints, told: list[tuple[int, float, str]]
) -> pd.DataFrame:
    """The table of pairs of these rows, with what they cross."""
    first, second = (index.iloc[rows[:, side]].reset_index(drop=True) for side in (0, 1))
    of_visit = visits.set_index(VISIT_ID)
    pairs = pd.DataFrame(
        {
            PHOTO_ID: first[PHOTO_ID],
            VISIT_ID: first[VISIT_ID],
            OTHER_PHOTO_ID: second[PHOTO_ID],
            OTHER_VISIT_ID: second[VISIT_ID],
            ACROSS: "visit",
            HASH_BITS: np.array([bits for bits, _, _ in told], dtype=np.int64),
            CORRELATION: np.array([correlation for _, correlation, _ in told], dtype=np.float64),
            ORIENTATION: pd.array([orientation for _, _, orientation in told], dtype="string"),
        }
    )
    pairs.loc[(first[VISIT_ID] != second[VISIT_ID]).to_numpy(dtype=bool), ACROSS] = "visits"
    for column, across in ((PATIENT_ID, "patients"), (SPLIT, "splits")):
        one, other = (table[VISIT_ID].map(of_visit[column]).to_numpy(dtype=object) for table in (first, second))
        pairs.loc[one != other, ACROSS] = across
    order = pairs[ACROSS].map({"splits": 0, "patients": 1, "visits": 2, "visit": 3})
    return pairs.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def _turned_pairs(store: PhotoStore) -> list[_Pairs]:
    """Pairs of which one must be turned; flat photos, which look like any turned one, are left out."""
    hash_PT, is_flat_P = _turned_hashes(store.pixels)
    kept_P = np.flatnonzero(~is_flat_P)
    found = []
    for number, (words, is_mirrored, quarter) in enumerate(_TURNS, start=1):
        first, second, bits = _candidates(hash_PT[kept_P, 0], hash_PT[kept_P, number])
        found.append(_near(store.pixels, kept_P[first], kept_P[second], bits, words, is_mirrored, quarter))
    return found


def _turned_hashes(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool]]:
    """Difference hashes of every photo as it is and turned in each way [P, T], and whether it is flat [P]."""
    hash_PT = np.zeros((len(pixels), len(_TURNS) + 1), dtype=np.uint64)
    is_flat_P = np.zeros(len(pixels), dtype=np.bool)
    for row in range(len(pixels)):
        grey_HW = _grey(pixels[row], _GRID_PX)
        is_flat_P[row] = grey_HW.std() < _FLAT
        turned = [grey_HW, *(_turned(grey_HW, is_mirrored, quarter) for _, is_mirrored, quarter in _TURNS)]
        hash_PT[row] = [_hash_of(one) for one in turned]
    return hash_PT, is_flat_P


def _hash_of(grey_HW: Floats) -> np.uint64:
    """Whether brightness rises from each cell to its right neighbour, as ``Quality.hash`` says."""
    cells = grey_HW.reshape(_GRID[0], _GRID_PX // _GRID[0], _GRID[1], _GRID_PX // _GRID[1]).mean(axis=(1, 3))
    return np.uint64(int(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex(), 16))


def _turned(picture_HW: Floats, is_mirrored: bool, quarter: int) -> Floats:
    return np.rot90(np.fliplr(picture_HW) if is_mirrored else picture_HW, -quarter)


def _candidates(first_P: NDArray[np.uint64], second_P: NDArray[np.uint64]) -> tuple[Ints, Ints, Ints]:
    """Rows of both photos of every pair with like hashes, the first before the second, and the bits that differ."""
    firsts, seconds, differ = [], [], []
    for row in range(len(first_P) - 1):
        differ_P = np.bitwise_count(second_P[row + 1 :] ^ first_P[row])
        near = np.flatnonzero(differ_P <= MOST_BITS)
        firsts.append(np.full(len(near), row))
        seconds.append(near + row + 1)
        differ.append(differ_P[near].astype(np.int64))
    if not firsts:
        return (np.zeros(0, np.int64),) * 3
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(differ)


def _near(
    pixels: NDArray[np.uint8],
    first: Ints,
    second: Ints,
    bits: Ints,
    orientation: str,
    is_mirrored: bool = False,
    quarter: int = 0,
) -> _Pairs:
    """The candidates whose small grey pictures correlate; a flat one correlates with none."""
    rows = np.unique(np.concatenate([first, second]))
    small_PHW = np.stack([_small(pixels[row]) for row in rows]) if len(rows) else np.zeros((0, _SMALL_PX, _SMALL_PX))
    one, other = np.searchsorted(rows, first), np.searchsorted(rows, second)
    found = np.empty(len(first))
    for start in range(0, len(found), _BLOCK):
        part = slice(start, start + _BLOCK)
        turned_BHW = np.stack([_turned(small_PHW[at], is_mirrored, quarter) for at in other[part]])
        found[part] = (small_PHW[one[part]] * turned_BHW).sum(axis=(1, 2))
    is_near = found >= LEAST_CORRELATION
    return _Pairs(first[is_near], second[is_near], bits[is_near], found[is_near], orientation)


def _small(pixels_HWC: NDArray[np.uint8]) -> Floats:
    """The grey picture with mean 0 and length 1; all 0 where it is flat."""
    value_HW = _grey(pixels_HWC, _SMALL_PX)
    if value_HW.std() < _FLAT:
        return np.zeros_like(value_HW)
    from_mean_HW: Floats = value_HW - value_HW.mean()
    return from_mean_HW / float(np.linalg.norm(from_mean_HW))


def _grey(pixels_HWC: NDArray[np.uint8], edge_px: int) -> Floats:
    grey = Image.fromarray(np.asarray(pixels_HWC)).convert("L").resize((edge_px, edge_px), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float64)
