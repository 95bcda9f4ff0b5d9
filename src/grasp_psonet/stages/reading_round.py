"""``grasp read make-round``: from the audit's list and the photos of a study to a round."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.progress import progress
from grasp_psonet.reading.app import commands
from grasp_psonet.reading.app.rounds import PlannedCase
from grasp_psonet.reading.charter import Charter
from grasp_psonet.reading.draw import Listed, drawn_visits
from grasp_psonet.reading.photo_files import SourcePhoto, StoredPhoto, remove_photos, store_photos
from grasp_psonet.reading.place import AppPlace
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.opening import open_job
from grasp_psonet.tables.columns import (
    BODY_REGION,
    CODE,
    PATH,
    PHOTO_ID,
    SIDE,
    TO_INSPECT,
    VIEW,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.audit import REVIEW
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def make_round(
    study: Path, name: str, people: tuple[tuple[str, ...], tuple[str, ...]], overrides: dict[str, str]
) -> str:
    """A round of this name for (readers, adjudicators), under the study's settings; what was made, in a line."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"round {name!a}: wanted 1 to 40 of a-z, 0-9, '-' and '_', a letter or digit first")
    job = open_job(study, overrides)
    if job.kind == "features":
        raise StudyError(f"{study} holds features in place of photos\n  next: a round needs photos.csv")
    own, seed = job.settings.reading, job.settings.seed
    chosen = drawn_visits(_listed(job), own.flagged, own.controls, (seed, name))
    charter = Charter(
        round=name,
        readers=people[0],
        adjudicators=people[1],
        severity=job.settings.severity,
        form=own.form,
        adjudicate=own.adjudicate,
        adjudicate_points=own.adjudicate_points,
        correction=own.correction,
        seed=seed,
        num_flagged=sum(visit.is_flagged for visit in chosen),
        num_controls=sum(not visit.is_flagged for visit in chosen),
        repeats=own.repeats,
        edge_px=own.edge_px,
    )
    form = charter.questions()
    if own.adjudicate == "points" and form.kind == "class":
        raise SettingsError("reading.adjudicate is points, and readers tell classes\n  next: reading.adjudicate class")
    commands.refuse(charter)
    folder = AppPlace(study).photos
    cases = _stored(job, chosen, folder, own.edge_px)
    try:
        commands.make(charter, cases)
    except BaseException:
        remove_photos([photo for case in cases for photo in case.photos], folder)
        raise
    told = f"round {name}: {charter.num_flagged} flagged visits and {charter.num_controls} controls"
    return f"{told}, {sum(len(case.photos) for case in cases)} photos, {len(charter.readers)} readers"


def _listed(job: Job) -> list[Listed]:
    path = job.study.audit / "review.parquet"
    if not path.exists():
        raise StudyError(f"{path} is not there\n  next: grasp audit {job.study.folder}")
    review = REVIEW.read(path, columns=[VISIT_ID, TO_INSPECT])
    known = set(job.cohort.visits[VISIT_ID])
    if gone := [visit for visit in review[VISIT_ID] if visit not in known]:
        raise StudyError(
            f"{len(gone)} visits of {path} are not in the study any more\n  next: grasp audit {job.study.folder}"
        )
    return [Listed(str(visit), bool(flag)) for visit, flag in zip(review[VISIT_ID], review[TO_INSPECT], strict=True)]


def _stored(job: Job, chosen: Sequence[Listed], folder: Path, edge_px: int) -> list[PlannedCase]:
    """The visits with their photos written at reading size. Raises PhotoError naming every photo that cannot be read."""
    photos = _hung(job)
    bar = progress("  photos at reading size")
    sources, counts = list[SourcePhoto](), list[int]()
    for visit in chosen:
        rows = photos[photos[VISIT_ID] == visit.visit_id]
        counts.append(len(rows))
        for photo_id, path, region in zip(rows[PHOTO_ID], rows[PATH], rows[_HEADING], strict=True):
            sources.append(SourcePhoto(str(photo_id), job.photo_files.file(str(path)), str(region)))
    stored = store_photos(sources, folder, edge_px, job.settings.photos.most_megapixels, bar.advance)
    cases, start = list[PlannedCase](), 0
    for visit, count in zip(chosen, counts, strict=True):
        part: tuple[StoredPhoto, ...] = tuple(stored[start : start + count])
        cases.append(PlannedCase(visit.visit_id, visit.is_flagged, part))
        start += count
    return cases


_HEADING, _ORDER = "heading", "order"


def _hung(job: Job) -> pd.DataFrame:
    """The photos in the order of the hanging protocol: by region of the body from head to foot, then as views.csv lists the
    views; photos of unknown views come last, under no heading, for their words may tell more than they should."""
    photos, views = job.cohort.photos, job.cohort.views
    if views is None or BODY_REGION not in views or VIEW not in photos:
        return photos.assign(**{_HEADING: ""})
    side = views[SIDE].fillna("") if SIDE in views else pd.Series("", index=views.index)
    region = views[BODY_REGION].fillna("").astype(str)
    words = (region.str.replace("_", " ") + side.map(lambda one: f", {one}" if one else "")).where(region != "", "")
    place = region.map({name: number for number, name in enumerate(BODY_REGIONS)}).fillna(len(BODY_REGIONS))
    order = pd.DataFrame({"place": place, "words": words, "row": range(len(views))}).sort_values(
        ["place", "words", "row"]
    )
    rank = pd.Series(range(len(order)), index=views.loc[order.index, CODE].astype(str))
    heading = pd.Series(words.to_numpy(), index=views[CODE].astype(str)).str.slice(0, 60)
    view = photos[VIEW].astype(str)
    hung = photos.assign(**{_HEADING: view.map(heading).fillna(""), _ORDER: view.map(rank).fillna(len(order))})
    return hung.sort_values(_ORDER, kind="stable")
