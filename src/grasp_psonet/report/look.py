"""The photos of a study before anything is trained: distributions, quality and contact sheets as one offline page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from grasp_psonet.report.page import environment
from grasp_psonet.report.shown import count, short
from grasp_psonet.report.svg import element
from grasp_psonet.report.thumbs import data_address

_BAR_PX, _BINS, _HISTOGRAM_PX, _HEIGHT_PX = 190, 24, 240, 54


@dataclass(frozen=True)
class Distribution:
    """How often each value occurs; a value that does not occur though it could stands with 0."""

    title: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Thumbnail:
    """A photo as JPEG bytes, what it is called, and words below it; without a picture the words say why."""

    photo_id: str
    picture: bytes | None
    words: str


@dataclass(frozen=True, eq=False)
class Measured:
    """A measure of quality: of all photos measured, by skin type (name and median), and the photos at its far ends."""

    name: str
    meaning: str
    values: NDArray[np.float64]
    by_skin_type: tuple[tuple[str, float], ...]
    extremes: tuple[tuple[str, tuple[Thumbnail, ...]], ...]


@dataclass(frozen=True)
class Sheet:
    """The contact sheet of a visit, with what is known of it in words."""

    visit_id: str
    words: str
    photos: tuple[Thumbnail, ...]


@dataclass(frozen=True, eq=False)
class LookPage:
    """Everything on the page."""

    study: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    distributions: tuple[Distribution, ...]
    measured: tuple[Measured, ...]
    duplicates: tuple[tuple[Thumbnail, Thumbnail], ...]
    sheets: tuple[Sheet, ...]
    num_visits: int


def render(page: LookPage) -> str:
    """The page as HTML."""
    template = environment().get_template("look.html.j2")
    return template.render(
        page=page, bar=bar, histogram=histogram, picture=data_address, count=count, short=short, quantiles=_quantiles
    )


def bar(number: int, most: int) -> Markup:
    """A bar whose length is the number's share of the largest."""
    length = _BAR_PX * number / max(1, most)
    frame: dict[str, object] = {"width": _BAR_PX, "height": 12, "viewBox": f"0 0 {_BAR_PX} 12", "aria-hidden": "true"}
    return element("svg", frame, element("rect", {"class": "bar", "x": 0, "y": 1, "width": length, "height": 10}))


def histogram(measured: Measured) -> Markup:
    """How the values of a measure are spread, from least to largest."""
    counts, _ = np.histogram(measured.values, bins=_BINS)
    width, most = _HISTOGRAM_PX / _BINS, max(1, int(counts.max()))
    bars = [
        element(
            "rect",
            {
                "class": "bar",
                "x": width * at,
                "y": _HEIGHT_PX * (1 - number / most),
                "width": width - 1,
                "height": _HEIGHT_PX * number / most,
            },
        )
        for at, number in enumerate(counts)
    ]
    low, middle, high = (short(round(value, 1)) for value in _quantiles(measured.values))
    title = element("title", {}, f"{measured.name}: from {low} over {middle} in the middle to {high}")
    frame: dict[str, object] = {
        "role": "img",
        "width": _HISTOGRAM_PX,
        "height": _HEIGHT_PX,
        "viewBox": f"0 0 {_HISTOGRAM_PX} {_HEIGHT_PX}",
    }
    return element("svg", frame, title, *bars)


def _quantiles(values: NDArray[np.float64]) -> Sequence[float]:
    return [float(value) for value in np.quantile(values, [0, 0.5, 1])]
