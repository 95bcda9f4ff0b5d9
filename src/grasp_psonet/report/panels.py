"""Small multiples in inline SVG: one panel a run or ranking, all on one scale, labelled where the lines are."""

from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from grasp_psonet.evidence.reported import Figures
from grasp_psonet.report.shown import Shown, percent0, points, short, text, two
from grasp_psonet.report.svg import element, even_ticks, widened

WIDTH, HEIGHT = 210, 132
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 8, 26
Line = tuple[str, Sequence[tuple[float, float]], str]  # class of the style, points, label at its end


class Panel:
    """Data to pixels of one small panel."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        (self.x_least, self.x_most), (self.y_least, self.y_most) = x_range, y_range

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - self.x_least) / ((self.x_most - self.x_least) or 1.0)

    def y(self, value: float) -> float:
        return (
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.y_least) / ((self.y_most - self.y_least) or 1.0)
        )

    def frame(self, x_ticks: Iterable[float], y_ticks: Iterable[float], shown: Callable[[float], str]) -> Markup:
        """Grid and tick labels; hidden from screen readers, who have the table."""
        parts = []
        for value in y_ticks:
            at = self.y(value)
            ends: dict[str, object] = {"class": "grid", "x1": LEFT, "x2": WIDTH - RIGHT, "y1": at, "y2": at}
            parts.append(element("line", ends))
            where: dict[str, object] = {"class": "tick", "x": LEFT - 5, "y": at + 4, "text-anchor": "end"}
            parts.append(element("text", where, shown(value)))
        for value in x_ticks:
            where = {"class": "tick", "x": self.x(value), "y": HEIGHT - BOTTOM + 16, "text-anchor": "middle"}
            parts.append(
                element("text", where, short(value) if self.x_most > 1 or self.x_least < 0 else percent0(value))
            )
        return element("g", {"aria-hidden": "true"}, *parts)

    def line(self, style: str, pairs: Sequence[tuple[float, float]]) -> Markup:
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in pairs)
        return element("polyline", {"class": f"path {style}", "points": path})

    def dot(self, style: str, x: float, y: float, tip: str) -> Markup:
        """A mark whose values are told when it is pointed at."""
        return element("circle", {"class": f"dot {style}", "cx": self.x(x), "cy": self.y(y), "r": 2.2, "data-tip": tip})

    def upright(self, x: float) -> Markup:
        at = self.x(x)
        ends: dict[str, object] = {
            "class": "level",
            "x1": at,
            "x2": at,
            "y1": self.y(self.y_least),
            "y2": self.y(self.y_most),
        }
        return element("line", ends)


def loss_panel(curves: Shown, number: int) -> Markup:
    """Training and validation loss of one run by epoch, on the scale of all runs."""
    curve = curves[number]
    every = [value for one in curves.raw for name in ("train_loss", "val_loss") for value in one[name]]
    panel = Panel(_epochs(curves), (0.0, max(every)))
    parts = [panel.frame(_epoch_ticks(curves), even_ticks(0.0, max(every)), short)]
    for name, style, word in (("train_loss", "baseline", "training loss"), ("val_loss", "pruned", "validation loss")):
        parts += _line_with_dots(panel, curve, name, (style, word, two))
    parts += _kept_and_anchors(panel, curve)
    return panel_figure(f"loss-{number}", f"Losses of {curve['run'].raw} by epoch", parts)


def figure_panel(curves: Shown, number: int, told: Figures) -> Markup:
    """The figure that chooses, on validation, of one run by epoch, on the scale of all runs; empty where none exists."""
    curve = curves[number]
    every = [value for one in curves.raw for value in one["figure"] if value is not None]
    if not any(value is not None for value in curve["figure"].raw):
        return Markup("")
    scale = widened(min(every), max(every), told.chooser.most)
    panel = Panel(_epochs(curves), scale)
    parts = [panel.frame(_epoch_ticks(curves), even_ticks(*scale), two if scale[1] <= 1 else points)]
    parts += _line_with_dots(panel, curve, "figure", ("pruned", f"validation {told.chooser.word}", two))
    parts += _kept_and_anchors(panel, curve)
    return panel_figure(f"figure-{number}", f"Validation {told.chooser.word} of {curve['run'].raw} by epoch", parts)


def ranking_panel(audit: Shown, number: int) -> Markup:
    """Disagreements found by visits inspected, of one ranking; dashed: chance; the whisker: its interval where it is told."""
    ranking, at = audit["rankings"][number], audit["inspected"].raw
    panel = Panel((0.0, 1.0), (0.0, 1.0))
    parts = [panel.frame((0.0, 0.5, 1.0), (0.0, 0.5, 1.0), percent0)]
    chance: dict[str, object] = {"x1": panel.x(0.0), "y1": panel.y(0.0), "x2": panel.x(1.0), "y2": panel.y(1.0)}
    parts += [element("line", {"class": "level", **chance}), panel.upright(at)]
    pairs = list(zip(ranking["inspected"].raw, ranking["found"].raw, strict=True))
    parts.append(panel.line("pruned", pairs))
    found = ranking["found_at"]
    low, high = found["low"].raw, found["high"].raw
    if low is not None and high is not None:
        ends: dict[str, object] = {"x1": panel.x(at), "x2": panel.x(at), "y1": panel.y(low), "y2": panel.y(high)}
        parts.append(element("line", {"class": "whisker pruned", **ends}))
    if found["value"].raw is not None:
        span = f" ({text(found['low'], 'percent0')} to {text(found['high'], 'percent0')})" if low is not None else ""
        told = f"{text(found['value'], 'percent0')}{span} found in the first {percent0(at)}"
        tip = f"{ranking['name'].raw}: {told}; chance {percent0(at)}"
        parts.append(panel.dot("pruned", at, found["value"].raw, tip))
    return panel_figure(f"ranking-{number}", f"Disagreements found by {ranking['name'].raw}", parts)


def _line_with_dots(
    panel: Panel, curve: Shown, name: str, told: tuple[str, str, Callable[[float], str]]
) -> list[Markup]:
    style, word, shown = told
    pairs = [(e, v) for e, v in zip(curve["epochs"].raw, curve[name].raw, strict=True) if v is not None]
    tips = [panel.dot(style, e, v, f"{curve['run'].raw}, epoch {e}: {word} {shown(v)}") for e, v in pairs]
    return [panel.line(style, pairs), *tips]


def _kept_and_anchors(panel: Panel, curve: Shown) -> list[Markup]:
    """A dashed line where the kept epoch ended, and a tick on the axis for each anchor on disk."""
    kept = [] if curve["kept"].raw is None else [panel.upright(curve["kept"].raw)]
    y = panel.y(panel.y_least)
    ends = [(panel.x(epoch), epoch) for epoch in curve["anchors"].raw]
    return kept + [
        element(
            "line", {"class": "anchor", "x1": x, "x2": x, "y1": y, "y2": y + 5, "data-tip": f"anchor, epoch {epoch}"}
        )
        for x, epoch in ends
    ]


def _epochs(curves: Shown) -> tuple[float, float]:
    return 1.0, float(max(2, *(epoch for curve in curves.raw for epoch in curve["epochs"])))


def _epoch_ticks(curves: Shown) -> list[float]:
    most = _epochs(curves)[1]
    return sorted({1.0, float(round((1 + most) / 2)), most})


def panel_figure(name: str, title: str, parts: list[Markup]) -> Markup:
    """The panel with its title, which a screen reader tells."""
    named = element("title", {"id": f"{name}-title"}, title)
    attributes: dict[str, object] = {
        "class": "chart panel",
        "viewBox": f"0 0 {WIDTH} {HEIGHT}",
        "role": "img",
        "aria-labelledby": f"{name}-title",
    }
    return element("svg", attributes, named, *parts)
