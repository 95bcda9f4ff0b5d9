"""The second half of ``grasp prepare``: what is to be known of the photos before anything is learned from them."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.near import SAME, near_pairs
from grasp_psonet.photos.reshoot import by_skin_type, judged, reshoot_list
from grasp_psonet.photos.store import open_store
from grasp_psonet.stages.declared.needs import QualityNeeds
from grasp_psonet.tables.columns import (
    ACROSS,
    CONTENT,
    CORRELATION,
    HASH,
    ORIENTATION,
    OTHER_PHOTO_ID,
    OTHER_VISIT_ID,
    PATH,
    PHOTO_ID,
    REASON,
    VISIT_ID,
)
from grasp_psonet.tables.safe_csv import write_safe_csv
from grasp_psonet.tables.schemas.quality import NEAR_PAIRS, PHOTO_QUALITY, QUALITY_BY_SKIN_TYPE

log = logging.getLogger("grasp_psonet")

RESHOOT_FILE = "reshoot.csv"
_MOST_TOLD = 20


def make_quality(
    folder: Path,
    own: QualityNeeds,
    store_folder: Path,
    cohort: Cohort,
    content_of: dict[str, str],
    skipped: pd.DataFrame | None,
) -> None:
    """Writes the tables of quality, the list of photos to take again, and pairs that look almost the same.

    ``content_of``: digest of the original's bytes by its path. Raises PhotoError naming pairs that look almost the same in
    two splits, unless the settings accept them.
    """
    store = open_store(store_folder)
    pairs = near_pairs(store, cohort.visits)
    _refuse_leaks(pairs[pairs[ACROSS] == "splits"], own)
    photos = judged(store.index, cohort.visits)
    path_of = cohort.photos.set_index(PHOTO_ID)[PATH]
    photos[CONTENT] = photos[PHOTO_ID].map(path_of).map(content_of).astype("string")
    photos[HASH] = store.index[HASH].to_numpy()
    PHOTO_QUALITY.write(photos, folder / "photos.parquet")
    NEAR_PAIRS.write(pairs, folder / "near_duplicates.parquet")
    QUALITY_BY_SKIN_TYPE.write(by_skin_type(photos), folder / "by_skin_type.parquet")
    again = reshoot_list(photos, cohort.visits, cohort.views, skipped)
    write_safe_csv(again, folder / RESHOOT_FILE)
    _tell(again, pairs)


def _refuse_leaks(leaks: pd.DataFrame, own: QualityNeeds) -> None:
    if leaks.empty:
        return
    told = [_in_words(pair) for pair in leaks.head(_MOST_TOLD).to_dict("records")]
    told += [f"and {len(leaks) - _MOST_TOLD} more"] if len(leaks) > _MOST_TOLD else []
    if own.duplicates == "accept":
        log.warning("%d pair(s) of photos look almost the same in two splits, as accepted: %s", len(leaks), told[0])
        return
    raise PhotoError(
        f"{len(leaks)} pair(s) of photos look almost the same in two splits, so that a test would be seen in training:\n  "
        + "\n  ".join(told)
        + "\n  next: keep one of each pair, or put both patients into one split; photos.duplicates: accept lets them pass"
    )


def _in_words(pair: dict[Any, Any]) -> str:
    return (
        f"{pair[PHOTO_ID]} (visit {pair[VISIT_ID]}) and {pair[OTHER_PHOTO_ID]} (visit {pair[OTHER_VISIT_ID]}), "
        f"correlation {pair[CORRELATION]:.3f}" + (f", {pair[ORIENTATION]}" if pair[ORIENTATION] != SAME else "")
    )


def _tell(again: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """Counts, without ids: log lines name nobody."""
    if len(again):
        counts = again[REASON].str.partition(":")[0].value_counts()
        what = ", ".join(f"{number} {reason}" for reason, number in counts.items())
        log.info("photos worth taking again: %s (quality/%s)", what, RESHOOT_FILE)
    if len(pairs):
        counts = pairs[ACROSS].value_counts()
        where = {
            "splits": "of two splits",
            "patients": "of two patients",
            "visits": "of two visits",
            "visit": "of one visit",
        }
        what = ", ".join(f"{number} {where[str(across)]}" for across, number in counts.items())
        log.warning("pairs of photos look almost the same: %s (quality/near_duplicates.parquet)", what)
