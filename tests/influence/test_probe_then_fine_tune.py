"""A probe, then fine-tuning: one recorded trajectory through both; replay, every counting and unrolled across the boundary."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.errors import SettingsError, TraceError
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing import unrolled
from grasp_psonet.training.fit import PlannedTraining, RunFolder, fit
from grasp_psonet.training.law import training_law
from grasp_psonet.training.settings import TrainSettings
from grasp_psonet.trajectory.anchors import ANCHORS, anchor_path, anchor_steps, start_anchor, weights_of
from grasp_psonet.trajectory.law import AdamLaw, ParameterGroup, Phase, read_law
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory
from tests.long_forms import nightly
from tests.reference import influence_scores, real_training, step_scores
from tests.tiny_run import OPTIMIZER, TinyRun
from tests.tiny_study import tiny_bags, tiny_network, tiny_source

pytestmark = pytest.mark.long

NAMES: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")
STEPS = TraceSettings(counting="steps", errors="kept", query="visit", unit="visit")
EVERY = frozenset(name for name, _ in tiny_network().named_parameters())
ENCODER = frozenset(name for name in EVERY if name.startswith("encoder"))
BOUNDARY = 3  # an anchor of the tiny run
LAW = AdamLaw(
    (
        Phase(replace(OPTIMIZER, lr=5e-2, schedule="constant", warmup_steps=0), standing=ENCODER, name="probe"),
        Phase(OPTIMIZER, (ParameterGroup(ENCODER, 0.2, 0.4),), after=BOUNDARY, name="fine-tune"),
    )
)
SETTINGS = TrainSettings(
    epochs=5,
    visits_per_step=4,
    anchor_every=3,
    probe_epochs=2,
    probe_lr=3e-2,
    optimizer=OptimizerSettings(lr=1e-2, schedule="cosine", warmup_steps=2, clip_norm=1.0, head_lr=2e-2),
)


@pytest.fixture(scope="module", params=["adam", nightly("adamw")])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    phases = [replace(phase, settings=replace(phase.settings, kind=request.param)) for phase in LAW.phases]
    return TinyRun.train(tmp_path_factory.mktemp("anchors"), AdamLaw(tuple(phases)))


class _StoppedError(Exception):
    pass


def _fit(folder: Path, stop_after: int | None = None) -> TrainedNetwork:
    """Two epochs of the probe and three more, two steps each."""
    folder.mkdir(exist_ok=True)
    bags, pixels = tiny_bags(9)
    source = tiny_source({name: bag for name, bag in bags.items() if name < "v6"}, pixels)
    plan = batch_plan(source.labels, SETTINGS.epochs, SETTINGS.visits_per_step, "class_weighted", 3)
    network = tiny_network().float()
    start = start_anchor(network)

    def after_epoch(done: int, _: int) -> None:
        if done == stop_after:
            raise _StoppedError

    planned = PlannedTraining(plan, source, [bag for name, bag in bags.items() if name >= "v6"])
    fit(network, planned, SETTINGS, RunFolder(folder), after_epoch)
    steps = pd.concat([pd.read_parquet(path) for path in sorted((folder / "steps").glob("*"))], ignore_index=True)
    trajectory = Trajectory(folder / ANCHORS, steps, int(steps["step"].max()), read_law(folder))
    return TrainedNetwork(network, trajectory, source, start)


def _bytes(folder: Path) -> dict[str, bytes]:
    """All files but the step records, which are put together when training ends, however many files they were saved in."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "steps")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _records(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((folder / "steps").iterdir())], ignore_index=True)


def test_the_encoder_stands_in_the_probe_and_all_move_afterwards(tmp_path: Path) -> None:
    trained = _fit(tmp_path)
    trajectory = trained.trajectory
    assert {4, 6, 10} <= set(anchor_steps(trajectory.anchors)), "no anchor where the probe ended"
    probe, tuned = (trajectory.read(step, torch.device("cpu")) for step in (4, 10))
    assert trained.start is not None
    for name, weight in trained.start.weights.items():
        assert torch.equal(weight, probe.weights[name]) == (name in ENCODER), name
        assert not torch.equal(probe.weights[name], tuned.weights[name]), name
    by_step = trajectory.steps.groupby("step")[["phase", "lr"]].first()
    assert by_step["phase"].tolist() == ["probe"] * 4 + ["fine-tune"] * 6
    assert by_step["lr"].tolist()[:6] == [3e-2] * 4 + [5e-3, 1e-2]
    assert trajectory.optimizer.at(5).lr_scale("head.0.weight") == 2.0


@pytest.mark.parametrize("save_every_s", [0.0, float("inf")])
def test_resumed_anywhere_it_ends_with_the_same_bytes(
    save_every_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fit(tmp_path / "whole")
    monkeypatch.setattr("grasp_psonet.training.fit.SAVE_EVERY_S", save_every_s)
    saved = []
    for stop_after in (1, 2, 3, 4):
        with pytest.raises(_StoppedError):
            _fit(tmp_path / "stopped", stop_after)
        saved.append(len(list((tmp_path / "stopped/steps").iterdir())))
    assert saved == ([1, 2, 3, 4] if save_every_s == 0 else [1, 2, 3, 3]), "1 is best, 2 ends the probe"
    _fit(tmp_path / "stopped")
    assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / "whole")
    pd.testing.assert_frame_equal(_records(tmp_path / "stopped"), _records(tmp_path / "whole"), check_exact=True)


def test_replay_across_the_boundary_is_bitwise(tmp_path: Path) -> None:
    trained = _fit(tmp_path)
    *_, last = trained.replay(0, 10)  # compared with the anchor of step 10 to the bit
    assert last.step == 10
    *_, last = trained.replay(4, 6)
    assert last.age("head.0.weight") == 2
    anchor_path(trained.trajectory.anchors, 4).unlink()
    with pytest.raises(TraceError, match="no anchor at step 4, where its fine-tune began"):
        trained.windows()


def test_it_is_torchs_optimizer_begun_anew(run: TinyRun) -> None:
    network = run.network()
    for step, draws in run.trajectory.steps.groupby("step"):
        if int(str(step)) in (1, BOUNDARY + 1):
            optimizer = real_training.optimizer_of(run, network, int(str(step)))
        real_training.take_step(run, network, optimizer, draws, "", lambda network, batch: torch.zeros(()))
        if run.trajectory.has_anchor(int(str(step))):
            anchor = run.trajectory.read(int(str(step)), torch.device("cpu"))
            for name, weight in weights_of(network).items():
                torch.testing.assert_close(weight, anchor.weights[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("formula", "photo_ids"), [("unrolled", ("v1-p0", "v4-p0", "v3-p3")), ("adam-step", ("v1-p0",))]
)
def test_scores_are_minus_the_derivative_of_real_training(
    run: TinyRun, formula: FormulaName, photo_ids: tuple[str, ...]
) -> None:
    traced = run.trace(replace(STEPS, formula=formula))
    found = traced.by_formula[formula][0, [traced.photo_ids.index(photo_id) for photo_id in photo_ids]]
    query = run.queries("visit")[0]
    truth = np.array(
        [
            real_training.minus_derivative(run, "visit", photo_id[:2], 0, query, formula == "adam-step")
            for photo_id in photo_ids
        ]
    )
    drawn = run.trajectory.steps.set_index("step")["visit_id"]
    assert {"v1", "v4", "v3"} & set(drawn[drawn.index <= BOUNDARY]), "nobody to look back at across the boundary"
    assert np.abs(truth).max() > 1e-3
    assert np.abs(found - truth).max() < 1e-6 * np.abs(truth).max()


def test_the_probe_is_felt_through_the_weights_alone(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Derivatives through the moments of the probe would be wrong: the first step of a phase drops them."""
    whole = run.trace(replace(STEPS, formula="unrolled")).by_formula["unrolled"]
    step_back: Callable[..., object] = unrolled.step_back

    def through(after: object, step: object, *others: object) -> object:
        return step_back(after, replace(step, phase=replace(step.phase, after=-1)), *others)  # type: ignore[type-var, attr-defined]

    monkeypatch.setattr(unrolled, "step_back", through)
    wrong = run.trace(replace(STEPS, formula="unrolled")).by_formula["unrolled"]
    assert np.abs(wrong - whole).max() > 1e-3 * np.abs(whole).max()


def test_every_counting_equals_its_loop(run: TinyRun) -> None:
    fast = run.trace(STEPS, NAMES).by_formula
    slow = step_scores.scores_of(run, "visit", "visit", NAMES)
    at_anchors = run.trace(TraceSettings(counting="checkpoints", errors="kept"), NAMES).by_formula
    photos = [bag.only(photo_id) for bag in run.visits for photo_id in bag.photo_ids]
    by_loop = influence_scores.scores_by_formula(
        run.network(), run.trajectory, photos, run.queries("photo"), run.pixels
    )
    for formula in NAMES:
        assert np.abs(slow[formula]).max() > 1e-5
        assert np.abs(fast[formula] - slow[formula]).max() < 1e-10 * np.abs(slow[formula]).max()
        wanted = by_loop[formula]
        assert np.abs(at_anchors[formula] - wanted).max() < 1e-10 * np.abs(wanted).max()


def test_the_encoder_has_no_influence_in_the_probe(run: TinyRun) -> None:
    early = replace(run, trajectory=replace(run.trajectory, kept_step=BOUNDARY))
    for counting in ("steps", "checkpoints"):
        own = replace(STEPS, counting=counting, parameters=("encoder.*",))  # type: ignore[arg-type]
        for formula, found in early.trace(own, NAMES).by_formula.items():
            assert (found == 0).all(), formula
            assert (run.trace(own, (formula,)).by_formula[formula] != 0).any()


def test_probes_that_cannot_be_are_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"train.probe_epochs is 3; wanted: 0 or more, and fewer than train.epochs \(3\)"
    ):
        TrainSettings(epochs=3, probe_epochs=3)
    with pytest.raises(SettingsError, match=r"train.probe_lr is 0"):
        TrainSettings(probe_lr=0.0)
    network = tiny_network()
    network.encoder.requires_grad_(False)
    plan = pd.DataFrame({"step": [1, 2], "epoch": [1, 2]})
    with pytest.raises(SettingsError, match="the encoder is not trained"):
        training_law(network, TrainSettings(epochs=2, probe_epochs=1), plan)
