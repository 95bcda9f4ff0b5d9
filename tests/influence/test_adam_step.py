"""Formula adam-step against the derivative of one real step of torch's Adam."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing import adam_point, at_steps
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.directions import direction
from grasp_psonet.trajectory import adam_adjoint
from grasp_psonet.trajectory.law import AdamLaw
from tests.long_forms import nightly
from tests.reference import real_training
from tests.tiny_run import OPTIMIZER, TinyRun

ADAM_STEP = TraceSettings(formula="adam-step", counting="steps", query="visit", unit="visit")
PHOTOS = ("v2-p0", "v1-p0", "v3-p1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"))


@pytest.fixture(scope="module")
def run_adamw(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"), AdamLaw.of(replace(OPTIMIZER, kind="adamw")))


def _scores(run: TinyRun, unit: UnitName) -> np.ndarray:
    traced = run.trace(replace(ADAM_STEP, unit=unit))
    found: np.ndarray = traced.by_formula["adam-step"][0, [traced.photo_ids.index(name) for name in PHOTOS]]
    return found


def _truth(run: TinyRun, unit: UnitName) -> np.ndarray:
    query = run.queries("visit")[0]
    at = [(photo_id[:2], int(photo_id[-1])) for photo_id in PHOTOS]
    return np.array([real_training.minus_derivative(run, unit, name, n, query, one_by_one=True) for name, n in at])


@pytest.mark.parametrize(
    ("kind", "unit"),
    [("run", "edit"), ("run_adamw", "visit"), nightly("run", "visit"), nightly("run_adamw", "edit")],
)
def test_scores_are_the_sum_of_each_steps_derivative(request: pytest.FixtureRequest, kind: str, unit: UnitName) -> None:
    run: TinyRun = request.getfixturevalue(kind)
    truth = _truth(run, unit)
    assert np.abs(truth).min() > 1e-4, "scores vanish: the comparison would prove nothing"
    assert np.abs(_scores(run, unit) / truth - 1).max() < 1e-6


@pytest.fixture(scope="module")
def whole(run: TinyRun) -> np.ndarray:
    return _scores(run, "visit")


def _before_the_step(network_at: Callable[..., Any]) -> Callable[..., Any]:
    def found(trained: Any, step: Any, _: bool) -> Any:
        return network_at(trained, step, False)

    return found


@pytest.mark.parametrize(
    ("module", "name", "replacement"),
    [
        (adam_point, "unclipped", lambda r, step: dict(r)),
        (
            adam_point,
            "unclipped",
            lambda r, step: {name: step.gradient.clip * value for name, value in r.items()},
        ),
        (adam_adjoint, "curvature_of_root", lambda step, name: torch.zeros_like(step.weights[name])),
        (adam_adjoint, "moment_gradient", lambda step, name: step.gradient.clipped[name]),
        (at_steps, "_network_at", _before_the_step(at_steps._network_at)),
    ],
    ids=["clipping", "direction of clipping", "bend of the root", "decay", "query after the step"],
)
def test_every_ingredient_is_needed(
    run: TinyRun, whole: np.ndarray, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, replacement: Any
) -> None:
    monkeypatch.setattr(module, name, replacement)
    assert np.abs(_scores(run, "visit") - whole).max() / np.abs(whole).max() > 1e-3


def test_the_second_moments_bend_is_zero_where_nothing_was_ever_felt(run: TinyRun) -> None:
    step = next(run.trained().replay(0, 1))
    name = "head.0.weight"
    still = {name: torch.zeros_like(step.weights[name])}
    silent = replace(
        step,
        state=replace(step.state, exp_avg=still, exp_avg_sq=still),
        gradient=step.gradient._replace(clipped=still),
        weights=still,
    )
    assert (adam_adjoint.curvature_of_root(silent, name) == 0).all()
    expected = torch.full_like(step.weights[name], 1 / OPTIMIZER.eps)
    torch.testing.assert_close(adam_adjoint.negative_update_derivative(silent, name), expected, rtol=1e-12, atol=0)


def test_without_a_step_it_is_refused(run: TinyRun) -> None:
    anchor = run.trajectory.read(3, torch.device("cpu"))
    query = {name: weight[None] for name, weight in anchor.weights.items()}
    with pytest.raises(TraceError, match="needs the batch gradient of the step"):
        direction(FORMULAS["adam-step"], AdamPoint(anchor.state, run.trajectory.optimizer), query)
    with pytest.raises(TraceError, match="no direction of one step"):
        direction(FORMULAS["unrolled"], AdamPoint(anchor.state, run.trajectory.optimizer), query)
