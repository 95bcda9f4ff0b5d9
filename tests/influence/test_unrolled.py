"""Formula unrolled against the derivative of real training, and what must hold whatever the numbers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.errors import SettingsError
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing import unrolled
from grasp_psonet.influence.tracing.curvature import curvature_products
from grasp_psonet.influence.units.network_parts import visit_losses
from grasp_psonet.trajectory import adam_adjoint
from grasp_psonet.trajectory.law import AdamLaw
from tests.long_forms import by_day
from tests.reference import photo_gradients, real_training
from tests.tiny_run import OPTIMIZER, TinyRun
from tests.tiny_study import tiny_bags, tiny_network, tiny_source

pytestmark = pytest.mark.long

UNROLLED = TraceSettings(formula="unrolled", counting="steps", errors="kept", query="visit", unit="visit")
LAST = ("v0-p3", "v1-p0", "v2-p0", "v3-p3", "v4-p0")  # a photo of each visit; v0 and v3 have others


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"))


@pytest.fixture(scope="module")
def run_adamw(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"), AdamLaw.of(replace(OPTIMIZER, kind="adamw")))


def _truth(run: TinyRun, unit: UnitName, photo_ids: tuple[str, ...] = LAST) -> np.ndarray:
    query = run.queries("visit")[0]
    names = [photo_id.split("-")[0] for photo_id in photo_ids]
    return np.array(
        [
            real_training.minus_derivative(run, unit, name, run.bags[name].photo_ids.index(photo_id), query)
            for name, photo_id in zip(names, photo_ids, strict=True)
        ]
    )


def _scores(run: TinyRun, unit: UnitName, photo_ids: tuple[str, ...] = LAST, **changes: Any) -> np.ndarray:
    traced = run.trace(replace(UNROLLED, unit=unit, **changes))
    found: np.ndarray = traced.by_formula["unrolled"][0, [traced.photo_ids.index(photo_id) for photo_id in photo_ids]]
    return found


def _error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(found - truth).max() / np.abs(truth).max())


def test_the_run_holds_everything_a_step_can_hold(run: TinyRun) -> None:
    steps = run.trajectory.steps[run.trajectory.steps["step"] <= run.trajectory.kept_step]
    norms, sizes = steps.groupby("step")["grad_norm"].first(), steps.groupby("step").size()
    assert OPTIMIZER.clip_norm is not None
    assert (norms > OPTIMIZER.clip_norm).sum() >= 2 <= (norms < OPTIMIZER.clip_norm).sum()
    assert (norms - OPTIMIZER.clip_norm).abs().min() > 0.05, "a step on the edge of clipping has no derivative"
    assert set(sizes) == {1, 2}
    assert steps.duplicated(["step", "visit_id"]).sum() >= 3, "no visit is drawn twice in a step"
    assert steps["lr"].nunique() >= 5
    assert set(steps["visit_id"]) == {f"v{v}" for v in range(5)}


@pytest.fixture(scope="module")
def run_of_scores(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """Scores in place of classes under Huber's loss: some visits where it is squared, some where it is straight."""
    bags, pixels = tiny_bags(8)
    source = tiny_source({name: replace(bag, label=0.5 + 3.5 * bag.label) for name, bag in bags.items()}, pixels)
    outcome = PasiTotal(SeveritySettings(outcome="pasi"))
    folder = tmp_path_factory.mktemp("anchors")
    return TinyRun.train(folder, make_network=partial(tiny_network, outcome=outcome), source=source)


@pytest.fixture(scope="module")
def run_of_regions(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """PASI by regions: photos of one, two and three regions in a visit, parts known, of one region, and not at all."""
    bags, pixels = tiny_bags(8)
    rng, unknown = np.random.default_rng(2), (float("nan"),) * 16
    for v, (name, bag) in enumerate(bags.items()):
        parts = tuple(rng.integers(0, 5, 16).astype(float).tolist())
        known = (parts, unknown, (*parts[:4], *unknown[4:]))[v % 3]
        regions = tuple(int(region) for region in rng.integers(0, 4, len(bag)))
        bags[name] = replace(bag, label=0.5 + 9.5 * bag.label, regions=regions, parts=known)
    outcome = outcome_of(SeveritySettings(outcome="pasi", form="regional"))
    folder = tmp_path_factory.mktemp("anchors")
    make_network = partial(tiny_network, outcome=outcome)
    return TinyRun.train(folder, make_network=make_network, source=tiny_source(bags, pixels))


def test_scores_lie_on_both_sides_of_the_bend(run_of_scores: TinyRun) -> None:
    steps = run_of_scores.trajectory.steps
    off = (steps["output_score"] - steps["label"] / 5.0).abs()
    assert (off < 0.99).any()
    assert (off > 1.01).any()
    assert (off - 1).abs().min() > 1e-3, "a draw on the bend has no second derivative"


EVERY = [
    *((kind, unit) for kind in ("run", "run_adamw", "run_of_regions") for unit in ("visit", "edit", "single", "share")),
    ("run_of_scores", "visit"),
    ("run_of_scores", "edit"),
]
SHORT = [
    *(("run", unit) for unit in ("visit", "edit", "single", "share")),
    ("run_adamw", "visit"),
    ("run_of_regions", "edit"),
    ("run_of_scores", "edit"),
]


@pytest.mark.parametrize(("kind", "unit"), by_day(SHORT, EVERY))
def test_scores_are_minus_the_derivative_of_real_training(
    request: pytest.FixtureRequest, kind: str, unit: UnitName
) -> None:
    run: TinyRun = request.getfixturevalue(kind)
    photos = LAST[:3] if unit == "visit" else ("v0-p1", "v3-p3", "v4-p0")
    truth = _truth(run, unit, photos)
    found = _scores(run, unit, photos)
    assert _error(found, truth) < 1e-6
    # where a visit stood alone in its clipped steps, clipping takes away what a larger weight would add
    is_felt = np.abs(truth) > (1e-6 if kind == "run_of_scores" else 1e-4)
    assert is_felt.sum() >= 2, "scores vanish: the comparison would prove nothing"
    assert np.abs(found[is_felt] / truth[is_felt] - 1).max() < 1e-6


def _without_decay(after: Any, step: Any, *others: Any) -> Any:
    settings = replace(step.phase.settings, weight_decay=0.0)
    return adam_adjoint.step_back(after, replace(step, phase=replace(step.phase, settings=settings)), *others)


def _without(moment: str) -> Callable[..., Any]:
    def step_back(after: Any, *others: Any) -> Any:
        found = adam_adjoint.step_back(after, *others)
        return replace(found, **{moment: {name: torch.zeros_like(u) for name, u in getattr(found, moment).items()}})

    return step_back


INGREDIENTS = {
    "clipping": (unrolled, "unclipped", lambda r, step: dict(r)),
    "direction of clipping": (
        unrolled,
        "unclipped",
        lambda r, step: {name: step.gradient.clip * value for name, value in r.items()},
    ),
    "decay of earlier weights": (unrolled, "step_back", _without_decay),
    "decay in the moments' gradient": (
        adam_adjoint,
        "moment_gradient",
        lambda step, name: step.gradient.clipped[name],
    ),
    "bend of the root": (
        adam_adjoint,
        "curvature_of_root",
        lambda step, name: torch.zeros_like(step.weights[name]),
    ),
    "first moment": (unrolled, "step_back", _without("exp_avg_QW")),
    "second moment": (unrolled, "step_back", _without("exp_avg_sq_QW")),
    "curvature": (
        unrolled,
        "curvature_products",
        lambda kind, network, batch, vectors: {name: torch.zeros_like(v) for name, v in vectors.items()},
    ),
}


@pytest.fixture(scope="module")
def whole(run: TinyRun) -> np.ndarray:
    return _scores(run, "visit")


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_every_ingredient_is_needed(
    run: TinyRun, whole: np.ndarray, monkeypatch: pytest.MonkeyPatch, ingredient: str
) -> None:
    monkeypatch.setattr(*INGREDIENTS[ingredient])
    assert _error(_scores(run, "visit"), whole) > 1e-3


def test_decoupled_decay_is_needed(run_adamw: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _scores(run_adamw, "visit")
    monkeypatch.setattr(unrolled, "step_back", _without_decay)
    assert _error(_scores(run_adamw, "visit"), whole) > 1e-4


def test_steps_replayed_again_for_want_of_memory_change_nothing(
    run: TinyRun, whole: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unrolled, "_step_bytes", lambda *_: 2**40)
    assert (_scores(run, "visit") == whole).all()


def test_queries_in_blocks_and_fewer_anchors_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = TinyRun.train(tmp_path)
    whole = run.trace(UNROLLED).by_formula["unrolled"]
    (tmp_path / "step-0000003.safetensors").unlink()
    monkeypatch.setattr(
        "grasp_psonet.influence.tracing.request.query_blocks", lambda count, *_: [slice(0, 1), slice(1, 2)]
    )
    np.testing.assert_allclose(run.trace(UNROLLED).by_formula["unrolled"], whole, rtol=1e-9, atol=1e-15)
    assert np.abs(whole[0] - whole[1]).max() > 1e-4, "both queries ask the same: blocks could be mixed up"


def test_steps_after_the_kept_one_do_not_count(run: TinyRun, whole: np.ndarray) -> None:
    later = replace(run, trajectory=replace(run.trajectory, kept_step=9))
    found = _scores(later, "visit")
    assert _error(found, whole) > 1e-3
    assert _error(found[:2], _truth(later, "visit", LAST[:2])) < 1e-6


def test_a_visit_in_no_batch_scores_exactly_zero(run: TinyRun) -> None:
    for unit in ("visit", "edit"):
        traced = run.trace(replace(UNROLLED, unit=unit))
        is_undrawn = np.array(traced.visit_ids) == "v5"
        assert (traced.by_formula["unrolled"][:, is_undrawn] == 0).all()
        assert (traced.by_formula["unrolled"][:, ~is_undrawn] != 0).all()


def test_summed_queries_are_the_sum(run: TinyRun) -> None:
    each = run.trace(UNROLLED)
    summed = run.trace(replace(UNROLLED, sum_queries=True))
    assert summed.query_ids == ("all",)
    np.testing.assert_allclose(summed.by_formula["unrolled"][0], each.by_formula["unrolled"].sum(axis=0), rtol=1e-9)


def test_fisher_products_are_those_of_the_draws_gradients(run: TinyRun) -> None:
    network = run.network()
    draws = run.trajectory.steps[run.trajectory.steps["step"] == 2]
    batch = run.source.batch(draws, torch.device("cpu"))
    names = [name for name, _ in network.named_parameters()]
    vectors = {name: torch.randn(3, *w.shape, dtype=w.dtype) for name, w in reversed(list(network.named_parameters()))}
    found = curvature_products("fisher", network, batch, vectors)
    gradients = photo_gradients.gradient_of_each(network, lambda net: visit_losses(net, batch), names)
    along_BQ = photo_gradients.dots(gradients, [vectors[name] for name in names])
    for name, gradient in zip(names, gradients, strict=True):
        expected = torch.einsum("bq,b...->q...", along_BQ, gradient) / len(draws)
        torch.testing.assert_close(found[name], expected, rtol=1e-10, atol=1e-14)
    assert along_BQ.abs().min() > 1e-3


def test_unit_single_is_labelled(run: TinyRun) -> None:
    assert "derivative of nothing" in run.trace(replace(UNROLLED, unit="single")).caveats[0]
    assert run.trace(UNROLLED).caveats == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"formula": "unrolled"}, "trace.formula unrolled with trace.counting even is undefined"),
        ({"formula": "adam-step"}, "trace.formula adam-step with trace.counting even is undefined"),
        ({"formula": "unrolled", "counting": "steps", "parameters": "head"}, "trace.parameters 'head'"),
        ({"formula": "adam", "curvature": "fisher"}, "trace.formula unrolled only"),
    ],
)
def test_combinations_without_meaning_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        TraceSettings(**changes)
