"""All photos of a study for the report's explorer: what the tables and the baseline say of each, and its thumbnail."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from grasp_psonet.report.explorer import AllPhotos, Words, coded, largest_edge, rounded, sample_of
from grasp_psonet.report.sprites import Sprites, sprites_of
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.makers.report.stored import stored_photos
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import (
    ATTENTION,
    IS_BLURRED,
    IS_DARK,
    KEPT,
    LOSS,
    PATH,
    PATIENT_ID,
    PHOTO_ID,
    SCORE,
    SPLIT,
    VIEW,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.quality import PHOTO_QUALITY
from grasp_psonet.tables.schemas.runs import PHOTO_ATTENTION
from grasp_psonet.tables.schemas.traces import PHOTO_LOSSES, SCORES

_MOST_WORDS = 100  # of a column to filter by: more are names of things
_NO_FILTER = (PHOTO_ID, VISIT_ID, PATIENT_ID, PATH, SPLIT, VIEW)
_BYTES = 1_000_000


def photos_of(job: Job, keep_name: str | None, taken_bytes: int) -> AllPhotos:
    """Every photo of the study. ``keep_name``: the keep list of the chosen run, None where no photo was removed.
    ``taken_bytes``: what other pictures of the page take of ``report.most_mb``."""
    photos = job.cohort.photos
    visits = job.cohort.visits.set_index(VISIT_ID).loc[photos[VISIT_ID]].reset_index()
    words = {
        SPLIT: coded(_told(visits[SPLIT]), ("train", "val", "test")),
        "label": _labels(job, visits[job.outcome.label_column]),
        VIEW: coded(_told(photos[VIEW])),
    }
    if (quality := _quality(job, photos)) is not None:
        words["quality"] = quality
    if keep_name is not None:
        kept = read_keep(job, keep_name).set_index(PHOTO_ID)[KEPT]
        told = photos[PHOTO_ID].map(kept)
        words["removed"] = coded(None if pd.isna(is_kept) else "no" if is_kept else "yes" for is_kept in told)
    words |= _further(job, photos, visits)
    pictures, why_not = _pictures(job, list(photos[PHOTO_ID]), taken_bytes)
    return AllPhotos(
        photo_ids=tuple(photos[PHOTO_ID]),
        visits=coded(_told(photos[VISIT_ID])),
        words={name: column for name, column in words.items() if column.words},
        numbers=_numbers(job, photos),
        pictures=pictures,
        why_no_pictures=why_not,
        is_beside=job.settings.report.pictures == "beside",
    )


def _labels(job: Job, labels: "pd.Series[float]") -> Words:
    """The stratum of each photo's visit: of classes its class."""
    strata = job.outcome.strata
    return coded((None if pd.isna(label) else strata[job.outcome.stratum_of(label)] for label in labels), strata)


def _quality(job: Job, photos: pd.DataFrame) -> Words | None:
    if job.kind == "features":
        return None
    found = PHOTO_QUALITY.read(job.study.quality / "photos.parquet").set_index(PHOTO_ID)
    dark, blurred = (photos[PHOTO_ID].map(found[name]) for name in (IS_DARK, IS_BLURRED))
    return coded(
        None if pd.isna(is_dark) else "dark" if is_dark else "blurred" if is_blurred else "nothing unusual"
        for is_dark, is_blurred in zip(dark, blurred, strict=True)
    )


def _further(job: Job, photos: pd.DataFrame, visits: pd.DataFrame) -> dict[str, Words]:
    """Columns of words in both tables that are worth a filter."""
    own = {*_NO_FILTER, *job.outcome.own_columns}
    found = {}
    for table in (visits, photos):
        for name in [str(name) for name in table.columns if name not in own and not name.endswith("_id")]:
            if table[name].dtype == "string" and name not in found and 1 < table[name].nunique() <= _MOST_WORDS:
                found[name] = coded(_told(table[name]))
    return found


def _numbers(job: Job, photos: pd.DataFrame) -> dict[str, tuple[float | None, ...]]:
    """score: the sum over the traced errors; attention: the baseline's; loss: of the photo alone, in nats."""
    trace = job.study.trace(job.trace_name())
    columns = {
        "score": SCORES.read(trace / "scores.parquet").groupby(PHOTO_ID)[SCORE].sum(min_count=1),
        "attention": PHOTO_ATTENTION.read(job.study.run(BASELINE) / "attention.parquet").set_index(PHOTO_ID)[ATTENTION],
        "loss": PHOTO_LOSSES.read(trace / "photo_losses.parquet").set_index(PHOTO_ID)[LOSS],
    }
    return {
        name: rounded(None if pd.isna(value) else float(value) for value in photos[PHOTO_ID].map(column))
        for name, column in columns.items()
    }


def _pictures(job: Job, photo_ids: list[str], taken_bytes: int) -> tuple[Sprites | None, str]:
    """Thumbnails of all photos that may be shown, and why there are none."""
    stored = stored_photos(job)
    own = job.settings.report
    if stored is None or own.pictures == "none":
        setting = "report.photos" if own.photos == "none" else "report.pictures"
        return None, "" if job.kind == "features" else f"{setting} is none"
    shown = [photo_id for photo_id in photo_ids if stored.may_show(photo_id)]
    sample = [pixels for at in sample_of(len(shown)) if (pixels := stored.shown(shown[at])) is not None]
    room = own.most_mb * _BYTES - taken_bytes if own.pictures == "inside" else float("inf")
    edge = largest_edge(sample, len(shown), room, stored.edge_px)
    if edge is None:
        return None, (
            f"thumbnails of {len(shown)} photos do not fit into {own.most_mb:g} MB (report.most_mb): "
            "report.pictures beside lays them beside the page"
        )
    named = ((photo_id, stored.shown(photo_id)) for photo_id in shown)
    return sprites_of(((("photo", photo_id), pixels) for photo_id, pixels in named if pixels is not None), edge), ""


def _told(values: Iterable[Any]) -> Iterable[str | None]:
    return (None if value is None or pd.isna(value) else str(value) for value in values)
