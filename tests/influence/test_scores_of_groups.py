"""Two groups of parameters of different rate and decay: every formula against slow loops, and real training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import grasp_psonet
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.self_influence import self_influence
from grasp_psonet.trajectory.law import AdamLaw, ParameterGroup
from tests.foreign_run import QUERIES, TRAINING, WithParts, train, two_groups
from tests.long_forms import nightly
from tests.reference import influence_scores, real_training, step_scores
from tests.reference.every_score import Story, every_score
from tests.reference.foreign_scores import PHOTOS, Law, counted, minus_derivative
from tests.tiny_run import KEPT_STEP, OPTIMIZER, TinyRun
from tests.tiny_study import tiny_network

pytestmark = pytest.mark.long

NAMES: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")
STEPS = TraceSettings(counting="steps", errors="kept", query="visit", unit="visit")
LAST = ("v0-p3", "v1-p0", "v2-p0", "v3-p3", "v4-p0")
EVERY = frozenset(name for name, _ in tiny_network().named_parameters())
ENCODER = frozenset(name for name in EVERY if name.startswith("encoder"))
# the encoder at a fifth of the rate and a strong decay; the rest faster, without decay
GROUPS = (ParameterGroup(ENCODER, 0.2, 0.4), ParameterGroup(EVERY - ENCODER, 1.3, 0.0))


@pytest.fixture(scope="module")
def adam(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"), AdamLaw.of(OPTIMIZER, GROUPS))


@pytest.fixture(scope="module")
def adamw(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"), AdamLaw.of(replace(OPTIMIZER, kind="adamw"), GROUPS))


def _truth(run: TinyRun, unit: UnitName, photo_ids: tuple[str, ...], one_by_one: bool) -> np.ndarray:
    query, names = run.queries("visit")[0], [photo_id.split("-")[0] for photo_id in photo_ids]
    return np.array(
        [
            real_training.minus_derivative(run, unit, name, run.bags[name].photo_ids.index(photo_id), query, one_by_one)
            for name, photo_id in zip(names, photo_ids, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("kind", "formula", "unit"),
    [
        ("adam", "unrolled", "visit"),
        ("adamw", "unrolled", "edit"),
        ("adam", "adam-step", "visit"),
        nightly("adamw", "unrolled", "visit"),
        nightly("adam", "unrolled", "edit"),
        nightly("adamw", "adam-step", "visit"),
    ],
)
def test_scores_are_minus_the_derivative_of_real_training(
    request: pytest.FixtureRequest, kind: str, formula: FormulaName, unit: UnitName
) -> None:
    run: TinyRun = request.getfixturevalue(kind)
    norms = run.trajectory.steps.groupby("step")["grad_norm"].first().head(KEPT_STEP)
    assert OPTIMIZER.clip_norm is not None
    assert 2 <= (norms > OPTIMIZER.clip_norm).sum() < KEPT_STEP
    photos = ("v0-p1", "v3-p3") if unit == "edit" else LAST[:2] if formula == "adam-step" else LAST[:3]
    traced = run.trace(replace(STEPS, formula=formula, unit=unit))
    found = traced.by_formula[formula][0, [traced.photo_ids.index(photo_id) for photo_id in photos]]
    truth = _truth(run, unit, photos, formula == "adam-step")
    assert np.abs(truth).max() > 1e-3, "scores vanish: the comparison would prove nothing"
    assert np.abs(found - truth).max() < 1e-6 * np.abs(truth).max()


def test_every_formula_in_every_unit_equals_the_loop(adam: TinyRun) -> None:
    """Counting steps; every unit by autograd, adam-step and unrolled as derivatives of the whole law."""
    steps = adam.trajectory.steps[adam.trajectory.steps["step"] <= KEPT_STEP]
    story = Story(adam.network(), steps, adam.trajectory.optimizer, adam.source, adam.visits, adam.queries("visit"))
    slow = every_score(story)
    for unit in ("single", "share", "edit", "visit"):
        fast = adam.trace(replace(STEPS, unit=unit), (*NAMES, "adam-step", "unrolled")).by_formula  # type: ignore[arg-type]
        for formula, found in fast.items():
            wanted = slow["steps", "unrolled exact" if formula == "unrolled" else formula, unit]
            assert np.abs(wanted).max() > 1e-5
            assert np.abs(found - wanted).max() < 1e-9 * np.abs(wanted).max(), (formula, unit)


def test_steps_equal_the_loop_over_torchs_own_steps(adamw: TinyRun) -> None:
    fast = adamw.trace(STEPS, NAMES).by_formula
    slow = step_scores.scores_of(adamw, "visit", "visit", NAMES)
    for formula in NAMES:
        assert np.abs(slow[formula]).max() > 1e-5
        assert np.abs(fast[formula] - slow[formula]).max() < 1e-10 * np.abs(slow[formula]).max()


def test_anchors_and_self_influence_equal_the_loop(adam: TinyRun) -> None:
    photos = [bag.only(photo_id) for bag in adam.visits for photo_id in bag.photo_ids]
    settings = TraceSettings(counting="checkpoints", errors="kept")
    fast = adam.trace(settings, NAMES).by_formula
    network = adam.network()
    by_loop = influence_scores.scores_by_formula(network, adam.trajectory, photos, adam.queries("photo"), adam.pixels)
    for formula, slow in by_loop.items():
        assert np.abs(slow).max() > 1e-6
        assert np.abs(fast[formula] - slow).max() < 1e-10 * np.abs(slow).max()
    own = [photo for photo in photos if photo.visit_id == "v0"]
    of_photos = influence_scores.scores_by_formula(network, adam.trajectory, own, own, adam.pixels)
    for formula in ("adam", "sgd", "paper"):
        found = self_influence(adam.trained(), {"v0": own}, adam.pixels, FORMULAS[formula])["v0"]  # type: ignore[index]
        np.testing.assert_allclose(found, of_photos[formula], rtol=1e-8, atol=1e-12)


def test_what_stands_still_has_no_influence(tmp_path: Path) -> None:
    """Rate and decay 0, no clipping: the encoder stays as it began, and its part of every score is exactly 0."""
    law = AdamLaw.of(replace(OPTIMIZER, clip_norm=None), (ParameterGroup(ENCODER, 0.0, 0.0),))
    run = TinyRun.train(tmp_path, law)
    anchor = run.trajectory.read(KEPT_STEP, torch.device("cpu"))
    for name, weight in run.start.weights.items():
        assert torch.equal(anchor.weights[name], weight) == (name in ENCODER)
    for counting, names in (("steps", (*NAMES, "adam-step")), ("checkpoints", NAMES)):
        own = replace(STEPS, counting=counting, parameters=("encoder.*",))  # type: ignore[arg-type]
        rest = replace(own, parameters=("projection.*", "attention.*", "head.*"))
        all_of_them = run.trace(replace(own, parameters="all"), names).by_formula
        others = run.trace(rest, names).by_formula
        for formula, found in run.trace(own, names).by_formula.items():
            assert (found == 0).all(), formula
            np.testing.assert_allclose(all_of_them[formula], others[formula], rtol=1e-9, atol=1e-16)
            assert np.abs(others[formula]).max() > 1e-5


SMOOTH = {"betas": (0.8, 0.9), "eps": 2e-2}
CLIP_NORM = 0.68  # half of the steps are clipped
CASES = [(0, 1), (2, 0), (3, 2)]


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_a_recorded_loop_of_two_groups(tmp_path: Path, kind: type[torch.optim.Adam]) -> None:
    """Formulas at steps and anchors as defined, and unrolled and adam-step as derivatives of the loop itself."""
    torch.manual_seed(0)
    network = WithParts()
    start, law = WithParts(), Law(kind, CLIP_NORM, SMOOTH, two_groups)
    start.load_state_dict(network.state_dict())
    trajectory, _ = train(network, tmp_path, kind, clip_norm=CLIP_NORM, trained=two_groups(network), **SMOOTH)
    norms = trajectory.steps.groupby("step")["clipped_norm"].first()
    assert 1 <= (norms > 0.999 * CLIP_NORM).sum() < len(norms)

    def scores(formula: str, counting: str, unit: str = "edit") -> np.ndarray:
        asked = {"formula": formula, "counting": counting, "unit": unit, "replay_tolerance": 1e-12}
        table = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **asked)  # type: ignore[arg-type]
        return table["score"].to_numpy().reshape(len(QUERIES), -1)

    counting = "steps" if kind is torch.optim.Adam else "checkpoints"  # which knows nothing of the kind
    for formula, wanted in counted(start, law, "edit", NAMES, counting).items():
        assert np.abs(wanted).max() > 1e-5
        assert np.abs(scores(formula, counting) - wanted).max() < 1e-9 * np.abs(wanted).max(), (formula, counting)
    for formula in ("unrolled", "adam-step"):
        found = scores(formula, "steps", "visit")[1, [PHOTOS.index(case) for case in CASES]]
        truth = [minus_derivative(start, law, "visit", b, n, QUERIES[1], formula == "adam-step") for b, n in CASES]
        assert np.abs(truth).max() > 1e-4
        assert np.abs(found - truth).max() < 1e-6 * np.abs(truth).max()
    table = grasp_psonet.what_if(network, trajectory, TRAINING, QUERIES, formula="adam")
    removed = table[table["edit"] == "removed"]["change"].to_numpy().reshape(len(QUERIES), -1)
    np.testing.assert_allclose(removed, scores("adam", "checkpoints"), rtol=1e-9, atol=1e-15)
