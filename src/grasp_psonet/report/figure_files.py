"""The figures of the page as files of their own, for papers and slides: SVG with its styles, and CSV of what is drawn."""

import re

import pandas as pd
from markupsafe import Markup

from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.reported import Figures
from grasp_psonet.report.course_panels import MOST_COURSES, course_panel
from grasp_psonet.report.data import ReportData
from grasp_psonet.report.figures import audit_figure, differences_figure, removal_figure
from grasp_psonet.report.graded_visits import grades_table
from grasp_psonet.report.over_time import OverTime
from grasp_psonet.report.page import style_source
from grasp_psonet.report.panels import figure_panel, loss_panel, ranking_panel
from grasp_psonet.report.shown import Shown

_DRAWN = re.compile(
    r"^(?:svg text|\.(?:grid|level|limit|whisker|mark|ring|path|line-\d|paper|dot|anchor|tick|note|axis)\b)"
)


def svg_files(report: ReportData, tree: Shown) -> dict[str, str]:
    """Every figure as a file of its own by its name; ``tree``: the results that the page shows. Figures without a value, and
    those of parts that are not there, are left out."""
    told = figures_of(report.outcome)
    drawn: dict[str, Markup] = {}
    for number, reader in enumerate(report.readers):
        drawn[f"removal-{number + 1}"] = removal_figure(tree["arms"], number, reader, told)
    if report.audit is not None and report.audit.rankings:
        drawn["audit"] = audit_figure(tree["audit"], tree["paper_audit"])
        for number, ranking in enumerate(report.audit.rankings):
            drawn[f"ranking-{ranking.name}"] = ranking_panel(tree["audit"], number)
    for number, curve in enumerate(report.curves):
        drawn[f"loss-{curve.run}"] = loss_panel(tree["curves"], number)
        drawn[f"validation-{curve.run}"] = figure_panel(tree["curves"], number, told)
    if report.detail is not None:
        for number, found in enumerate(tree["detail"]["differences"]):
            word = str(report.outcome.score_word)
            drawn[f"differences-{number + 1}"] = differences_figure(found, number, word, report.chosen)
    if report.over_time is not None:
        for number in range(min(MOST_COURSES, len(report.over_time.courses))):
            panel = course_panel(tree["over_time"], number, str(report.outcome.score_word))
            drawn[f"course-{report.over_time.courses[number].visit_id}"] = panel
    return {_file_name(name): _standalone(markup) for name, markup in drawn.items() if markup}


def data_files(report: ReportData) -> dict[str, pd.DataFrame]:
    """What the figures draw, by the name of its table; empty tables are left out."""
    told = figures_of(report.outcome)
    found = {
        "removal": _removal(report, told),
        "training": _training(report, told),
        "pairs": _pairs(report),
        "rankings": pd.DataFrame(
            [
                (ranking.name, x, y)
                for ranking in (report.audit.rankings if report.audit else ())
                for x, y in zip(ranking.inspected, ranking.found, strict=True)
            ],
            columns=["ranking", "fraction_inspected", "fraction_found"],
        ),
        "differences": pd.DataFrame(
            [
                (one.reader, mean, difference)
                for one in (report.detail.differences if report.detail else ())
                for mean, difference in zip(one.mean, one.difference, strict=True)
            ],
            columns=["reader", "mean", "difference"],
        ),
    }
    if report.over_time is not None:
        found |= {
            "courses": _courses(report.over_time, report.readers),
            "parts": _parts(report.over_time, report.readers),
            "grades": grades_table(report.over_time),
        }
    return {name: table for name, table in found.items() if len(table)}


def _removal(report: ReportData, told: Figures) -> pd.DataFrame:
    rows = []
    for arm in report.arms:
        for reader, of_reader in zip(report.readers, arm.figures, strict=True):
            one = of_reader.figures[told.choosing]
            of_arm = (arm.name, arm.kind, arm.k, arm.removed, arm.removed / report.train_photos)
            rows.append((*of_arm, reader, one.value, one.low, one.high))
    head = ["run", "kind", "k", "photos_removed", "fraction_removed", "reader"]
    return pd.DataFrame(rows, columns=[*head, f"test_{told.choosing}", "low", "high"])


def _training(report: ReportData, told: Figures) -> pd.DataFrame:
    rows = [
        (curve.run, epoch, *values, epoch == curve.kept)
        for curve in report.curves
        for epoch, *values in zip(curve.epochs, curve.train_loss, curve.val_loss, curve.figure, strict=True)
    ]
    return pd.DataFrame(rows, columns=["run", "epoch", "train_loss", "val_loss", f"val_{told.choosing}", "is_kept"])


def _pairs(report: ReportData) -> pd.DataFrame:
    """Every pair of runs: paired differences, positive where ``run`` is better."""
    pairs = report.compared.pairs if report.compared is not None else ()
    rows = [
        (pair.run, pair.against, reader, metric, one.value, one.low, one.high, *counts)
        for pair in pairs
        for counts in [(pair.changed, pair.only_run, pair.only_against, pair.both)]
        for reader, of_reader in zip(report.readers, pair.differences, strict=True)
        for metric, one in of_reader.items()
    ]
    head = ["run", "against", "reader", "metric", "difference", "low", "high", "visits_answered_differently"]
    return pd.DataFrame(rows, columns=[*head, "removed_in_run_alone", "removed_in_against_alone", "removed_in_both"])


def _courses(over_time: OverTime, readers: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (course.visit_id, *of_visit)
        for course in over_time.courses
        for of_visit in zip(course.days, course.predicted, course.low, course.high, *course.read, strict=True)
    ]
    return pd.DataFrame(rows, columns=["first_visit_id", "study_day", "predicted", "low", "high", *readers])


def _parts(over_time: OverTime, readers: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (one.region, one.part, figure.name, reader, estimate.value, estimate.low, estimate.high)
        for one in over_time.parts
        for figure in one.figures
        for reader, estimate in zip((*readers, "readers"), (*figure.chosen, figure.readers), strict=True)
        if estimate is not None
    ]
    return pd.DataFrame(rows, columns=["region", "part", "metric", "against", "value", "low", "high"])


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


def _standalone(figure: Markup) -> str:
    """The figure with the styles that it needs, light, and the name space that a file must have."""
    source = style_source()
    colours = source[source.index(":root {") : source.index("@media (prefers-color-scheme: dark)")]
    rules = [rule.strip() for line in source.splitlines() for rule in re.findall(r"[^{}]+\{[^{}]*\}", line)]
    drawn = "\n".join(rule for rule in rules if _DRAWN.match(rule))
    style = f"<style>{colours.replace('color-scheme: light dark;', '')}{drawn}</style>"
    opening, rest = str(figure).split(">", 1)
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'
