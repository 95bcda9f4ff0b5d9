"""Courses of patients as small multiples: what a run predicted at each visit, with its interval, and what readers gave."""

from markupsafe import Markup

from grasp_psonet.report.panels import Panel, panel_figure
from grasp_psonet.report.shown import Shown, points, short
from grasp_psonet.report.svg import element, even_ticks

MOST_COURSES = 24  # panels on the page; the others stand in the file of what is drawn


def course_panel(over_time: Shown, number: int, score: str) -> Markup:
    """One patient on the scale of all: blue with its interval what was predicted, grey Reader 1, hollow Reader 2."""
    course = over_time["courses"][number]
    every_day = [day for one in over_time["courses"].raw for day in one["days"]]
    least, most = min(every_day), max(every_day)
    top = max(1.0, 1.04 * over_time["most_points"].raw)
    panel = Panel((least, max(most, least + 2)), (0.0, top))
    days, predicted = course["days"].raw, course["predicted"].raw
    parts = [panel.frame(even_ticks(panel.x_least, panel.x_most), even_ticks(0.0, top), short)]
    for style, of_reader, word in zip(
        ("baseline", "hollow"), course["read"].raw, ("Reader 1", "Reader 2"), strict=False
    ):
        pairs = [(day, value) for day, value in zip(days, of_reader, strict=True) if value is not None]
        if style == "baseline":
            parts.append(panel.line(style, pairs))
        parts += [panel.dot(style, x, y, f"day {short(x)}: {score} {points(y)} by {word}") for x, y in pairs]
    ends = zip(days, course["low"].raw, course["high"].raw, strict=True)
    if over_time["interval_points"].raw is not None:
        parts += [_whisker(panel, day, low, high) for day, low, high in ends]
    pairs = list(zip(days, predicted, strict=True))
    parts.append(panel.line("pruned", pairs))
    parts += [panel.dot("pruned", x, y, f"day {short(x)}: {score} {points(y)} predicted") for x, y in pairs]
    title = f"{score} by day of the study, patient of visit {course['visit_id'].raw}"
    return panel_figure(f"course-{number}", title, parts)


def _whisker(panel: Panel, day: float, low: float, high: float) -> Markup:
    ends: dict[str, object] = {"x1": panel.x(day), "x2": panel.x(day), "y1": panel.y(low), "y2": panel.y(high)}
    return element("line", {"class": "whisker pruned", **ends})
