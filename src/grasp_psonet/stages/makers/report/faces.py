"""Which photos the page may show, and how: all, faces blurred, no faces, or none (``report.photos``)."""

from collections.abc import Iterable
from typing import Literal

from PIL import Image, ImageFilter

from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import BODY_REGION, CODE, PHOTO_ID, VIEW

Shown = Literal["as it is", "blurred", "not"]
_BLUR = 10  # the radius is this part of the edge: no eye or mouth is left

_WORDS = {
    "faces_blurred": "Photos of faces, and of views that are not told, are blurred and have no maps here (report.photos).",
    "faces_off": "Photos of faces, and of views that are not told, are not shown (report.photos).",
    "none": "No photo is shown (report.photos).",
}


def ways_to_show(job: Job, photo_ids: Iterable[str]) -> dict[str, Shown]:
    """How each photo may be shown."""
    mode, ids = job.settings.report.photos, list(dict.fromkeys(photo_ids))
    if mode in ("all", "none") or job.kind == "features":
        return dict.fromkeys(ids, "not" if mode == "none" else "as it is")
    faces = faces_among(job)
    of_face: Shown = "blurred" if mode == "faces_blurred" else "not"
    return {photo_id: of_face if photo_id in faces else "as it is" for photo_id in ids}


def faces_among(job: Job) -> frozenset[str]:
    """The photos of a face: by their view or its body region, or because no view is told."""
    names = {name.strip().casefold() for name in job.settings.report.faces}
    photos, views = job.cohort.photos, job.cohort.views
    is_face = photos[VIEW].isna() | photos[VIEW].astype("string").str.casefold().isin(names)
    if views is not None:
        region_of = views.drop_duplicates(CODE).set_index(CODE)[BODY_REGION].astype("string").str.casefold()
        is_face |= photos[VIEW].map(region_of).astype("string").isin(names)
    return frozenset(photos.loc[is_face.fillna(True).to_numpy(dtype=bool), PHOTO_ID])


def blurred(image: Image.Image) -> Image.Image:
    """The photo with nothing but its colours left."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / _BLUR))


def hidden_note(job: Job) -> str | None:
    """What the page says of photos that it does not show; None where it shows all."""
    return None if job.kind == "features" else _WORDS.get(job.settings.report.photos)
