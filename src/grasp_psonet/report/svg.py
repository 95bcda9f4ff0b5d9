"""Drawing in inline SVG: elements, and the axes of a chart. Data in, pixels out; colours are the page's styles."""

import math
from collections.abc import Callable, Iterable

from markupsafe import Markup, escape

from grasp_psonet.report.shown import percent0, short, two

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 14, 44
Scale = tuple[Iterable[float], Callable[[float], str], str]  # ticks, how they are written, and the title of an axis


def element(name: str, attributes: dict[str, object], *children: Markup | str) -> Markup:
    """An SVG or HTML element with everything escaped; numbers are written with one decimal."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key, f"{value:.1f}" if isinstance(value, float) else value)
        for key, value in attributes.items()
    )
    inner = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inner)


class Axes:
    """Data to pixels of one figure; ``x`` runs from 0."""

    def __init__(self, x_most: float, y_range: tuple[float, float]) -> None:
        self.x_most, (self.y_least, self.y_most) = x_most, y_range

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_most

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.y_least) / (self.y_most - self.y_least)

    def frame(self, x_ticks: Iterable[float], y_ticks: Iterable[float], x_title: str, y_title: str) -> list[Markup]:
        """``frame_in`` with shares along the bottom, and shares or figures along the side."""
        side = percent0 if (self.y_least, self.y_most) == (0.0, 1.0) else two
        return self.frame_in((x_ticks, percent0, x_title), (y_ticks, side, y_title))

    def frame_of_points(self, x_title: str, y_title: str) -> list[Markup]:
        """``frame_in`` with points of a score along both sides."""
        x_ticks, y_ticks = even_ticks(0.0, self.x_most), even_ticks(self.y_least, self.y_most)
        return self.frame_in((x_ticks, short, x_title), (y_ticks, short, y_title))

    def frame_in(self, bottom: Scale, side: Scale) -> list[Markup]:
        """Light horizontal lines, tick labels, axis titles; hidden from screen readers, who have the table."""
        (x_ticks, x_label, x_title), (y_ticks, y_label, y_title) = bottom, side
        parts: list[Markup] = []
        for value in y_ticks:
            at = self.y(value)
            ends: dict[str, object] = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": at, "y2": at}
            parts.append(element("line", {"class": "grid", **ends}))
            label = y_label(value)
            parts.append(element("text", {"class": "tick", "x": LEFT - 7, "y": at + 4, "text-anchor": "end"}, label))
        for value in x_ticks:
            at = self.x(value)
            here: dict[str, object] = {"class": "tick", "x": at, "y": HEIGHT - BOTTOM + 18, "text-anchor": "middle"}
            parts.append(element("text", here, x_label(value)))
        middle = (LEFT + WIDTH - RIGHT) / 2
        x_at: dict[str, object] = {"class": "axis", "x": middle, "y": HEIGHT - 6, "text-anchor": "middle"}
        parts.append(element("text", x_at, x_title))
        turned = f"rotate(-90 12 {(HEIGHT - BOTTOM + TOP) / 2:.0f})"
        y_at: dict[str, object] = {
            "class": "axis",
            "x": 12,
            "y": (HEIGHT - BOTTOM + TOP) / 2,
            "text-anchor": "middle",
        }
        parts.append(element("text", {**y_at, "transform": turned}, y_title))
        return [element("g", {"aria-hidden": "true"}, *parts)]


def widened(least: float, most: float, bound: float = 1.0) -> tuple[float, float]:
    """The range rounded outwards to steps of 0.05 (of 0.5 where it is wider than 1, and so on), at least two steps wide and
    not beyond ``bound``."""
    per_unit = 20 / 10 ** max(0, math.ceil(math.log10(max(most - least, 1e-9))))
    step = 1 / per_unit
    low, high = int(least * per_unit + 1e-9) / per_unit, -int(-most * per_unit + 1e-9) / per_unit
    high = min(bound, high + step) if high < most else high
    return (low, high) if high - low >= 2 * step else (max(0.0, high - 2 * step), max(high, 2 * step))


def even_ticks(least: float, most: float) -> list[float]:
    """Three to seven round values inside the range."""
    tenfold = 10.0 ** max(0, math.ceil(math.log10(max(most - least, 1e-9) / 3)))
    steps = [tenfold * share for share in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)]
    step = next((s for s in steps if (most - least) / s <= 6), tenfold)
    first = -int(-least / step + 1e-9)
    return [i * step for i in range(first, int(most / step + 1e-9) + 1) if least - 1e-9 <= i * step <= most + 1e-9]
