"""One direction for all queries gives the sum of their scores; a pass over some photos gives these their scores."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grasp_psonet.influence.choices import ALL_QUERIES, Counting, UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.trace import Traced, trace
from tests.tiny_run import ANCHORS, TinyRun

AT_ANCHORS: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")
AT_STEPS: tuple[FormulaName, ...] = (*AT_ANCHORS, "adam-step")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("run"))


def traced(run: TinyRun, settings: TraceSettings, formulas: tuple[FormulaName, ...], **changes: Any) -> Traced:
    queries = changes.pop("queries", None)
    return trace(run.trained(), replace(run.request(settings, formulas, queries=queries), **changes))


@pytest.mark.parametrize(
    ("counting", "unit"), [("even", "single"), ("checkpoints", "share"), ("even", "edit"), ("steps", "single")]
)
def test_the_sum_is_that_of_the_scores(run: TinyRun, counting: Counting, unit: UnitName) -> None:
    formulas = AT_STEPS if counting == "steps" else AT_ANCHORS
    formulas = tuple(name for name in formulas if unit != "edit" or name != "cosine")
    settings = TraceSettings(formula="adam", counting=counting, unit=unit, query="visit", errors="kept")
    apart, summed = traced(run, settings, formulas), traced(run, settings, formulas, folds=True)
    assert summed.query_ids == (ALL_QUERIES,)
    for formula in formulas:
        wanted_Z = apart.by_formula[formula].sum(axis=0)
        assert np.abs(wanted_Z).max() > 0, "all scores vanish: the comparison would prove nothing"
        found_Z = summed.by_formula[formula][0]
        np.testing.assert_allclose(found_Z, wanted_Z, rtol=0, atol=3e-5 * np.abs(apart.by_formula[formula]).max())


def test_the_sum_over_the_errors_of_every_anchor(run: TinyRun) -> None:
    v6, v7 = run.bags["v6"], run.bags["v7"]
    queries = {
        ANCHORS[0]: [v6.only(v6.photo_ids[0])],
        ANCHORS[-1]: [v7.only(v7.photo_ids[0]), v6.only(v6.photo_ids[-1])],
    }
    settings = TraceSettings()
    apart = traced(run, settings, ("cosine",), queries=queries).by_formula["cosine"]
    summed = traced(run, settings, ("cosine",), queries=queries, folds=True).by_formula["cosine"]
    assert apart.shape[0] == 2
    np.testing.assert_allclose(summed[0], apart.sum(axis=0), rtol=0, atol=3e-5 * np.abs(apart).max())
    raw = traced(run, replace(settings, sum_queries=True), ("cosine",), queries=queries).by_formula["cosine"]
    assert np.abs(raw[0] - summed[0]).max() > 1e-2 * np.abs(summed).max(), "cosines of a sum are no sum of cosines"


def test_unrolled_carries_the_sum_back(run: TinyRun) -> None:
    settings = TraceSettings(formula="unrolled", counting="steps", errors="kept", query="visit", unit="visit")
    apart, summed = traced(run, settings, ("unrolled",)), traced(run, settings, ("unrolled",), folds=True)
    wanted = apart.by_formula["unrolled"]
    assert summed.query_ids == (ALL_QUERIES,)
    np.testing.assert_allclose(
        summed.by_formula["unrolled"][0], wanted.sum(axis=0), rtol=0, atol=3e-5 * np.abs(wanted).max()
    )


@pytest.mark.parametrize(("counting", "unit"), [("even", "single"), ("checkpoints", "visit"), ("steps", "single")])
def test_a_pass_over_some_photos_gives_them_what_a_whole_one_does(
    run: TinyRun, counting: Counting, unit: UnitName
) -> None:
    settings = TraceSettings(counting=counting, unit=unit, errors="kept", photos_per_batch=3)
    whole = traced(run, settings, AT_ANCHORS)
    only = frozenset([whole.photo_ids[0], whole.photo_ids[4], whole.photo_ids[-3]])
    passes: list[int] = []
    few = traced(run, settings, AT_ANCHORS, only=only, on_passes=passes.append)
    at = [z for z, photo_id in enumerate(whole.photo_ids) if photo_id in only]
    for formula, score_QZ in whole.by_formula.items():
        assert np.abs(score_QZ[:, at]).max() > 0
        np.testing.assert_allclose(
            few.by_formula[formula][:, at], score_QZ[:, at], rtol=0, atol=1e-5 * np.abs(score_QZ).max()
        )
        if unit == "single" and counting == "even":
            others = [z for z in range(len(whole.photo_ids)) if z not in at]
            assert not few.by_formula[formula][:, others].any(), "the others were passed too"
