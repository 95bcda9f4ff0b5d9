"""The report page and results.json: one story, nothing loaded, nothing unescaped, every missing part said in words."""

import base64
import dataclasses
import hashlib
import itertools
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.errors import GraspError
from grasp_psonet.evidence.evaluate import evaluate_runs
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.reported import Metric
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.report.data import Estimate, ReportData
from grasp_psonet.report.page import render
from grasp_psonet.report.results import PAPER_AUDIT, results, verdict
from grasp_psonet.report.shown import FORMATS, MISSING, bound, percent, score, signed, two
from grasp_psonet.report.svg import even_ticks, widened
from grasp_psonet.report.thumbs import data_address
from grasp_psonet.stages.makers.report.arms import improvement_of, subgroups_of
from tests.report.fake import around, fake_report

pytestmark = pytest.mark.long

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text with the elements around it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, list[tuple[str, dict[str, str | None]]]]] = []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {[name for name, _ in self.open]}"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"<{tag}> repeats an attribute: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        name, _ = self.open.pop()
        assert name == tag, f"</{tag}> closes <{name}>"

    def handle_data(self, data):
        if data.strip():
            self.texts.append((data, list(self.open)))

    def words(self) -> str:
        inside = [
            data
            for data, around in self.texts
            if not any(name in ("style", "title", "desc", "script") for name, _ in around)
        ]
        return re.sub(r"\s+", " ", "".join(inside))


@pytest.fixture(scope="module")
def report() -> ReportData:
    return fake_report()


@pytest.fixture(scope="module")
def html(report) -> str:
    return render(report)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def value_at(tree, dotted: str):
    for key in dotted.split("."):
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    return tree


def test_every_number_of_the_page_stands_in_results(report, page):
    tree = json.loads(json.dumps(results(report), allow_nan=False))
    checked, stray = 0, []
    for data, inside in page.texts:
        named = [attributes for _, attributes in inside if attributes.get("data-at")]
        if named:
            value, form = value_at(tree, named[-1]["data-at"]), named[-1]["data-as"]
            assert data == (MISSING if value is None else FORMATS[form](value)), named[-1]
            checked += form != "text"
        elif re.search(r"\d", data) and not any(
            name in ("style", "title", "script") or attributes.get("class") == "tick" for name, attributes in inside
        ):
            stray.append(data)
    assert stray == [], f"numbers on the page that name no place in results.json: {stray}"
    assert checked > 300, f"only {checked} numbers checked"


def test_marks_of_the_sweep_stand_at_their_values(report, html):
    figure = Page(re.search(r'<svg class="chart".*?</svg>', html, re.S).group())
    ticks = [(float(a["y"]) - 4, float(data)) for data, inside in figure.texts for _, a in inside[-1:]
             if a.get("class") == "tick" and "%" not in data]  # fmt: skip
    (y0, v0), (y1, v1) = ticks[0], ticks[-1]
    seen = sorted(
        v0 + (float(a["cy"]) - y0) * (v1 - v0) / (y1 - y0)
        for name, a in figure.elements
        if name == "circle" and "mark" in a["class"]
    )
    wanted = sorted(arm.figures[0].figures["auc"].value for arm in report.arms if arm.kind in ("baseline", "pruned"))
    assert seen == pytest.approx(wanted, abs=2e-4)
    assert sum(a.get("class") == "ring" for _, a in figure.elements) == 1


def test_bars_are_proportional_to_their_rates(report, html):
    bars = re.findall(r'<rect class="bar" x="0" y="3" height="10" width="([\d.]+)"', html)
    marks = re.findall(r'<line class="overall" x1="([\d.]+)"', html)
    rates = {(r["column"], r["group"]): r["rate"] for r in results(report)["removal"]}
    shown = [rates[key] for key in sorted(rates, key=lambda key: (key[0], list(rates).index(key)))]
    per_rate = [float(width) / rate for width, rate in zip(bars, shown, strict=True)]
    assert per_rate == pytest.approx([per_rate[0]] * len(shown), rel=0.01)
    overall = results(report)["overall_removal"]["rate"]
    assert [float(x) / overall for x in marks] == pytest.approx([per_rate[0]] * len(shown), rel=0.01)


def test_errors_scored_together_are_told_as_one_ranking(report, page):
    together = dataclasses.replace(
        report,
        has_one_ranking=True,
        flagged=tuple(dataclasses.replace(photo, num_errors=None) for photo in report.flagged),
    )
    words = Page(render(together)).words()
    for sentence in (
        "The 9 validation visits traced, misclassified by the baseline, are taken together, and the training photos "
        "most harmful to them are removed",
        "One ranking serves all visits traced.",
        "Removed for all 9 visits traced",
    ):
        assert sentence in words
        assert sentence not in page.words()
    for sentence in ("per error", "errors that took it", "Overlap between the", "Errors share photos"):
        assert sentence not in words
        assert sentence in page.words()


@pytest.mark.parametrize(("errors", "wanted"), [(1.0, "1 standard error of"), (2.5, "2.5 standard errors of")])
def test_the_gain_asked_for_is_told_in_plain_words(report, errors, wanted):
    for chosen in ("cosine-k30", "baseline"):
        asked = dataclasses.replace(report, chosen=chosen, min_gain_se=errors)
        words = Page(render(asked)).words()
        assert f"by more than {wanted}" in words
        assert words.count("standard error") == (2 if chosen != "baseline" else 3)


def test_photos_shown_are_named_by_the_end_of_the_ranking_they_stand_at(report):
    assert "Most harmful photos" in Page(render(report)).words()
    words = Page(render(dataclasses.replace(report, end="helpful"))).words()
    assert "Most helpful photos" in words
    assert "Most harmful photos" not in words


def test_derived_numbers():
    tree = results(fake_report())
    assert tree["overall_removal"] == {"removed": 212, "photos": 2640, "rate": 212 / 2640}
    assert [arm["is_chosen"] for arm in tree["arms"]].index(True) == tree["chosen_index"] == 3
    assert tree["control_index"] == 4
    assert tree["arms"][3]["most_possible"] == 270
    assert tree["splits"][0]["class_shares"] == [81 / 220, 76 / 220, 63 / 220]
    assert tree["confusions"][0]["correct"] == 41 + 38 + 36
    assert tree["confusions"][0]["shares"][1] == [14 / 63, 38 / 63, 11 / 63]
    shortcut = tree["truth"][0]
    assert (shortcut["precision"], shortcut["recall"]) == (141 / 212, 141 / 240)
    assert (shortcut["precision_at_random"], shortcut["base_rate"]) == (19 / 212, 240 / 2640)
    assert PAPER_AUDIT == {"inspected": 0.3, "found": 0.903}  # paper, section 1 and Fig. 3


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0.01, 0.1, "better"), (-0.1, -0.01, "worse"), (-0.1, 0.1, "unclear"), (0.0, 0.1, "unclear"), (None, 0.1, "unknown"),
     (math.nan, 0.1, "unknown")],
)  # fmt: skip
def test_verdict_follows_the_interval(low, high, wanted):
    assert verdict(Estimate(0.05, low, high)) == wanted
    assert verdict(None) == "unknown"


@pytest.mark.parametrize(
    ("form", "value", "wanted"),
    [
        (two, 0.856, "0.86"),
        (signed, 0.05, "+0.05"),
        (signed, -0.05, "−0.05"),
        (signed, -0.003, "−0.003"),
        (signed, 0.0, "0.000"),
        (bound, 0.02, "0.02"),
        (percent, 0.0803, "8.0\u202f%"),
        (score, -3.21e-5, "−3.21×10⁻⁵"),
        (score, 0.25, "+0.250"),
    ],
)
def test_formats(form, value, wanted):
    assert form(value) == wanted


def test_verdict_sentence(page):
    words = page.words()
    assert (
        "Removing 212 of 2,640 training photos (8.0\u202f%) changed the test AUC against Reader 1 "
        "from 0.81 (0.76 to 0.85) to 0.86 (0.81 to 0.90)"
    ).replace("\u202f", " ") in words.replace("\u202f", " ")
    assert "the model became better" in words
    assert "Removing as many photos at random gave 0.80" in words


def worsened(report: ReportData, low: float, high: float) -> ReportData:
    """The report with the chosen run's AUC difference in this interval."""
    difference = Estimate((low + high) / 2, low, high)
    arms = tuple(
        dataclasses.replace(
            arm,
            figures=tuple(
                dataclasses.replace(f, differences={**f.differences, "auc": difference}) for f in arm.figures
            ),
        )
        if arm.name == report.chosen
        else arm
        for arm in report.arms
    )
    return dataclasses.replace(report, arms=arms)


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(-0.09, -0.02, "the model became worse"), (-0.02, 0.03, "cannot tell whether pruning helped")],
)
def test_the_page_does_not_praise_what_did_not_help(report, low, high, wanted):
    words = Page(render(worsened(report, low, high))).words()
    assert wanted in words
    assert "became better" not in words


def test_the_baseline_may_be_chosen(report):
    chosen = dataclasses.replace(report, chosen="baseline", flagged=(), removal=(), against_random=(), truth=None)
    words = Page(render(chosen)).words()
    assert "Nothing was removed" in words
    assert "No photo was removed, so there is none to show." in words


def test_warnings_of_removal_stand_at_the_head(report, page):
    words = page.words().partition("Training photos removed")[0]
    assert "Whom this removal takes from: class severe loses 93 of 750 training photos" in words
    assert "Also warned of, not chosen: cosine-k10. See what was removed" in words
    assert "71 of the 79" not in words, "one banner, with what was chosen"
    below = page.words().partition("What was removed, and why")[2]
    assert "A removal that was not chosen, cosine-k10: 71 of the 79 removed photos (90 %) are severe." in below
    assert "Whom this removal takes from: class severe" in below
    told = [(entry["run"], entry["is_chosen"]) for entry in results(report)["removal_warnings"]]
    assert told == [("cosine-k30", True), ("cosine-k10", False)]
    quiet = Page(render(dataclasses.replace(report, removal_warnings={}))).words()
    assert "takes from:" not in quiet
    unchosen = Page(render(dataclasses.replace(report, chosen="baseline", removal=(), against_random=()))).words()
    assert "A removal that was not chosen, cosine-k30: class severe" in unchosen


def test_where_a_shortcut_was_learned_the_diagnosis_leads_and_says_why_the_learning_check_fails(report):
    unlearned = dataclasses.replace(report, learning="The baseline has not learned: .41 does not beat .44.")
    head = Page(render(unlearned)).words().partition("Training photos removed")[0]
    diagnosis, _, rest = head.partition("Diagnosis: a shortcut")[2].partition("The learning check says: ")
    assert "has not learned" not in head.partition("Diagnosis:")[0] + diagnosis
    assert rest.startswith("The baseline has not learned: .41 does not beat .44. Both can be true: a network")
    assert head.count("has not learned") == 1

    noise = dataclasses.replace(unlearned.diagnosis, diagnosis="label noise", in_words="label noise")
    for other in (noise, None):
        head = (
            Page(render(dataclasses.replace(unlearned, diagnosis=other)))
            .words()
            .partition("Training photos removed")[0]
        )
        assert head.count("The baseline has not learned: .41 does not beat .44.") == 1
        assert "Both can be true" not in head
    assert "learning check" not in Page(render(report)).words().partition("Training photos removed")[0]


def test_a_control_that_is_smaller_than_its_list_is_said_to_be(report, page):
    told = "fewer than its list: the cap allowed no more"
    assert told not in page.words()
    lists = [arm for arm in report.arms if arm.kind != "baseline"]
    control = next(arm for arm in lists if arm.kind != "pruned")
    arms = [dataclasses.replace(arm, removed=arm.removed - 1) if arm is control else arm for arm in report.arms]
    assert Page(render(dataclasses.replace(report, arms=tuple(arms)))).words().count(told) == 1


def test_several_looks_are_counted(report, page):
    compared = results(report)["comparisons"]
    assert (compared["removals"], compared["differences"]) == (3, 7 * 2 * 2)
    assert compared["beside_zero_by_chance"] == pytest.approx(0.05 * 28)
    assert "3 removals were compared, on validation alone." in page.words()
    assert "28 paired differences on the same test visits: where none were real, about 1.4 of their" in page.words()
    one = tuple(arm for arm in report.arms if arm.k in (0, 30))
    assert "removals were compared" not in Page(render(dataclasses.replace(report, arms=one))).words()


def test_a_group_too_small_for_auc_is_shown_by_its_accuracy():
    """Ten visits of ten patients, all but one of the same class: AUC is in too few replicates, or in none."""
    label = np.array([0, 1, 2] * 10 + [0] * 9 + [1])
    p = 0.2 + 0.4 * np.eye(3)[np.where(np.arange(40) % 4 == 0, (label + 1) % 3, label)]
    visits = pd.DataFrame({"visit_id": [f"v{n}" for n in range(40)], "patient_id": [f"p{n}" for n in range(40)]})
    visits = visits.assign(
        split="test", site=["big"] * 30 + ["small"] * 10, severity_reader1=label, severity_reader2=label
    )
    table = pd.DataFrame(p, columns=Outcome().probability_columns).assign(
        visit_id=visits["visit_id"], split="test", label=label, predicted=p.argmax(axis=1)
    )
    settings = EvaluateSettings(replicates=100, subgroups=("site",))
    figures = evaluate_runs({"baseline": table, "other": table}, visits, Outcome(), settings, 0).figures
    rows = {s.group: s for s in subgroups_of(figures, "other", ("Reader 1",), figures_of(Outcome()))}
    assert [rows[group].metric for group in ("all", "big", "small")] == ["auc", "auc", "accuracy"]
    small = rows["small"]
    assert small.baseline.value == np.mean(p.argmax(axis=1)[30:] == label[30:])
    assert small.baseline.low is not None
    assert rows["big"].baseline.value == pytest.approx(
        figures[(figures["group"] == "big") & (figures["metric"] == "auc")]["value"].iloc[0]
    )


def test_the_figure_of_a_small_group_is_named_beside_it(page):
    assert "Davosaccuracy" in page.words()
    assert "is too small for AUC and is shown by its accuracy" in page.words()


def one_reader(report: ReportData) -> ReportData:
    arms = tuple(dataclasses.replace(arm, figures=arm.figures[:1]) for arm in report.arms)
    return dataclasses.replace(
        report, readers=("Reader 1",), arms=arms, against_random=report.against_random[:1], ceiling=None
    )


def test_errors_of_every_epoch_are_told_as_such(report, page):
    every = dataclasses.replace(report, of_every_epoch=True)
    sentence = "For each of the 9 validation visits traced, misclassified at some recorded epoch of the baseline, the k"
    assert sentence in Page(render(every)).words()
    assert sentence not in page.words()
    none_kept = Page(render(dataclasses.replace(every, errors=()))).words()
    assert "The kept epoch of the baseline misclassifies no validation visit." in none_kept
    assert "the errors of the other recorded epochs were traced as well" in Page(render(every)).words()


MISSING_PARTS = {
    "second reader": (one_reader, "There is no second reader in this study"),
    "truth": (lambda r: dataclasses.replace(r, truth=None), "The truth of this drawn cohort was not handed"),
    "truth of a real cohort": (lambda r: dataclasses.replace(r, truth=None, is_synthetic=False), "The photos are real"),
    "planted faults": (lambda r: dataclasses.replace(r, truth=()), "No fault was planted"),
    "audit": (lambda r: dataclasses.replace(r, audit=None), "No audit was run"),
    "audit curve": (
        lambda r: dataclasses.replace(r, audit=dataclasses.replace(r.audit, rankings=())),
        "There is no disagreement curve",
    ),
    "queries": (lambda r: dataclasses.replace(r, errors=(), num_queries=0), "No validation error was traced"),
    "queries to show": (
        lambda r: dataclasses.replace(r, errors=(), num_errors=3),
        "No error was handed to this report",
    ),
    "photos to show": (lambda r: dataclasses.replace(r, flagged=()), "No removed photo was handed"),
    "confusions": (lambda r: dataclasses.replace(r, confusions=()), "No confusion matrices: they are of classes"),
    "subgroups": (lambda r: dataclasses.replace(r, subgroups=()), "No subgroup was evaluated"),
    "random control": (
        lambda r: dataclasses.replace(r, arms=tuple(a for a in r.arms if a.kind != "random"), against_random=()),
        "No random removal of the same size was trained",
    ),
}


@pytest.mark.parametrize("part", sorted(MISSING_PARTS))
def test_a_missing_part_is_said(report, page, part):
    without, sentence = MISSING_PARTS[part]
    changed = without(report)
    assert sentence in Page(render(changed)).words()
    assert sentence not in page.words(), "the sentence also stands where the part is there"
    json.dumps(results(changed), allow_nan=False)


def test_what_cannot_be_estimated_is_said_and_never_drawn_as_zero(report):
    absent = Estimate(math.nan, None, None, "no severe visit among the test visits")
    arms = tuple(
        dataclasses.replace(
            a,
            val=None,
            figures=tuple(dataclasses.replace(f, figures={**f.figures, "auc": absent}) for f in a.figures),
        )
        for a in report.arms
    )
    changed = dataclasses.replace(report, arms=arms)
    assert results(changed)["arms"][0]["figures"][0]["auc"]["value"] is None
    page = Page(render(changed))
    assert "no severe visit among the test visits" in page.words()
    assert page.words().count(MISSING) >= 2 * len(arms)
    bare = Page(render(dataclasses.replace(changed, audit=None, curves=())))
    assert not any(name == "polyline" and "pruned" in a["class"] for name, a in bare.elements)


def hostile(value, text: str):
    """The value with every string field that a person or file fills replaced by ``text``."""
    if isinstance(value, Outcome):
        names = tuple(f"{text} {number}" for number, _ in enumerate(value.classes))
        return Outcome(SeveritySettings(classes=names, score_column=text, class_column=f"{text} class"))
    if dataclasses.is_dataclass(value):
        kept = {"kind", "chosen", "name"} if type(value).__name__ in ("Arm", "ReportData") else set()
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **{k: v if k in kept else hostile(v, text) for k, v in parts.items()})
    if isinstance(value, dict):
        return {key: hostile(part, text) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(hostile(part, text) for part in value)
    return text if isinstance(value, str) else value


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>{{ 7*7 }}&amp;"]
)
def test_hostile_words_stay_words(report, page, text):
    rendered = Page(render(hostile(report, text)))
    assert {name for name, _ in rendered.elements} == {name for name, _ in page.elements}
    assert {key for _, a in rendered.elements for key in a} == {key for _, a in page.elements for key in a}
    assert rendered.words().count(re.sub(r"\s+", " ", text)) > 50
    for _, attributes in rendered.elements:
        assert (attributes.get("src") or "data:image/").startswith("data:image/")


def test_nothing_is_loaded_or_run(html, page):
    without_images = re.sub(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r'//|@import|url\((?!\)|"\$\{address\}"\))|javascript:', without_images)
    names = {name for name, _ in page.elements}
    assert not names & {"link", "iframe", "object", "embed", "form", "audio", "video", "base"}
    for _, attributes in page.elements:
        assert re.match(r"#|publication/[\w.-]+\.md$", attributes.get("href") or "#")
        assert not any(key.startswith("on") for key in attributes)
    policy = next(a["content"] for name, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    kinds = [a.get("type") for name, a in page.elements if name == "script"]
    assert kinds.count(None) == 1, "one script, inline, the page's own; the others are data that a browser never runs"
    assert set(kinds) <= {None, "application/json", "text/plain"}
    assert not any("src" in a for name, a in page.elements if name == "script")
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert re.findall(r"script-src ([^;]*);", policy) == [f"'sha256-{digest}'"]
    assert not re.search(
        r"fetch|XMLHttp|WebSocket|import\(|eval|Function\(|innerHTML|outerHTML|insertAdjacent|document\.write|[lnS]torage|cookie",
        script,
    )


def test_structure_can_be_read_by_machines_and_by_ear(page):
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(set(ids)) == len(ids)
    targets = [a["href"][1:] for _, a in page.elements if a.get("href", "").startswith("#")]
    named = [word for _, a in page.elements for word in (a.get("aria-labelledby") or "").split()]
    assert set(targets + named) <= set(ids)
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(a.get("alt") for name, a in page.elements if name == "img")
    for name, a in page.elements:
        if name == "svg":
            assert a.get("aria-hidden") == "true" or (a.get("role") == "img" and a.get("aria-labelledby"))
    tables = sum(name == "table" for name, _ in page.elements)
    settings = sum(name == "table" and a.get("class") == "settings" for name, a in page.elements)
    assert sum(name == "caption" for name, _ in page.elements) == tables - settings
    assert all(a.get("scope") for name, a in page.elements if name == "th")


def test_numbers_from_tables_become_plain(report):
    arm = dataclasses.replace(report.arms[0], removed=np.int64(0), val=np.float32("nan"))
    tree = results(dataclasses.replace(report, arms=(arm, *report.arms[1:])))
    assert json.loads(json.dumps(tree["arms"][0], allow_nan=False))["val_auc"] is None


def test_images_are_left_out_of_results_and_kinds_are_checked(report):
    tree = results(report)
    assert "photo" not in tree["flagged"][0]
    assert tree["flagged"][0]["photo_id"] == "p-4071"
    assert data_address(report.flagged[0].photo).startswith("data:image/jpeg;base64,")
    assert data_address(report.flagged[0].cam).startswith("data:image/png;base64,")
    with pytest.raises(GraspError, match="JPEG or PNG"):
        data_address(b"<svg onload=alert(1)>")


def test_a_map_without_evidence_is_said_not_drawn(page):
    assert "no place of this photo speaks for the class" in page.words()
    assert "no map was made" in page.words()
    maps = sum("Grad-CAM map" in (a.get("alt") or "") for _, a in page.elements)
    assert maps == (6 - 2 + 4) + (6 - 1 + 4 - 1), "of the baseline, and of the pruned run"


def test_a_report_of_one_run_and_wide_intervals_is_drawn(report):
    first = report.arms[0].figures[0]
    only = dataclasses.replace(
        report.arms[0],
        figures=(dataclasses.replace(first, figures={**first.figures, "auc": around(0.5, 0.5)}),),
    )
    small = dataclasses.replace(
        one_reader(report), arms=(only,), chosen="baseline", against_random=(), removal=(), truth=None
    )
    assert "Nothing was removed" in Page(render(small)).words()


def test_the_room_never_loads_torch():
    code = "import sys, grasp_psonet.report.page; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("sign", "wanted"), [(1, (-2.0, -3.0, 1.0)), (-1, (2.0, -1.0, 3.0))])
def test_a_difference_is_an_improvement_where_less_is_better(sign, wanted):
    row = {"metric": "mae", "difference": -2.0, "low": -3.0, "high": 1.0, "why_not": ""}
    metric = Metric(lambda *_: np.zeros(1), "MAE", "mean absolute error", sign=sign)
    found = improvement_of(pd.DataFrame([row]), metric, metric="mae")
    assert (found.value, found.low, found.high) == wanted
    missing = improvement_of(pd.DataFrame([row | {"low": None, "high": None}]), metric, metric="mae")
    assert (missing.low, missing.high) == (None, None)


def test_axes_of_points_have_few_round_ticks():
    for least, most in ((3.2, 17.9), (0.0, 1.7), (11.0, 68.0), (0.81, 0.83)):
        bounds = widened(least, most, 72.0)
        ticks = even_ticks(*bounds)
        assert bounds[0] <= least < most <= bounds[1]
        assert 3 <= len(ticks) <= 7
        assert all(bounds[0] - 1e-9 <= tick <= bounds[1] + 1e-9 for tick in ticks)
