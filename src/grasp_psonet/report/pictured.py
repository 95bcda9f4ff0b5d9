"""Photos that the report shows with their maps (see ``data``): flagged training photos, and what errors looked at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ShownMap:
    """A map of a photo: the run and the method that it is by, and the picture (None without a photo to map).

    ``largest``: the map's largest value, None without a map and 0 where no place speaks for the label. ``plaque_share``: part
    of its heat on drawn plaque, None without heat and where no mask is known.
    """

    run: str
    method: str
    picture: bytes | None
    largest: float | None
    plaque_share: float | None = None


@dataclass(frozen=True)
class FlaggedPhoto:
    """A training photo of the list that is followed, or one that pruning would take next.

    ``photo`` is None where it is a vector alone.

    ``cam`` is the baseline's map by the first method and ``cam_largest`` its largest value: None without a map and 0 where no
    place speaks for the label; ``further`` are the maps of the chosen run and of other methods.

    ``score`` is what pruning ranks by (the sum over the errors, or one error's), ``num_errors`` the number of validation errors
    that took it (None where one ranking served all), ``fault`` what was planted on it (synthetic cohorts only).
    """

    photo_id: str
    visit_id: str
    photo: bytes | None
    cam: bytes | None
    cam_largest: float | None
    score: float
    attention: float | None
    view: str | None
    label: float
    num_errors: int | None
    is_removed: bool = True
    fault: str | None = None
    further: tuple[ShownMap, ...] = ()


@dataclass(frozen=True)
class ErrorVisit:
    """A validation visit with a wrong answer, seen through its most-attended photo. ``reading``: Reader 1's score,
    ``doubts``: why the label is doubtful; maps as of a flagged photo."""

    visit_id: str
    photo_id: str
    photo: bytes | None
    cam: bytes | None
    cam_largest: float | None
    label: float
    predicted: float
    reading: float | None
    attention: float | None
    doubts: tuple[str, ...] = ()
    used: bool = True
    further: tuple[ShownMap, ...] = ()
