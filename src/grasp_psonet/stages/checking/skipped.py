"""What the settings let pass and every output has to say: photos left out (``photos.damaged: skip``), and leaks between splits
(``photos.duplicates: accept``).
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from grasp_psonet.proof import is_complete
from grasp_psonet.tables.columns import ACROSS, PHOTO_ID

if TYPE_CHECKING:
    import pandas as pd

    from grasp_psonet.cohort.tables import Cohort
    from grasp_psonet.stages.job import Job

_FILE = "skipped.parquet"


def skipped_photos(job: "Job") -> "pd.DataFrame | None":
    """One row per photo that was left out: photo_id, visit_id, view, reason; None where none was, or that is not known."""
    file = job.study.store / _FILE
    if job.settings.photos.damaged != "skip" or not is_complete(job.study.store) or not file.exists():
        return None
    from grasp_psonet.tables.schemas.store import SKIPPED  # loads pandas, which a look at a finished study spares

    table = SKIPPED.read(file)
    return table if len(table) else None


def without_skipped(tables: "Cohort", job: "Job") -> "Cohort":
    """The tables without those photos."""
    skipped = skipped_photos(job)
    if skipped is None:
        return tables
    photos = tables.photos
    return replace(tables, photos=photos[~photos[PHOTO_ID].isin(skipped[PHOTO_ID])].reset_index(drop=True))


def skipped_warning(job: "Job") -> str | None:
    """What every output says of them; None where there are none."""
    skipped = skipped_photos(job)
    if skipped is None:
        return None
    shown = ", ".join(skipped[PHOTO_ID].head(5))
    more = f" and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    return f"{len(skipped)} photo(s) could not be read and were left out: {shown}{more} (store/{_FILE} has all)."


def leak_warning(job: "Job") -> str | None:
    """What the report says of photos that look almost the same in two splits; None where there are none, as there cannot be
    unless the settings accept them."""
    file = job.study.quality / "near_duplicates.parquet"
    if job.settings.photos.duplicates != "accept" or not file.exists():
        return None
    from grasp_psonet.tables.schemas.quality import NEAR_PAIRS  # loads pandas

    num_leaks = int((NEAR_PAIRS.read(file)[ACROSS] == "splits").sum())
    if not num_leaks:
        return None
    return (
        f"{num_leaks} pair(s) of photos look almost the same in two splits, as accepted (photos.duplicates): figures may be "
        "better than those of new patients."
    )
