"""The page on maps: before and after, where their heat lies, and whether they are better than random order."""

import dataclasses

from grasp_psonet.report.data import Estimate, Maps, MapTest, ReportData
from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from tests.report.fake import fake_report
from tests.report.test_report import Page


def words_of(report: ReportData) -> str:
    return Page(render(report)).words()


def maps_section(report: ReportData) -> str:
    return words_of(report).partition("MapsThe photos above")[2].partition("Visits to read again")[0]


def test_both_networks_stand_side_by_side_and_are_named() -> None:
    page = Page(render(fake_report()))
    under = [text for text, around in page.texts if around and around[-1][0] == "small"]
    assert under.count("baseline") == under.count("pruned") == 10
    assert "of the baseline, and of the pruned network, which was shown the same photos" in page.words()


def test_shares_before_and_after_with_the_change() -> None:
    section = maps_section(fake_report())
    assert "Change: pruned minus baseline" in section
    for number in ("0.21", "0.24", "0.37", "+0.13"):  # area, baseline, pruned, change
        assert number in section


def test_each_run_is_told_from_random_order_or_not() -> None:
    section = maps_section(fake_report())
    assert "Grad-CAM maps of the baseline on 9 photos are better than random order at deletion, by +0.31" in section
    assert "and not told from random order at insertion" in section
    assert "worse than random order at insertion" in section
    tests = results(fake_report())["maps"]["tests"]
    assert [(test["deletion_verdict"], test["insertion_verdict"]) for test in tests] == [
        ("better", "unclear"),
        ("better", "worse"),
    ]


def test_no_interval_gives_no_verdict() -> None:
    unknown = Maps(("gradcam",), (), (MapTest("baseline", "gradcam", 3, Estimate(0.2), Estimate(0.1)),))
    assert "are without an interval at deletion, by +0.20" in words_of(dataclasses.replace(fake_report(), maps=unknown))


def test_real_photos_without_masks_say_that_nothing_is_known() -> None:
    report = fake_report()
    bare = dataclasses.replace(report, is_synthetic=False, truth=None, maps=Maps(("gradcam",), (), ()))
    words = words_of(bare)
    assert "is not available: nobody outlined plaques on these photos" in words
    assert "was not measured, or no map has heat" in words


def test_without_a_chosen_pruning_the_baseline_alone_is_shown_and_it_says_so() -> None:
    report = fake_report()
    flagged, errors = (
        tuple(dataclasses.replace(part, further=()) for part in parts) for parts in (report.flagged, report.errors)
    )
    alone = Maps(
        ("gradcam",),
        tuple(dataclasses.replace(share, chosen=None, change=None) for share in report.maps.shares),
        report.maps.tests[:1],
    )
    baseline = dataclasses.replace(
        report, chosen="baseline", removal=(), against_random=(), truth=None, flagged=flagged, errors=errors, maps=alone
    )
    words = words_of(baseline)
    assert "No pruning was chosen, so maps are of the baseline alone" in words
    assert "pruned minus baseline, on the same photos" not in words


def test_further_methods_are_named_under_their_pictures() -> None:
    report = fake_report()
    photo = report.flagged[0]
    more = dataclasses.replace(
        photo, further=(*photo.further, dataclasses.replace(photo.further[0], method="occlusion", run="baseline"))
    )
    both = dataclasses.replace(report, flagged=(more,), maps=Maps(("gradcam", "occlusion"), (), ()))
    page = Page(render(both))
    rows = [text for text, around in page.texts if ("class", "blank") in (around[-1][1] or {}).items()]
    assert "Occlusion" in rows
    assert any("Occlusion map" in (a.get("alt") or "") for _, a in page.elements)


def test_features_have_no_maps() -> None:
    report = fake_report()
    flagged = tuple(
        dataclasses.replace(part, photo=None, cam=None, cam_largest=None, further=()) for part in report.flagged
    )
    bare = dataclasses.replace(report, flagged=flagged, errors=(), maps=None)
    assert "the study holds precomputed features, and no photos to map" in words_of(bare)
