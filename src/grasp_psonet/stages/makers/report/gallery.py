"""The pictures of the report: flagged photos and the photos that errors looked at, with their Grad-CAM and captions."""

import io
from collections.abc import Iterable

import pandas as pd
from PIL import Image

from grasp_psonet.photos.files.decode import decode_photo
from grasp_psonet.report.pictured import ErrorVisit, FlaggedPhoto, ShownMap
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import ExplainNeeds
from grasp_psonet.stages.drawn import is_synthetic
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.explain import flagged_photos, followed_list
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.makers.report.faces import blurred, ways_to_show
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import (
    ATTENTION,
    CAM_LARGEST,
    FAULT,
    FILE,
    KEPT,
    LABEL,
    LOSS,
    METHOD,
    NEAR_CUTOFF,
    NUM_QUERIES,
    PATH,
    PHOTO_ID,
    PLAQUE_SHARE,
    PREDICTED,
    QUERY_ID,
    READERS_DISAGREE,
    REASON,
    RUN,
    USED,
    VIEW,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.explain import MAPS
from grasp_psonet.tables.schemas.runs import PHOTO_ATTENTION
from grasp_psonet.tables.schemas.truth import TRUTH

_THUMBNAIL_PX = 160


def flagged_gallery(job: Job, keep_name: str | None) -> tuple[FlaggedPhoto, ...]:
    """The photos of the list that is followed, then those that pruning would take next; ``keep_name`` is the list of the chosen
    run, if photos were removed."""
    study = job.study
    maps = _shown_maps(job, "flagged", PHOTO_ID)
    attention = PHOTO_ATTENTION.read(study.run(BASELINE) / "attention.parquet").set_index(PHOTO_ID)[ATTENTION]
    keep = None if keep_name is None else read_keep(job, keep_name).set_index(PHOTO_ID)
    photos = job.cohort.photos.set_index(PHOTO_ID)
    label_of = job.cohort.visits.set_index(VISIT_ID)[job.outcome.label_column]
    faults = TRUTH.read(study.truth_file).set_index(PHOTO_ID)[FAULT] if is_synthetic(job) else None
    thumbnails = thumbnails_of(job, maps)
    own, trace = needs_of(ExplainNeeds, job.settings), study.trace(job.trace_name())
    flagged = flagged_photos(own, trace, job.cohort, followed_list(job, study.evaluation))
    return tuple(
        FlaggedPhoto(
            photo_id=photo_id,
            visit_id=visit_id,
            photo=thumbnails.get(photo_id),
            cam=maps[photo_id][0].picture,
            cam_largest=maps[photo_id][0].largest,
            score=float(score),
            attention=number_or_none(attention.get(photo_id)),
            view=None if pd.isna(photos.loc[photo_id, VIEW]) else str(photos.loc[photo_id, VIEW]),
            label=label_of[visit_id],
            num_errors=_num_errors(job, keep, photo_id),
            is_removed=keep is not None and not bool(keep.loc[photo_id, KEPT]),
            fault=None if faults is None else str(faults[photo_id]),
            further=tuple(maps[photo_id][1:]),
        )
        for photo_id, visit_id, score in flagged.itertuples(index=False, name=None)
    )


def _num_errors(job: Job, keep: pd.DataFrame | None, photo_id: str) -> int | None:
    if job.has_one_ranking:
        return None
    return 0 if keep is None else int(str(keep.loc[photo_id, NUM_QUERIES]))


def error_gallery(job: Job, queries: pd.DataFrame) -> tuple[ErrorVisit, ...]:
    """The errors of the kept baseline with the highest loss, each with its most-attended photo."""
    study = job.study
    maps = _shown_maps(job, "error", VISIT_ID)
    attention = PHOTO_ATTENTION.read(study.run(BASELINE) / "attention.parquet").set_index(PHOTO_ID)[ATTENTION]
    visits, score_columns = job.cohort.visits.set_index(VISIT_ID), job.outcome.score_columns
    shown = queries[queries[QUERY_ID].isin(list(maps))].sort_values([LOSS, QUERY_ID], ascending=[False, True])
    thumbnails = thumbnails_of(job, shown[PHOTO_ID])
    errors = []
    for row in shown.to_dict("records"):
        doubts = ["the readers disagree"] if row[READERS_DISAGREE] else []
        doubts += [f"{job.outcome.score_word} close to a cut-off"] if row[NEAR_CUTOFF] else []
        errors.append(
            ErrorVisit(
                visit_id=row[QUERY_ID],
                photo_id=row[PHOTO_ID],
                photo=thumbnails.get(row[PHOTO_ID]),
                cam=maps[row[QUERY_ID]][0].picture,
                cam_largest=maps[row[QUERY_ID]][0].largest,
                label=row[LABEL],
                predicted=row[PREDICTED],
                reading=number_or_none(visits[score_columns[0]][row[QUERY_ID]]) if score_columns else None,
                attention=number_or_none(attention[row[PHOTO_ID]]),
                doubts=tuple(doubts),
                used=bool(row[USED]),
                further=tuple(maps[row[QUERY_ID]][1:]),
            )
        )
    return tuple(errors)


def number_or_none(value: float | None) -> float | None:
    """A table's value as the report holds it: None where it is missing."""
    return None if value is None or pd.isna(value) else float(value)


def _shown_maps(job: Job, reason: str, by: str) -> dict[str, list[ShownMap]]:
    """The maps of the photos that have them for this reason, by a column of the index: first the baseline's by the first
    method, then the others, method by method."""
    folder, methods = job.study.explanations, ["", *job.settings.explain.methods]
    index = MAPS.read(folder / "index.parquet")
    rows = index[index[REASON] == reason]
    rows = rows.assign(**{METHOD: rows[METHOD].fillna("")})  # empty: of precomputed features
    rows = rows.sort_values(METHOD, key=lambda names: names.map(methods.index), kind="stable")
    found: dict[str, list[ShownMap]] = {}
    ways = ways_to_show(job, rows[PHOTO_ID])
    for row in rows.to_dict("records"):
        is_shown = ways[row[PHOTO_ID]] == "as it is"
        shown = ShownMap(
            run=row[RUN],
            method=row[METHOD],
            picture=None if pd.isna(row[FILE]) or not is_shown else (folder / row[FILE]).read_bytes(),
            largest=number_or_none(row[CAM_LARGEST]) if is_shown else None,
            plaque_share=number_or_none(row[PLAQUE_SHARE]),
        )
        found.setdefault(row[by], []).append(shown)
    return found


def thumbnails_of(job: Job, photo_ids: Iterable[str]) -> dict[str, bytes]:
    """JPEG thumbnails by photo id, from the original files, decoded as for the store; of those alone that may be shown.

    None of precomputed features.
    """
    if job.kind == "features":
        return {}
    paths = job.cohort.photos.set_index(PHOTO_ID)[PATH]
    found = {}
    for photo_id, way in ways_to_show(job, photo_ids).items():
        if way == "not":
            continue
        buffer = io.BytesIO()
        file = job.photo_files.file(paths[photo_id])
        form = job.settings.photos
        pixels = decode_photo(file, _THUMBNAIL_PX, form.fit, form.most_megapixels).pixels
        picture = Image.fromarray(pixels)
        (blurred(picture) if way == "blurred" else picture).save(buffer, "JPEG", quality=85)
        found[photo_id] = buffer.getvalue()
    return found
