"""Error by error: which training photos pushed a visit to its wrong answer, which held against it, and back."""

from collections.abc import Iterable
from dataclasses import dataclass

from grasp_psonet.report.sprites import Sprites


@dataclass(frozen=True)
class Influence:
    """A training photo's influence on one error: ``score`` by the study's formula, positive = helpful, negative = harmful;
    ``label``: its visit's."""

    photo_id: str
    visit_id: str
    score: float
    label: float
    view: str | None
    is_removed: bool


@dataclass(frozen=True)
class Attended:
    """A photo of a visit and the baseline's attention to it, in [0, 1]."""

    photo_id: str
    attention: float | None
    view: str | None


@dataclass(frozen=True)
class TracedError:
    """A validation visit with a wrong answer.

    ``predicted`` and ``loss`` (nats) are of the kept network where it errs (``of_kept``), else of the last recorded one that
    does; ``num_anchors``: recorded networks that err. ``attended``: the photo that it looked at most. ``strip``: all photos of
    the visit, most attended first. ``harmful`` pushed the visit to its wrong answer, ``helpful`` held against it: strongest
    first, empty where the error has no scores of its own.
    """

    visit_id: str
    label: float
    predicted: float
    loss: float
    of_kept: bool
    num_anchors: int
    used: bool
    attended: str
    doubts: tuple[str, ...]
    strip: tuple[Attended, ...]
    harmful: tuple[Influence, ...] = ()
    helpful: tuple[Influence, ...] = ()


@dataclass(frozen=True)
class PushedError:
    """An error that a photo pushed: its ``number`` among the errors (from 0), and the photo's ``rank`` there (from 1)."""

    visit_id: str
    number: int
    score: float
    rank: int


@dataclass(frozen=True)
class HarmfulPhoto:
    """A training photo among the most harmful ones of an error, with every error that it is among them of."""

    photo_id: str
    visit_id: str
    label: float
    view: str | None
    is_removed: bool
    errors: tuple[PushedError, ...]


@dataclass(frozen=True)
class Traced:
    """All traced errors, highest loss first, and the photos that pushed them, those of most errors first.

    ``most``: photos that are named at either end of an error. ``num_scored``: training photos that have scores error by error.
    ``why_not``: why no error has photos. ``pictures``: thumbnails under ("photo", photo_id) and ("map", photo_id).
    """

    errors: tuple[TracedError, ...]
    photos: tuple[HarmfulPhoto, ...]
    most: int
    num_scored: int
    why_not: str = ""
    pictures: Sprites | None = None


def harmful_photos(errors: Iterable[TracedError]) -> tuple[HarmfulPhoto, ...]:
    """The photos that pushed errors, those of most errors first; of as many, the one of the lowest sum of scores."""
    pushed: dict[str, list[PushedError]] = {}
    photo_of: dict[str, Influence] = {}
    for number, error in enumerate(errors):
        for rank, one in enumerate(error.harmful, start=1):
            pushed.setdefault(one.photo_id, []).append(PushedError(error.visit_id, number, one.score, rank))
            photo_of[one.photo_id] = one
    found = [
        HarmfulPhoto(one.photo_id, one.visit_id, one.label, one.view, one.is_removed, tuple(pushed[photo_id]))
        for photo_id, one in photo_of.items()
    ]
    found.sort(key=lambda photo: (-len(photo.errors), sum(error.score for error in photo.errors), photo.photo_id))
    return tuple(found)
