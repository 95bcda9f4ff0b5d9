"""A number over visits and by part on the page: drawn at its value, and said where there is none."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import product

import pandas as pd
import pytest

from grasp_psonet.report.course_panels import MOST_COURSES
from grasp_psonet.report.data import Estimate, ReportData
from grasp_psonet.report.figure_files import data_files, svg_files
from grasp_psonet.report.graded_visits import MOST_GRADED, GradedRegion, GradedVisit
from grasp_psonet.report.over_time import BesideReaders, Course, OverTime, PartAgreement
from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from grasp_psonet.report.shown import Shown
from grasp_psonet.stages.makers.report.over_time import _parts
from tests.report.fake import fake_report

READERS = ("Reader 1", "Reader 2")


def figure(name: str, level: float) -> BesideReaders:
    chosen = tuple(Estimate(level + i / 100, level - 0.1, level + 0.1) for i in range(2))
    return BesideReaders(name, f"figure {name}", chosen, Estimate(level + 0.05))


@pytest.fixture(scope="module")
def over_time() -> OverTime:
    courses = tuple(
        Course(f"v-{i:04d}", (0.0, 28.0, 56.0), (20.0, 11.0, 4.0 + i / 10), (15.0, 6.0, 0.0), (25.0, 16.0, 9.0 + i / 10),
               ((22.0, 12.0, 5.0), (None, 13.0, None)))
        for i in range(MOST_COURSES + 3)
    )  # fmt: skip
    parts = tuple(
        PartAgreement(region, part, (figure("quadratic_kappa", 0.61), figure("icc", 0.72)))
        for region, part in product(("upper_limbs", "head"), ("erythema", "area"))
    )
    response = (figure("response_75_agreement", 0.83),)
    return OverTime(response, "", courses, 0.9, 5.0, "", parts, 25.0)


@pytest.fixture(scope="module")
def report(over_time: OverTime) -> ReportData:
    return replace(fake_report(), over_time=over_time)


def section(report: ReportData, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', render(report), flags=re.DOTALL)
    assert found, f"the page has no section {name}"
    return found[0]


def words(html: str) -> str:
    """The text, with what is marked within a sentence unbroken."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"</?span[^>]*>", "", html)))


def test_a_course_is_drawn_at_its_values_and_readers_where_they_read(report: ReportData) -> None:
    files = svg_files(report, Shown(results(report)))
    assert sum(name.startswith("course-") for name in files) == MOST_COURSES
    root = ET.fromstring(files["course-v-0002"])
    marks = {
        style: [(float(p.get("cx")), float(p.get("cy"))) for p in root.iter() if p.get("class") == f"dot {style}"]
        for style in ("pruned", "baseline", "hollow")
    }
    assert [len(marks[style]) for style in ("pruned", "baseline", "hollow")] == [3, 3, 1]
    (x0, y0), (_, y1), (x2, y2) = marks["pruned"]
    per_point, per_day = (y1 - y0) / (20.0 - 11.0), (x2 - x0) / 56.0
    assert per_point > 0
    assert per_day > 0
    assert y2 == pytest.approx(y0 + per_point * (20.0 - 4.2), abs=0.2)
    assert marks["hollow"][0] == pytest.approx((x0 + 28 * per_day, y0 + per_point * (20.0 - 13.0)), abs=0.2)
    ends = [(float(p.get("y1")), float(p.get("y2"))) for p in root.iter() if p.get("class") == "whisker pruned"]
    assert ends[0] == pytest.approx((y0 + per_point * 5, y0 - per_point * 5), abs=0.2)


def test_without_a_bound_no_interval_is_drawn_and_the_page_says_why(report: ReportData, over_time: OverTime) -> None:
    reason = "validation has 4 patients, and 9 are needed for 90%"
    without = replace(report, over_time=replace(over_time, interval_points=None, why_no_interval=reason))
    assert "whisker" not in section(without, "response")
    assert f"There is no interval: {reason}." in words(section(without, "response"))
    assert "whisker" in section(report, "response")


def test_days_before_the_study_are_days(report: ReportData, over_time: OverTime) -> None:
    early = tuple(replace(course, days=(-28.0, -14.0, 0.0)) for course in over_time.courses)
    files = svg_files(
        replace(report, over_time=replace(over_time, courses=early)),
        Shown(results(replace(report, over_time=replace(over_time, courses=early)))),
    )
    ticks = [p.text for p in ET.fromstring(files["course-v-0000"]).iter() if p.get("text-anchor") == "middle"]
    assert "\N{MINUS SIGN}20" in ticks
    assert not any("%" in tick for tick in ticks)


def test_where_no_response_exists_the_page_says_so(report: ReportData, over_time: OverTime) -> None:
    reason = "every patient has one visit, so no response exists"
    none = replace(report, over_time=replace(over_time, response=(), why_no_response=reason, courses=()))
    told = section(none, "response")
    assert f"There are no figures of response: {reason}." in words(told)
    assert "<table" not in told
    assert "<svg" not in told
    assert results(none)["over_time"]["why_no_response"] == reason


def test_parts_stand_by_region_in_the_order_of_the_body(report: ReportData, over_time: OverTime) -> None:
    told = section(report, "parts")
    assert re.findall(r'rowgroup"[^>]*>([a-z ]+)<', told) == ["upper limbs", "head"]
    first = re.findall(r"<tr><th scope=\"row\">.*?</tr>", told, flags=re.DOTALL)[0]
    values = re.findall(r'parts\.0\.figures\.\d\.(?:chosen\.\d|readers)\.value"[^>]*>([^<]+)<', first)
    assert values == ["0.61", "0.62", "0.66", "0.72", "0.73", "0.77"]
    tables = data_files(report)
    assert len(tables["parts"]) == len(over_time.parts) * 2 * 3
    assert len(tables["courses"]) == 3 * len(over_time.courses)
    assert tables["courses"]["Reader 2"].notna().sum() == len(over_time.courses)
    whole = replace(report, over_time=replace(over_time, parts=()))
    assert 'id="parts"' not in render(whole)
    assert "Signs and area by region" not in words(render(whole))


def test_grades_of_visits_stand_by_region_beside_the_reader(report: ReportData, over_time: OverTime) -> None:
    seen = GradedRegion("head", True, (1.23, 2.0, 0.5, 3.0), (1.0, None, 0.0, 3.0))
    unseen = GradedRegion("upper_limbs", False, (None,) * 4, (2.0, 2.0, 2.0, 1.0))
    graded = tuple(GradedVisit(f"v-{i:04d}", 9.0 + i, 4.0, (seen, unseen)) for i in range(MOST_GRADED + 2))
    names = ("erythema", "induration", "desquamation", "area")
    with_grades = replace(report, over_time=replace(over_time, part_names=names, graded=graded))
    told = words(section(with_grades, "parts"))
    assert told.count("points predicted, 4.0 read") == MOST_GRADED
    assert f"furthest from Reader 1's total, {MOST_GRADED} of them," in told
    assert "v-0000: 9.0 points predicted" in told
    assert "head 1.2 (1.0) 2.0 0.5 (0.0) 3.0 (3.0)" in told
    assert "upper limbs not assessable (2.0) not assessable (2.0)" in told
    grades = data_files(with_grades)["grades"]
    assert len(grades) == len(graded) * 2 * 4
    assert grades["predicted"].notna().sum() == len(graded) * 4
    assert grades.loc[0, ["region", "part", "predicted", "reader1"]].tolist() == ["head", "erythema", 1.23, 1.0]
    assert "Grades of single visits" not in words(section(report, "parts"))


def test_a_report_of_classes_has_neither_section() -> None:
    page = render(fake_report())
    assert 'id="response"' not in page
    assert 'id="parts"' not in page


def test_parts_are_those_of_the_chosen_run_and_of_reader_2_against_reader_1() -> None:
    places = product(("baseline", "k30", "reader2"), ("reader1", "reader2"), ("head", "trunk"), ("erythema", "area"))
    rows = [(*place, metric) for place in places for metric in ("quadratic_kappa", "icc")]
    rows = [row for row in rows if row[:2] != ("reader2", "reader2")]
    table = pd.DataFrame(rows, columns=["run", "reader", "region", "part", "metric"])
    table = table.assign(value=[float(i) for i in range(len(table))], low=0.0, high=1.0, why_not="")
    found = _parts(table, "k30", READERS)
    assert [(one.region, one.part) for one in found] == list(product(("head", "trunk"), ("erythema", "area")))

    def of(*place: str) -> float:
        return float(rows.index(place))

    last = found[-1].figures[1]
    assert [e.value for e in last.chosen] == [of("k30", r, "trunk", "area", "icc") for r in ("reader1", "reader2")]
    assert last.readers.value == of("reader2", "reader1", "trunk", "area", "icc")
    assert _parts(table, "k30", READERS[:1])[0].figures[0].readers is None
