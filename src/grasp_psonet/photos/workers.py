"""Decoding and measuring of many photos, here or by fresh processes; these load no pandas, so that they start fast."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from grasp_psonet.errors import PhotoError, WorkerError
from grasp_psonet.photos.files.decode import Photo, decode_photo
from grasp_psonet.photos.files.place import PhotoRoot
from grasp_psonet.photos.measures import Quality, measure_quality
from grasp_psonet.photos.settings import MOST_MEGAPIXELS, Fit
from grasp_psonet.workers import Workers

_CHUNK = 8  # photos handed to a process at a time
_FEW = 32  # photos for which no process is started: that takes about a second

_Result = tuple[Photo, Quality] | str


@dataclass(frozen=True)
class PhotoForm:
    """What becomes of each photo: the edge of the square in pixels, how it becomes one, and the most million pixels of one
    that is decoded."""

    edge_px: int
    fit: Fit = "resize"
    most_megapixels: int = MOST_MEGAPIXELS


def prepared(paths: list[str], root: PhotoRoot, form: PhotoForm, workers: Workers) -> Iterator[_Result]:
    """Each photo with its measures, or why there is none, in the order of the paths. Raises PhotoError where a decoder takes
    its whole process down."""
    if not workers.are_worth(len(paths), _FEW + 1):
        for path in paths:
            yield _prepare(path, root, form)
        return
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    done = 0
    try:
        for results in workers.each(partial(_prepare_all, root=root, form=form), chunks):
            done += 1
            yield from results
    except WorkerError as error:
        if not workers.are_processes:
            raise
        chunk = chunks[done]
        raise PhotoError(
            f"a process that decodes photos was ended from outside, or by one of {chunk[0]} to {chunk[-1]}\n"
            "  next: run again, it goes on there; with machine.processes 1 if it happens once more"
        ) from error


def _prepare_all(paths: list[str], root: PhotoRoot, form: PhotoForm) -> list[_Result]:
    return [_prepare(path, root, form) for path in paths]


def _prepare(path: str, root: PhotoRoot, form: PhotoForm) -> _Result:
    try:
        photo = decode_photo(root.file(path), form.edge_px, form.fit, form.most_megapixels)
    except PhotoError as error:
        return str(error)
    return photo, measure_quality(photo.pixels)
