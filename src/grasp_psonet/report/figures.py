"""The report's figures as inline SVG: no script, a few kilobytes each, coloured by the page's own light and dark styles.

A plotting library would embed megabytes of JavaScript, which a strict clinic browser or printer may not run. Each figure
has a title and a description for screen readers, and stands beside a table of the same numbers.
"""

from collections.abc import Iterable

from markupsafe import Markup

from grasp_psonet.evidence.reported import Figures
from grasp_psonet.report.shown import Shown, text, two
from grasp_psonet.report.svg import HEIGHT, LEFT, RIGHT, WIDTH, Axes, element, even_ticks, widened

_ROW_WIDTH, _ROW_MARGIN = 270, 16
_OFFSETS_PX = {"baseline": 0.0, "pruned": 0.0, "random": 7.0, "class": 12.0, "loss": -7.0}


def removal_figure(arms: Shown, reader: int, reader_name: str, told: Figures) -> Markup:
    """The figure that chooses, on test, against the fraction of training photos removed: baseline, each k, controls, with
    intervals.

    All readers' figures share one scale. Empty where the reader's is estimable for no run.
    """
    name, word = told.choosing, told.chooser.word
    found = [(arm, arm["figures"][reader][name]) for arm in arms]
    drawn = [(arm, estimate) for arm, estimate in found if estimate["value"].raw is not None]
    if not drawn:
        return Markup("")
    x_most = max(0.02, 1.12 * max(arm["removed_fraction"].raw for arm in arms))
    axes = Axes(
        x_most, interval_bounds([of_reader[name] for arm in arms for of_reader in arm["figures"]], told.chooser.most)
    )
    parts = axes.frame(
        even_ticks(0, x_most), even_ticks(axes.y_least, axes.y_most), "training photos removed", f"test {word}"
    )
    baseline = next((estimate["value"].raw for arm, estimate in drawn if arm["kind"].raw == "baseline"), None)
    if baseline is not None:
        level = axes.y(baseline)
        ends: dict[str, object] = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": level, "y2": level}
        parts.append(element("line", {"class": "level", **ends}))
    line = sorted(
        (axes.x(arm["removed_fraction"].raw), axes.y(estimate["value"].raw))
        for arm, estimate in drawn
        if arm["kind"].raw in ("baseline", "pruned")
    )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
    parts.append(element("polyline", {"class": "path pruned", "points": points}))
    for arm, estimate in drawn:
        x = axes.x(arm["removed_fraction"].raw) + _OFFSETS_PX[arm["kind"].raw]
        parts.append(_whisker(axes, x, estimate, arm["kind"].raw))
        mark = _mark(x, axes.y(estimate["value"].raw), arm["kind"].raw, bool(arm["is_chosen"].raw))
        parts.append(element("g", {"data-tip": _tip(arm, estimate, f"test {word}")}, mark))
    return _figure(
        f"removal-{reader}",
        f"Test {word} against {reader_name} by fraction of training photos removed",
        "Dots with intervals: the baseline, each removal and its controls. The numbers are in the table beside the figure.",
        parts,
    )


def audit_figure(audit: Shown, paper: Shown) -> Markup:
    """Fraction of disagreements found by fraction of visits inspected: the review list's ranking with its interval, chance, and
    the paper's point."""
    axes = Axes(1.0, (0.0, 1.0))
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    parts = axes.frame(ticks, ticks, "visits read again", "disagreements found")
    at, ranking = axes.x(audit["inspected"].raw), audit["rankings"][0]
    parts.append(element("line", {"class": "level", "x1": at, "x2": at, "y1": axes.y(0.0), "y2": axes.y(1.0)}))
    chance: dict[str, object] = {"x1": axes.x(0.0), "y1": axes.y(0.0), "x2": axes.x(1.0), "y2": axes.y(1.0)}
    parts.append(element("line", {"class": "level", **chance}))
    parts.append(element("text", {"class": "tick", "x": axes.x(0.86), "y": axes.y(0.8)}, "chance"))
    pairs = zip(ranking["inspected"].raw, ranking["found"].raw, strict=True)
    path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in pairs)
    parts.append(element("polyline", {"class": "path line-0", "points": path}))
    found = ranking["found_at"]
    if found["value"].raw is not None:
        parts += [_whisker(axes, at, found, "pruned"), _mark(at, axes.y(found["value"].raw), "pruned", False)]
    x, y = axes.x(paper["inspected"].raw), axes.y(paper["found"].raw)
    diamond = f"{x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f} {x - 6:.1f},{y:.1f}"
    parts.append(element("polygon", {"class": "paper", "points": diamond}))
    parts.append(element("text", {"class": "note", "x": x + 10, "y": y + 4}, "paper"))
    return _figure(
        "audit-curve",
        "Disagreements found by fraction of visits read again",
        "The ranking of the review list, with its interval where the list ends, and chance. All rankings are in the table.",
        parts,
    )


def differences_figure(found: Shown, number: int, word: str, run: str) -> Markup:
    """Bland-Altman plot: the difference of each visit against the mean of both numbers, with bias and limits of agreement."""
    means, differences = found["mean"].raw, found["difference"].raw
    if not means:
        return Markup("")
    levels = [found[end]["value"].raw for end in ("bias", "low", "high")]
    known = [level for level in levels if level is not None]
    least, most = min(0.0, *differences, *known), max(0.0, *differences, *known)
    margin = 0.06 * max(most - least, 1.0)
    axes = Axes(1.06 * max(1.0, *means), (least - margin, most + margin))
    parts = axes.frame_of_points(f"mean of both, points of {word}", f"{run} less {found['reader'].raw}, points")
    for level, style in zip(levels, ("level", "limit", "limit"), strict=True):
        if level is not None:
            at: dict[str, object] = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": axes.y(level), "y2": axes.y(level)}
            parts.append(element("line", {"class": style, **at}))
    parts += [
        element("circle", {"class": "mark pruned", "cx": axes.x(mean), "cy": axes.y(difference), "r": 3.0})
        for mean, difference in zip(means, differences, strict=True)
    ]
    return _figure(
        f"differences-{number}",
        f"Differences of {run} to {found['reader'].raw} by the mean of both",
        "One dot for each test visit. Dashed: the bias; dotted: the limits of agreement, whose numbers stand in the table.",
        parts,
    )


def interval_row(baseline: Shown, chosen: Shown, least: float, most: float) -> Markup:
    """One row of the forest plot: baseline above (hollow), chosen run below (filled), both with their intervals."""
    parts: list[Markup] = []

    def x(value: float) -> float:
        return _row_x(value, least, most)

    for estimate, kind, y in ((baseline, "baseline", 9.0), (chosen, "pruned", 21.0)):
        if estimate["value"].raw is None:
            continue
        if estimate["low"].raw is not None and estimate["high"].raw is not None:
            ends: dict[str, object] = {"x1": x(estimate["low"].raw), "x2": x(estimate["high"].raw), "y1": y, "y2": y}
            parts.append(element("line", {"class": f"whisker {kind}", **ends}))
        parts.append(_mark(x(estimate["value"].raw), y, kind, False))
    grid = [
        element("line", {"class": "grid", "x1": x(tick), "x2": x(tick), "y1": 0, "y2": 30})
        for tick in even_ticks(least, most)
    ]
    return element("svg", {"class": "row", "viewBox": f"0 0 {_ROW_WIDTH} 30", "aria-hidden": "true"}, *grid, *parts)


def interval_axis(least: float, most: float) -> Markup:
    """The axis that heads the forest plot's rows."""
    labels = [
        element(
            "text",
            {"class": "tick", "x": _row_x(tick, least, most), "y": 13, "text-anchor": "middle"},
            two(tick),
        )
        for tick in even_ticks(least, most)
    ]
    return element("svg", {"class": "row axis-row", "viewBox": f"0 0 {_ROW_WIDTH} 18", "aria-hidden": "true"}, *labels)


def interval_bounds(estimates: Iterable[Shown], most: float) -> tuple[float, float]:
    """A common range for rows of estimates, none of which can exceed ``most``."""
    values = [e[part].raw for e in estimates for part in ("value", "low", "high") if e[part].raw is not None]
    return widened(min(values), max(values), most) if values else (0.5, 1.0)


def rate_bar(rate: Shown, overall: Shown, most: float) -> Markup:
    """A removal rate as a bar, with the overall rate as an upright line; ``most`` is the rate at full width."""
    width, scale = 160, 156 / most if most else 0.0
    bar: dict[str, object] = {"class": "bar", "x": 0, "y": 3, "height": 10, "width": (rate.raw or 0.0) * scale}
    mark: dict[str, object] = {
        "class": "overall",
        "x1": overall.raw * scale,
        "x2": overall.raw * scale,
        "y1": 0,
        "y2": 16,
    }
    parts = (element("rect", bar), element("line", mark))
    return element("svg", {"class": "rate", "viewBox": f"0 0 {width} 16", "aria-hidden": "true"}, *parts)


def mark_sample(kind: str) -> Markup:
    """The legend's mark of a kind of run."""
    return element(
        "svg", {"class": "sample", "viewBox": "0 0 14 12", "aria-hidden": "true"}, _mark(7.0, 6.0, kind, False)
    )


def _row_x(value: float, least: float, most: float) -> float:
    return _ROW_MARGIN + (_ROW_WIDTH - 2 * _ROW_MARGIN) * (value - least) / (most - least)


def _tip(arm: Shown, estimate: Shown, what: str) -> str:
    """What is told of a run where its mark is pointed at."""
    ends = estimate["low"].raw, estimate["high"].raw
    span = "" if None in ends else f" ({text(estimate['low'], 'two')} to {text(estimate['high'], 'two')})"
    return f"{arm['name'].raw}, {text(arm['removed'], 'count')} photos removed: {what} {text(estimate['value'], 'two')}{span}"


def _whisker(axes: Axes, x: float, estimate: Shown, kind: str) -> Markup:
    low, high = estimate["low"].raw, estimate["high"].raw
    if low is None or high is None:
        return Markup("")
    return element("line", {"class": f"whisker {kind}", "x1": x, "x2": x, "y1": axes.y(low), "y2": axes.y(high)})


def _mark(x: float, y: float, kind: str, is_chosen: bool) -> Markup:
    """Shape and colour both tell the kind: hollow circle, disc, diamond, triangle, square. The chosen run has a ring."""
    ring = element("circle", {"class": "ring", "cx": x, "cy": y, "r": 9.0}) if is_chosen else Markup("")
    if kind == "class":
        points = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y + 4:.1f} {x - 5:.1f},{y + 4:.1f}"
        return element("polygon", {"class": "mark random", "points": points})
    if kind == "random":
        points = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 5:.1f} {x - 5:.1f},{y:.1f}"
        return element("polygon", {"class": "mark random", "points": points})
    if kind == "loss":
        return element("rect", {"class": "mark loss", "x": x - 4, "y": y - 4, "width": 8, "height": 8})
    return ring + element("circle", {"class": f"mark {kind}", "cx": x, "cy": y, "r": 4.5})


def _figure(name: str, title: str, description: str, parts: list[Markup]) -> Markup:
    named = (element("title", {"id": f"{name}-title"}, title), element("desc", {"id": f"{name}-desc"}, description))
    attributes: dict[str, object] = {
        "viewBox": f"0 0 {WIDTH} {HEIGHT}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
    }
    return element("svg", {"class": "chart", **attributes}, *named, *parts)
