"""The pictures of the report: flagged photos and the photos that errors looked at, with their Grad-CAM and captions."""

import io

import pandas as pd
from PIL import Image

from grasp_psonet.photos.decode import decode_photo
from grasp_psonet.report import data
from grasp_psonet.stages.drawn import is_synthetic
from grasp_psonet.stages.explain import flagged_photos
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.prune import read_keep

_THUMBNAIL_PX = 160


def flagged_gallery(job: Job, keep_name: str | None) -> tuple[data.FlaggedPhoto, ...]:
    """The most harmful training photos, worst first; ``keep_name`` is the list that removed photos, if any."""
    study = job.study
    maps = pd.read_parquet(study.explanations / "index.parquet")
    maps = maps[maps["reason"] == "flagged"].set_index("photo_id")
    attention = pd.read_parquet(study.run(BASELINE) / "attention.parquet").set_index("photo_id")["attention"]
    keep = None if keep_name is None else read_keep(job, keep_name).set_index("photo_id")
    photos = job.cohort.photos.set_index("photo_id")
    severity = job.cohort.visits.set_index("visit_id")[job.outcome.label_column]
    faults = pd.read_parquet(study.truth_file).set_index("photo_id")["fault"] if is_synthetic(job) else None
    thumbnails = _thumbnails(job)
    return tuple(
        data.FlaggedPhoto(
            photo_id=photo_id,
            visit_id=visit_id,
            photo=thumbnails[photo_id],
            cam=(study.explanations / str(maps.loc[photo_id, "file"])).read_bytes(),
            cam_largest=number_or_none(maps.loc[photo_id, "cam_largest"]),
            score=float(score),
            attention=number_or_none(attention.get(photo_id)),
            view=None if pd.isna(photos.loc[photo_id, "view"]) else str(photos.loc[photo_id, "view"]),
            severity=int(severity[visit_id]),
            num_errors=_num_errors(job, keep, photo_id),
            is_removed=keep is not None and not bool(keep.loc[photo_id, "kept"]),
            fault=None if faults is None else str(faults[photo_id]),
        )
        for photo_id, visit_id, score in flagged_photos(job).itertuples(index=False, name=None)
    )


def _num_errors(job: Job, keep: pd.DataFrame | None, photo_id: str) -> int | None:
    if job.has_one_ranking:
        return None
    return 0 if keep is None else int(str(keep.loc[photo_id, "num_queries"]))


def error_gallery(job: Job, queries: pd.DataFrame) -> tuple[data.ErrorVisit, ...]:
    """The errors of the kept baseline with the highest loss, each with its most-attended photo."""
    study = job.study
    maps = pd.read_parquet(study.explanations / "index.parquet")
    maps = maps[maps["reason"] == "error"].set_index("visit_id")
    attention = pd.read_parquet(study.run(BASELINE) / "attention.parquet").set_index("photo_id")["attention"]
    visits, score_columns = job.cohort.visits.set_index("visit_id"), job.outcome.score_columns
    thumbnails = _thumbnails(job)
    shown = queries[queries["query_id"].isin(maps.index)].sort_values(["loss", "query_id"], ascending=[False, True])
    errors = []
    for row in shown.to_dict("records"):
        doubts = ["the readers disagree"] if row["readers_disagree"] else []
        doubts += [f"{job.outcome.score_word} close to a cut-off"] if row["near_cutoff"] else []
        errors.append(
            data.ErrorVisit(
                visit_id=row["query_id"],
                photo_id=row["photo_id"],
                photo=thumbnails[row["photo_id"]],
                cam=(study.explanations / str(maps.loc[row["query_id"], "file"])).read_bytes(),
                cam_largest=number_or_none(maps.loc[row["query_id"], "cam_largest"]),
                label=int(row["label"]),
                predicted=int(row["predicted"]),
                reading=number_or_none(visits[score_columns[0]][row["query_id"]]) if score_columns else None,
                attention=number_or_none(attention[row["photo_id"]]),
                doubts=tuple(doubts),
                used=bool(row["used"]),
            )
        )
    return tuple(errors)


def number_or_none(value: float | None) -> float | None:
    """A table's value as the report holds it: None where it is missing."""
    return None if value is None or pd.isna(value) else float(value)


def _thumbnails(job: Job) -> dict[str, bytes]:
    """JPEG thumbnails by photo id of every photo that has a map, from the original files, decoded as for the store."""
    maps = pd.read_parquet(job.study.explanations / "index.parquet")
    paths = job.cohort.photos.set_index("photo_id")["path"]
    found = {}
    for photo_id in maps["photo_id"].unique():
        buffer = io.BytesIO()
        pixels = decode_photo(job.photo_root / paths[photo_id], _THUMBNAIL_PX).pixels
        Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
        found[photo_id] = buffer.getvalue()
    return found
