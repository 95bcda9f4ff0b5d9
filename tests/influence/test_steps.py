"""Counting steps against a plain loop over real training, and what must hold whatever the numbers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grasp_psonet.errors import ReplayMismatch, TraceError
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.at_steps import window_scores
from grasp_psonet.influence.tracing.request import ScoresByFormula
from grasp_psonet.influence.tracing.trace import trace
from tests.reference import step_scores
from tests.tiny_run import TinyRun

pytestmark = pytest.mark.long

NAMES: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")
STEPS = TraceSettings(counting="steps")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"))


@pytest.mark.parametrize(
    ("unit", "query"), [("single", "photo"), ("share", "photo"), ("edit", "visit"), ("visit", "visit")]
)
def test_scores_equal_the_loop(run: TinyRun, unit: UnitName, query: str) -> None:
    fast = run.trace(replace(STEPS, unit=unit, query=query), NAMES).by_formula  # type: ignore[arg-type]
    slow = step_scores.scores_of(run, unit, query, NAMES)
    for formula in NAMES:
        assert np.abs(slow[formula]).max() > 1e-5, "all scores vanish: the comparison would prove nothing"
        assert np.abs(fast[formula] - slow[formula]).max() / np.abs(slow[formula]).max() < 1e-10


def test_a_visit_in_no_batch_scores_exactly_zero(run: TinyRun) -> None:
    traced = run.trace(STEPS, (*NAMES, "adam-step"))
    is_undrawn = np.array(traced.visit_ids) == "v5"
    assert is_undrawn.any()
    for scores in traced.by_formula.values():
        assert (scores[:, is_undrawn] == 0).all()
        assert (scores[:, ~is_undrawn] != 0).all()


def test_windows_add_up_in_any_order_and_from_any_network(run: TinyRun) -> None:
    whole = run.trace(STEPS, NAMES).by_formula
    total = {formula: np.zeros_like(scores) for formula, scores in whole.items()}
    for before, until in reversed(run.trajectory.windows()):
        part = window_scores(run.trained(), before, until, run.request(STEPS, NAMES))
        for formula in NAMES:
            assert np.abs(part[formula]).max() > 0
            total[formula] += part[formula]
    for formula in NAMES:
        np.testing.assert_allclose(total[formula], whole[formula], rtol=1e-12, atol=0)


def test_fewer_anchors_change_nothing(tmp_path: Path) -> None:
    run = TinyRun.train(tmp_path)
    whole = run.trace(STEPS, (*NAMES, "adam-step")).by_formula
    (tmp_path / "step-0000003.safetensors").unlink()
    for formula, scores in run.trace(STEPS, (*NAMES, "adam-step")).by_formula.items():
        np.testing.assert_allclose(scores, whole[formula], rtol=1e-12, atol=0)


@pytest.mark.parametrize("counting", ["steps", "checkpoints"])
def test_an_interrupted_trace_goes_on_where_it_stopped(run: TinyRun, counting: str) -> None:
    settings = replace(STEPS, counting=counting, formula="adam")  # type: ignore[arg-type]
    whole = run.trace(settings).by_formula["adam"]
    kept: dict[str, ScoresByFormula] = {}
    made: list[str] = []

    def remember(part: str, make: Callable[[], ScoresByFormula]) -> ScoresByFormula:
        if part not in kept:
            made.append(part)
            kept[part] = make()
        return kept[part]

    def again() -> np.ndarray:
        return trace(run.trained(), run.request(settings), remember).by_formula["adam"]

    assert (again() == whole).all()
    first, second = made
    del kept[second]
    assert (again() == whole).all()
    assert made == [first, second, second]


def test_queries_in_blocks_and_formulas_apart_change_nothing(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    formulas: tuple[FormulaName, ...] = ("paper", "cosine", "adam-step")
    for counting, chosen in (("steps", formulas), ("checkpoints", formulas[:2])):
        settings = replace(STEPS, counting=counting)  # type: ignore[arg-type]
        with monkeypatch.context() as patch:
            together = run.trace(settings, chosen).by_formula
            patch.setattr(
                "grasp_psonet.influence.tracing.request.query_blocks", lambda count, *_: [slice(0, 1), slice(1, 2)]
            )
            for formula in chosen:
                alone = run.trace(settings, (formula,)).by_formula[formula]
                np.testing.assert_allclose(together[formula], alone, rtol=1e-9, atol=1e-15)
                assert np.abs(alone[0] - alone[1]).max() > 1e-6, "both queries ask the same"


@pytest.mark.parametrize("counting", ["steps", "checkpoints"])
def test_summed_queries_are_the_sum_and_parts_of_the_network_add_up(run: TinyRun, counting: str) -> None:
    settings = replace(STEPS, counting=counting, formula="adam")  # type: ignore[arg-type]
    whole = run.trace(settings).by_formula["adam"]
    summed = run.trace(replace(settings, sum_queries=True)).by_formula["adam"]
    np.testing.assert_allclose(summed[0], whole.sum(axis=0), rtol=1e-9, atol=1e-15)
    top = run.trace(replace(settings, parameters="head")).by_formula["adam"]
    below = run.trace(replace(settings, parameters=("encoder.*", "projection.*"))).by_formula["adam"]
    np.testing.assert_allclose(top + below, whole, rtol=1e-9, atol=1e-15)
    assert np.abs(top).max() > 1e-6 < np.abs(below).max()


def test_a_replay_that_differs_is_refused_unless_within_tolerance(run: TinyRun) -> None:
    steps = run.trajectory.steps.copy()
    steps.loc[steps["step"] == 4, "loss"] += 1e-3
    other = replace(run, trajectory=replace(run.trajectory, steps=steps))
    with pytest.raises(ReplayMismatch, match="step 4 replays to loss"):
        other.trace(STEPS, ("sgd",))
    tolerant = replace(other, tolerance=2e-3)
    assert (tolerant.trace(STEPS, ("sgd",)).by_formula["sgd"] == run.trace(STEPS, ("sgd",)).by_formula["sgd"]).all()


def test_counting_steps_without_what_replays_them_is_refused(run: TinyRun) -> None:
    with pytest.raises(TraceError, match="counting steps replays training"):
        replace(run, start=None).trace(STEPS, ("sgd",))  # type: ignore[arg-type]


def test_the_network_holds_the_kept_weights_afterwards(run: TinyRun) -> None:
    trained = run.trained()
    for settings in (STEPS, replace(STEPS, formula="unrolled", errors="kept"), TraceSettings()):
        trace(trained, run.request(settings))
        kept = run.trajectory.read(run.trajectory.kept_step, trained.device)
        assert all((weight == kept.weights[name]).all() for name, weight in trained.network.named_parameters())


def test_formulas_traced_together_may_differ_in_what_they_know_of_curvature(run: TinyRun) -> None:
    settings = TraceSettings(
        formula="unrolled", counting="steps", errors="kept", query="visit", unit="visit", curvature="none"
    )
    together = run.trace(settings, ("adam", "unrolled")).by_formula
    adam = run.trace(replace(settings, formula="adam", curvature="exact")).by_formula
    np.testing.assert_array_equal(together["adam"], adam["adam"])
    assert np.abs(together["unrolled"]).max() > 0
