"""The answers to a batch of new visits as one offline page: no script, nothing loaded from anywhere, everything escaped."""

from dataclasses import dataclass
from typing import Any

from grasp_psonet.report.page import environment
from grasp_psonet.report.shown import percent0, two
from grasp_psonet.report.thumbs import data_address

MOST_VISITS = 200  # visits whose photos are shown; further ones stand in the table alone
MOST_PICTURES = 12  # photos shown of a visit, the most attended first


@dataclass(frozen=True)
class ShownPhoto:
    """A photo of a new visit; ``picture`` holds JPEG bytes, None for a vector. ``quality``: what is unusual of it, in words."""

    photo_id: str
    attention: float
    is_far: bool
    quality: str
    picture: bytes | None


@dataclass(frozen=True)
class ShownVisit:
    """A new visit: its answer, the probabilities of the classes in their order, and the share of training visits that lie
    nearer to the others than it does (None: not known)."""

    visit_id: str
    num_photos: int
    predicted: str
    probabilities: tuple[float, ...]
    nearer: float | None
    warnings: tuple[str, ...]
    photos: tuple[ShownPhoto, ...]


@dataclass(frozen=True)
class NewVisitsPage:
    """Everything on the page; ``about`` is what predictions.json says of the run."""

    run: str
    classes: tuple[str, ...]
    is_calibrated: bool
    visits: tuple[ShownVisit, ...]
    about: dict[str, Any]


def render(page: NewVisitsPage) -> str:
    """The page as HTML."""
    template = environment().get_template("new_visits.html.j2")
    return template.render(
        page=page, percent=percent0, two=two, picture=data_address, most_visits=MOST_VISITS, most_pictures=MOST_PICTURES
    )
