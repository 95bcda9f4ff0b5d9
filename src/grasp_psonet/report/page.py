"""The report as one offline HTML page: one script of its own, nothing loaded from anywhere, everything escaped."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.report import course_panels, figures, panels
from grasp_psonet.report.data import ReportData
from grasp_psonet.report.explored import explorer_of, json_in_page
from grasp_psonet.report.graded_visits import MOST_GRADED
from grasp_psonet.report.pictured import ErrorVisit, FlaggedPhoto
from grasp_psonet.report.publication.files import FOLDER as PUBLICATION
from grasp_psonet.report.publication.files import cards_of
from grasp_psonet.report.results import results
from grasp_psonet.report.shown import Shown, tag, text
from grasp_psonet.report.texts import of_maps, texts_of
from grasp_psonet.report.thumbs import data_address, shown_at, style_of_sheets

SCRIPT = ("basics", "lists", "zoom", "photos", "charts", "compare", "start")  # one script, in this order


def render(report: ReportData) -> str:
    """The page. Every number on it comes from ``results(report)`` and names its place there (data-at, data-as)."""
    tree = Shown(results(report))
    sprites = report.traced.pictures if report.traced is not None else None
    template = environment().get_template("report.html.j2")
    return template.render(
        r=tree,
        outcome=report.outcome,
        told=figures_of(report.outcome),
        texts=of_maps(texts_of(report.outcome), dict(report.making.settings).get("explain.sign", "total")),
        photos=_pictures(report),
        figures=figures,
        panels=panels,
        courses=course_panels,
        most_graded=MOST_GRADED,
        rate_most=_largest_rate(tree),
        all_photos=explorer_of(report.photos, tree.raw["photos"]),
        publication=PUBLICATION,
        cards_of=cards_of,
        compared_data=_compared(tree.raw, report.outcome),
        sheets=style_of_sheets(sprites),
        place=lambda kind, photo_id: shown_at(sprites, kind, photo_id),
    )


@cache  # templates are compiled once in a process
def environment() -> Environment:
    """What renders every page: everything escaped, the style at hand, an undefined name an error."""
    made = Environment(
        loader=PackageLoader("grasp_psonet.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"n": tag, "plain": text}
    made.globals["mix_opacity"] = _mix_opacity
    made.tests["missing"] = _is_missing
    script = f'"use strict";\n(() => {{\n{"".join(_source(made, f"script/{part}.js") for part in SCRIPT)}}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.globals |= {
        "style": Markup(_source(made, "report.css")),
        "script": Markup(script),
        "script_hash": Markup(f"sha256-{digest}"),
    }
    return made


def _compared(tree: dict[str, Any], outcome: Outcome) -> Markup:
    """What the page compares two runs from: parts of the results, and which two it begins with."""
    if tree["compared"] is None or not tree["compared"]["pairs"]:
        return Markup("{}")
    told, arms, pairs = figures_of(outcome), tree["arms"], tree["compared"]["pairs"]
    of_chosen = [pair for pair in pairs if tree["chosen"] in (pair["run"], pair["against"])]
    first = next((pair for pair in of_chosen if "baseline" in (pair["run"], pair["against"])), pairs[0])
    return json_in_page(
        tree["compared"]
        | {
            "arms": {arm["name"]: [{name: of[name] for name in told.shown} for of in arm["figures"]] for arm in arms},
            "metrics": {name: told.metrics[name].word for name in told.shown},
            "readers": tree["readers"],
            "severities": tree["severities"],
            "first": first["against"],
            "second": first["run"],
        }
    )


def style_source() -> str:
    """The style of every page."""
    return _source(environment(), "report.css")


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _mix_opacity(place: int, num_strata: int) -> str:
    """How strongly a stratum is drawn in a mix: from pale for the lowest to full for the highest."""
    return f"{0.28 + 0.72 * place / max(1, num_strata - 1):.2f}"


def _is_missing(shown: Shown) -> bool:
    return shown.raw is None


def _pictures(report: ReportData) -> dict[str, list[Any]]:
    """Photos and maps of the galleries as data addresses, in the order of the results."""
    galleries: dict[str, Sequence[FlaggedPhoto | ErrorVisit]] = {"flagged": report.flagged, "errors": report.errors}
    traits = () if report.diagnosis is None else report.diagnosis.traits
    shared = [[data_address(one.photo) if one.photo else None for one in trait.photos] for trait in traits]
    return {"shared": shared} | {name: [_of_part(part) for part in parts] for name, parts in galleries.items()}


def _of_part(part: FlaggedPhoto | ErrorVisit) -> dict[str, Any]:
    """The pictures of one photo: itself, its first map, the further ones; None for one that is not there."""
    photo, cam, *further = [
        data_address(image) if image else None
        for image in (part.photo, part.cam, *(one.picture for one in part.further))
    ]
    return {"photo": photo, "cam": cam, "further": further}


def _largest_rate(tree: Shown) -> float:
    rates: list[Any] = [rate["rate"].raw for rate in tree["removal"]]
    return max([rate for rate in rates if rate is not None], default=0.0)
