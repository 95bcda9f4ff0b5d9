"""The same photo in several rows: told by the digest of its bytes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grasp_psonet.proof import file_digest
from grasp_psonet.tables.columns import PATH, PATIENT_ID, PHOTO_ID, SPLIT, VISIT_ID

_MOST_SHOWN = 6
_ACROSS = ((SPLIT, "splits"), (PATIENT_ID, "patients"), (VISIT_ID, "visits"))  # the worst first


@dataclass(frozen=True)
class SameBytes:
    """Photos whose files hold the same bytes. ``across``: "splits", "patients", "visits", or "" within one visit."""

    photo_ids: tuple[str, ...]
    across: str
    words: str


def digests_of_equal_sizes(paths: Iterable[str], file_of: Callable[[str], Path]) -> dict[str, str]:
    """Digests of the files that share their size with another; no other can hold the same bytes, and none is read."""
    by_size: dict[int, list[str]] = {}
    for path in paths:
        by_size.setdefault(file_of(path).stat().st_size, []).append(path)
    return {path: file_digest(file_of(path)) for same in by_size.values() if len(same) > 1 for path in same}


def same_bytes(photos: pd.DataFrame, digest_of: dict[str, str], visits: pd.DataFrame | None = None) -> list[SameBytes]:
    """Groups of rows of ``photos`` (photo_id, visit_id, path) with the same bytes, those across splits first. ``visits`` has
    visit_id, patient_id and split, where they are known."""
    table = photos[[PHOTO_ID, VISIT_ID, PATH]].assign(digest=photos[PATH].map(digest_of))
    table = table[table["digest"].notna() & table["digest"].duplicated(keep=False)]
    if visits is not None:
        table = table.merge(visits[[VISIT_ID, PATIENT_ID, SPLIT]], on=VISIT_ID, how="left")
    found = [_told(rows) for _, rows in table.groupby("digest", sort=False)]
    rank = [name for _, name in _ACROSS] + [""]
    return sorted(found, key=lambda one: rank.index(one.across))


def _told(rows: pd.DataFrame) -> SameBytes:
    across = next((name for column, name in _ACROSS if column in rows and len(set(rows[column])) > 1), "")
    columns = [column for column in (SPLIT, PATIENT_ID, VISIT_ID) if column in rows]
    shown = [
        f"{photo_id} ({', '.join(f'{column} {value}' for column, value in zip(columns, values, strict=True))})"
        for photo_id, *values in rows[[PHOTO_ID, *columns]].head(_MOST_SHOWN).itertuples(index=False, name=None)
    ]
    more = f" and {len(rows) - _MOST_SHOWN} more" if len(rows) > _MOST_SHOWN else ""
    where = f"of different {across}" if across else "of one visit"
    return SameBytes(tuple(rows[PHOTO_ID]), across, f"the same photo (equal bytes) {where}: {', '.join(shown)}{more}")
