"""Photos that look almost the same, anywhere in a study: copies that were stored anew, resized, or lit otherwise.

A difference hash proposes pairs, the correlation of the small grey pictures decides: on drawn photos the hash alone also names
strangers, whose pictures correlate less than copies do (`make bench-photos`, docs/experiments.md).
"""

# Axes: P photos, K pixels of the small grey picture.

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
    OTHER_PHOTO_ID,
    OTHER_VISIT_ID,
    PATIENT_ID,
    PHOTO_ID,
    SPLIT,
    VISIT_ID,
)

MOST_BITS = 4  # of 64 in which the hashes of a pair differ
LEAST_CORRELATION = 0.99
_SMALL_PX = 32
_FLAT = 2.0  # grey levels: a photo that varies less shows nothing that could be compared


def near_pairs(store: PhotoStore, visits: pd.DataFrame) -> pd.DataFrame:
    """One row per pair: photo_id, visit_id, other_photo_id, other_visit_id, across (splits, patients, visits, or visit: the
    same one), hash_bits, correlation; pairs across splits first. ``visits``: visit_id, patient_id, split."""
    index = store.index
    first_rows, second_rows, bits = _candidates(index[HASH])
    correlation = _correlations(store.pixels, first_rows, second_rows)
    is_near = correlation >= LEAST_CORRELATION
    first, second = (index.iloc[rows[is_near]].reset_index(drop=True) for rows in (first_rows, second_rows))
    of_visit = visits.set_index(VISIT_ID)
    pairs = pd.DataFrame(
        {
            PHOTO_ID: first[PHOTO_ID],
            VISIT_ID: first[VISIT_ID],
            OTHER_PHOTO_ID: second[PHOTO_ID],
            OTHER_VISIT_ID: second[VISIT_ID],
            ACROSS: "visit",
            HASH_BITS: bits[is_near],
            CORRELATION: correlation[is_near],
        }
    )
    pairs.loc[(first[VISIT_ID] != second[VISIT_ID]).to_numpy(dtype=bool), ACROSS] = "visits"
    for column, across in ((PATIENT_ID, "patients"), (SPLIT, "splits")):
        one, other = (table[VISIT_ID].map(of_visit[column]).to_numpy(dtype=object) for table in (first, second))
        pairs.loc[one != other, ACROSS] = across
    order = pairs[ACROSS].map({"splits": 0, "patients": 1, "visits": 2, "visit": 3})
    return pairs.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def _candidates(hashes: "pd.Series[str]") -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both photos of every pair with like hashes, the first before the second, and the bits that differ."""
    bits_P = np.array([int(text, 16) for text in hashes], dtype=np.uint64)
    firsts, seconds, differ = [], [], []
    for row in range(len(bits_P) - 1):
        differ_P = np.bitwise_count(bits_P[row + 1 :] ^ bits_P[row])
        near = np.flatnonzero(differ_P <= MOST_BITS)
        firsts.append(np.full(len(near), row))
        seconds.append(near + row + 1)
        differ.append(differ_P[near].astype(np.int64))
    if not firsts:
        return (np.zeros(0, np.int64),) * 3
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(differ)


def _correlations(
    pixels: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Correlation of the small grey pictures of each pair; 0 where one is flat."""
    rows = np.unique(np.concatenate([first, second]))
    small_PK = np.stack([_small(pixels[row]) for row in rows]) if len(rows) else np.zeros((0, _SMALL_PX**2))
    one, other = np.searchsorted(rows, first), np.searchsorted(rows, second)
    found = np.empty(len(first))
    for start in range(0, len(found), 4096):
        part = slice(start, start + 4096)
        found[part] = (small_PK[one[part]] * small_PK[other[part]]).sum(axis=1)
    return found


def _small(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The grey picture [K] with mean 0 and length 1; all 0 where it is flat."""
    grey = Image.fromarray(np.asarray(pixels_HWC)).convert("L").resize((_SMALL_PX, _SMALL_PX), Image.Resampling.BOX)
    value_K = np.asarray(grey, dtype=np.float64).ravel()
    if value_K.std() < _FLAT:
        return np.zeros_like(value_K)
    from_mean_K: NDArray[np.float64] = value_K - value_K.mean()
    return from_mean_K / float(np.linalg.norm(from_mean_K))
