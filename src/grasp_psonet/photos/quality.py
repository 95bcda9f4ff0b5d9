"""Likeness of photos to others of their visit, and their measures."""

import pandas as pd

from grasp_psonet.photos.measures import Quality, measure_quality
from grasp_psonet.tables.columns import HASH, PHOTO_ID, VISIT_ID

__all__ = ["NEAR_BITS", "Quality", "measure_quality", "near_duplicates"]
NEAR_BITS = 2  # of 64: hashes that differ in no more are called near-duplicates


def near_duplicates(photos: pd.DataFrame) -> pd.Series:
    """For each photo, the photo_id of the first earlier photo of the same visit that looks almost the same, or missing.

    ``photos`` has photo_id, visit_id and hash; exposure and resizing hardly move the hash, a step to the side does.
    """
    first_of = pd.Series(pd.NA, index=photos.index, dtype="string")
    for _, visit in photos.groupby(VISIT_ID, sort=False):
        bits = [int(text, 16) for text in visit[HASH]]
        for later in range(1, len(bits)):
            same = next((e for e in range(later) if (bits[e] ^ bits[later]).bit_count() <= NEAR_BITS), None)
            if same is not None:
                first_of[visit.index[later]] = visit[PHOTO_ID].iloc[same]
    return first_of
