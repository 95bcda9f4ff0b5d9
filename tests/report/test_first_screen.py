"""The first screen: the verdict in two sentences, what to look at, what to distrust, from what and when it was made."""

import dataclasses
import re
from typing import Any

import pytest

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.report.data import Confusion, ReportData
from grasp_psonet.report.page import render
from grasp_psonet.report.results import SMALL_GROUP_VISITS, results
from grasp_psonet.report.shown import duration
from tests.report.fake import fake_report
from tests.report.test_report import Page, one_reader

MUSHROOMS = Outcome(SeveritySettings(classes=("edible", "poisonous"), score_column=None, class_column="kind"))


def head(report: ReportData) -> str:
    return Page(render(report)).words().partition("Training photos removed")[0]


def lead(report: ReportData) -> str:
    (found,) = re.findall(r'<p class="lead">(.*?)</p>', render(report), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", found)).strip()


def of_mushrooms(report: ReportData) -> ReportData:
    """The report of real photos in two classes that have no score."""

    def two_classes(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(two_classes, value))
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            return value
        names = {field.name for field in dataclasses.fields(value)}
        labels = names & {"label", "predicted", "label_reader1", "label_reader2"}
        parts = {name: two_classes(getattr(value, name)) for name in names}
        return dataclasses.replace(value, **parts | {n: parts[n] and min(parts[n], 1) for n in labels})

    counts = ((41, 12), (14, 38))
    return dataclasses.replace(
        report,
        outcome=MUSHROOMS,
        is_synthetic=False,
        truth=None,
        splits=tuple(dataclasses.replace(one, classes=one.classes[:2]) for one in report.splits),
        confusions=tuple(Confusion(one.arm, one.reader, counts) for one in report.confusions),
        **{name: two_classes(getattr(report, name)) for name in ("flagged", "errors", "traced", "audit")},
        maps=dataclasses.replace(report.maps, shares=()) if report.maps else None,
    )


@pytest.fixture(scope="module")
def report() -> ReportData:
    return fake_report()


def test_the_verdict_is_two_sentences(report: ReportData) -> None:
    for one in (report, dataclasses.replace(report, chosen="baseline"), one_reader(report)):
        assert len(re.findall(r"[.](?= [A-Z]|$)", lead(one))) == 2, lead(one)


def test_no_figure_of_the_first_screen_stands_without_chance_or_control(report: ReportData) -> None:
    tiles = re.findall(r'<div class="tile"><dt>(.*?)</div>', render(report), flags=re.DOTALL)
    figures = [re.sub(r"<[^>]+>", "", tile) for tile in tiles if "Test" in tile or "audit" in tile]
    assert len(figures) == 5
    assert all("chance" in one for one in figures), figures
    assert sum("random removal" in one for one in figures) == 4
    assert "; chance 0.50" in next(one for one in figures if "AUC" in one)
    assert "; chance 0.00" in next(one for one in figures if "kappa" in one)
    assert "hold 88 % of the known disagreements, chance 30 %" in head(report).replace("\u202f", " ")


def test_what_to_distrust_stands_in_one_list(report: ReportData) -> None:
    told = head(report).partition("Distrust:")[2]
    assert "Each run was trained once: another training seed may give other figures" in told
    assert "170 test visits of 69 patients" in told
    assert (
        "3 of 7groups have fewer than 30 of them, first fitzpatrick typeV (7), siteDavos (14), fitzpatrickIV-VI (26)"
        in told
    )
    assert "Whom this removal takes from: class severe loses 93" in told
    several = head(dataclasses.replace(report, training_seeds=3, subgroups=(), removal_warnings={}))
    assert "Each run was trained with 3 seeds" in several
    for words in ("trained once", "have fewer than", "takes from"):
        assert words not in several


def test_small_groups_are_those_of_the_first_reader_the_smallest_first(report: ReportData) -> None:
    small = results(report)["small_groups"]
    assert [one["visits"] for one in small["groups"]] == [7, 14, 26]
    assert (small["below"], small["num_groups"], small["of"]) == (SMALL_GROUP_VISITS, 3, len(report.subgroups))
    twice = (*report.subgroups, *(dataclasses.replace(one, reader="Reader 2") for one in report.subgroups))
    assert results(dataclasses.replace(report, subgroups=twice))["small_groups"] == small


def test_date_machine_data_durations_and_versions_are_told(report: ReportData) -> None:
    making = dataclasses.replace(report.making, data_digest="72af3ea7b138")
    told = head(dataclasses.replace(report, making=making))
    assert "Made2026-03-31 09:30 UTC" in told
    assert "Tables, digest72af3ea7b138" in told
    assert "devicecpu, processorx86_64, threads1" in told
    assert "Computing1 h 20 min" in told
    assert "python3.12.8, torch2.11.0" in told
    assert results(report)["clock"]["seconds"] == 4804.2
    assert "Computing" not in head(dataclasses.replace(report, clock=None))


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min"),
     (3570.0, "1 h"), (4804.2, "1 h 20 min")],
)  # fmt: skip
def test_durations_are_rounded_to_what_matters(seconds: float, wanted: str) -> None:
    assert duration(seconds) == wanted


def test_a_study_of_mushrooms_hears_nothing_of_skin(report: ReportData) -> None:
    mushrooms = of_mushrooms(report)
    words = Page(render(mushrooms)).words()
    assert "edible, poisonous from photos" in words
    assert "always the most common class" in words
    for word in ("PASI", "phone", "psoria", "plaque", "skin", "severity"):
        assert word not in words.replace("GRASP-PsONet", ""), words[max(0, words.find(word) - 80) :][:160]
