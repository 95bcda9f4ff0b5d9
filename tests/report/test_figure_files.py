"""Figures of the page as files of their own, and the data that they draw."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from grasp_psonet.report.data import ReportData
from grasp_psonet.report.figure_files import data_files, svg_files
from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from grasp_psonet.report.shown import Shown
from tests.report.fake import fake_report

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def report() -> ReportData:
    return fake_report()


@pytest.fixture(scope="module")
def files(report: ReportData) -> dict[str, str]:
    return svg_files(report, Shown(results(report)))


def classes(root: ET.Element) -> Iterator[str]:
    for part in root.iter():
        yield from (part.get("class") or "").split()


def test_every_figure_is_a_file_that_stands_alone(report: ReportData, files: dict[str, str]) -> None:
    arms = [arm.name for arm in report.arms]
    assert {name for name in files if name.startswith("loss-")} == {f"loss-{name}" for name in arms}
    assert {name for name in files if name.startswith("ranking-")} == {
        f"ranking-{ranking.name.replace(' ', '_').replace(',', '_')}" for ranking in report.audit.rankings
    }
    assert {"removal-1", "removal-2", "audit"} <= set(files)
    for name, text in files.items():
        root = ET.fromstring(text)  # of our own making
        assert root.tag == f"{SVG}svg", name
        style = "".join(part.text or "" for part in root.iter(f"{SVG}style"))
        for used in ("grid", "path", "whisker", "level", "dot"):
            assert used not in set(classes(root)) or f".{used}" in style, (name, used)
        assert "prefers-color-scheme" not in style
        assert "var(--pruned)" not in style or "--pruned: #" in style


def test_a_panel_draws_each_epoch_at_its_value(report: ReportData, files: dict[str, str]) -> None:
    for curve in report.curves:
        root = ET.fromstring(files[f"loss-{curve.run}"])
        dots = [p for p in root.iter(f"{SVG}circle") if p.get("class") == "dot pruned"]
        heights = [float(dot.get("cy")) for dot in dots]
        assert len(heights) == len(curve.val_loss)
        slope = (heights[0] - heights[-1]) / (curve.val_loss[0] - curve.val_loss[-1])
        assert slope < 0, "more loss is higher up"
        for height, loss in zip(heights, curve.val_loss, strict=True):
            assert height == pytest.approx(heights[0] + slope * (loss - curve.val_loss[0]), abs=0.11)
        assert len([p for p in root.iter(f"{SVG}line") if p.get("class") == "anchor"]) == len(curve.anchors) > 0
        tips = [dot.get("data-tip") for dot in dots]
        assert tips[2] == f"{curve.run}, epoch 3: validation loss {curve.val_loss[2]:.2f}"


def test_the_data_of_the_figures_is_that_of_the_report(report: ReportData) -> None:
    tables = data_files(report)
    assert set(tables) == {"removal", "training", "rankings", "pairs"}
    assert report.compared is not None
    pairs = tables["pairs"].set_index(["run", "against", "reader", "metric"])
    assert len(pairs) == 4 * len(report.compared.pairs) == 4 * 28
    for pair in report.compared.pairs:
        found = pairs.loc[(pair.run, pair.against, "Reader 2", "auc")]
        assert found["difference"] == pair.differences[1]["auc"].value
        assert found["visits_answered_differently"] == pair.changed
    removal = tables["removal"].set_index(["run", "reader"])
    for arm in report.arms:
        for reader, of_reader in zip(report.readers, arm.figures, strict=True):
            row, wanted = removal.loc[(arm.name, reader)], of_reader.figures["auc"]
            assert (row["test_auc"], row["low"], row["high"]) == (wanted.value, wanted.low, wanted.high)
            assert (row["photos_removed"], row["fraction_removed"]) == (arm.removed, arm.removed / report.train_photos)
    assert len(tables["training"]) == sum(len(curve.epochs) for curve in report.curves)
    assert tables["training"]["is_kept"].sum() == sum(curve.kept is not None for curve in report.curves) == 7
    assert len(tables["rankings"]) == sum(len(ranking.found) for ranking in report.audit.rankings)


def test_the_value_of_a_mark_is_told_with_its_interval(report: ReportData) -> None:
    page = render(report)
    assert 'data-tip="cosine-k30, 212 photos removed: test AUC 0.86 (0.81 to 0.90)"' in page
    assert page.count("data-tip=") > 100
