"""Training leaves a trajectory that replays bitwise, resumes bitwise, and refuses to be mistaken."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.errors import ReplayMismatch, StageError, TraceError
from grasp_psonet.training.fit import EpochChoice, PlannedTraining, RunFolder, fit
from grasp_psonet.training.settings import TrainSettings
from grasp_psonet.trajectory.anchors import (
    ANCHORS,
    anchor_path,
    anchor_steps,
    load_weights,
    read_anchor,
    start_anchor,
    weights_of,
)
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory
from tests.long_forms import nightly
from tests.tiny_study import tiny_bags, tiny_network, tiny_source

pytestmark = pytest.mark.long

SETTINGS = TrainSettings(
    epochs=4, visits_per_step=4, optimizer=OptimizerSettings(lr=1e-2, schedule="cosine", warmup_steps=2, clip_norm=1.0)
)


class _StoppedError(Exception):
    pass


def _train(folder: Path, stop_after: int | None = None, settings: TrainSettings = SETTINGS) -> TrainedNetwork:
    folder.mkdir(exist_ok=True)
    bags, pixels = tiny_bags(9)
    source = tiny_source({name: bag for name, bag in bags.items() if name < "v6"}, pixels)
    val_bags = [bag for name, bag in bags.items() if name >= "v6"]
    plan = batch_plan(source.labels, 4, 4, "class_weighted", 3)
    network = tiny_network().float()
    start = start_anchor(network)

    def after_epoch(done: int, _: int) -> None:
        if done == stop_after:
            raise _StoppedError

    fit(network, PlannedTraining(plan, source, val_bags), settings, RunFolder(folder), after_epoch)
    steps = pd.concat([pd.read_parquet(path) for path in sorted((folder / "steps").glob("*"))], ignore_index=True)
    trajectory = Trajectory(folder / ANCHORS, steps, int(steps["step"].max()), AdamLaw.of(SETTINGS.optimizer))
    return TrainedNetwork(network, trajectory, source, start)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_replay_from_an_anchor_gives_the_next_anchor_bitwise(tmp_path: Path) -> None:
    trained = _train(tmp_path / "run")
    first, second = trained.windows()[1]
    start, end = (trained.trajectory.read(step, trained.device) for step in (first, second))
    replayed = list(trained.replay(first, second))
    assert len(replayed) == second - first > 1
    for name, weight in weights_of(trained.network).items():
        assert torch.equal(weight, end.weights[name])
        assert torch.equal(replayed[-1].state.exp_avg[name], end.state.exp_avg[name])
        assert torch.equal(replayed[-1].state.exp_avg_sq[name], end.state.exp_avg_sq[name])
    assert any(not torch.equal(start.weights[name], end.weights[name]) for name in end.weights), "nothing moved"


def test_replay_from_the_start_gives_the_first_anchor_bitwise(tmp_path: Path) -> None:
    trained = _train(tmp_path / "run")
    *_, last = trained.replay(*trained.windows()[0])
    end = trained.trajectory.read(last.step, trained.device)
    assert all(torch.equal(weight, end.weights[name]) for name, weight in last.weights_after.items())
    assert trained.load(last.step).weights.keys() == end.weights.keys()


def test_replay_with_other_augmentation_is_refused_with_the_step(tmp_path: Path) -> None:
    trained = _train(tmp_path / "run")
    first, second = trained.windows()[1]
    assert trained.source is not None
    other = replace(trained, source=replace(trained.source, seed=8))
    with pytest.raises(ReplayMismatch, match=f"step {first + 1} replays to loss"):
        list(other.replay(first, second))


def test_a_trajectory_without_source_or_start_is_not_replayed_and_says_so(tmp_path: Path) -> None:
    trained = _train(tmp_path / "run")
    for lacking in (replace(trained, source=None), replace(trained, start=None)):
        for before, until in trained.windows()[:2]:
            with pytest.raises(TraceError, match="this trajectory has its anchors alone"):
                list(lacking.replay(before, until))
    first = trained.windows()[0][1]
    with pytest.raises(TraceError, match=f"is the anchor before step 1; seen: that of step {first}"):
        replace(trained, start=trained.load(first))


@pytest.mark.parametrize("stop_after", [1, nightly(2), 3])
def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    _train(tmp_path / "whole")
    with pytest.raises(_StoppedError):
        _train(tmp_path / "broken", stop_after)
    _train(tmp_path / "broken")
    assert _bytes(tmp_path / "broken") == _bytes(tmp_path / "whole")


def test_a_run_killed_while_writing_ends_with_the_same_bytes(tmp_path: Path) -> None:
    _train(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "broken")
    anchors = tmp_path / "broken" / "anchors"
    anchor_path(anchors, anchor_steps(anchors)[-1]).unlink()
    _train(tmp_path / "broken")
    assert _bytes(tmp_path / "broken") == _bytes(tmp_path / "whole")


def test_the_network_ends_with_the_kept_epochs_weights(tmp_path: Path) -> None:
    network = _train(tmp_path / "run").network
    epochs = pd.read_parquet(tmp_path / "run" / "epochs.parquet")
    kept = epochs[epochs["kept"]]
    assert len(kept) == 1
    assert kept["val_auc"].item() == epochs["val_auc"].max()
    anchor = read_anchor(anchor_path(tmp_path / "run" / "anchors", int(kept["step"].item())))
    assert all(torch.equal(weight, anchor.weights[name]) for name, weight in weights_of(network).items())


def test_the_last_epoch_is_kept_where_validation_shall_not_choose(tmp_path: Path) -> None:
    best, network = (
        _train(tmp_path / "best"),
        _train(tmp_path / "last", settings=replace(SETTINGS, keep="last")).network,
    )
    epochs = pd.read_parquet(tmp_path / "last" / "epochs.parquet")
    assert pd.read_parquet(tmp_path / "best" / "epochs.parquet")["kept"].tolist() != epochs["kept"].tolist()
    assert epochs["kept"].tolist() == [False, False, False, True]
    anchor = read_anchor(anchor_path(tmp_path / "last" / "anchors", int(epochs["step"].max())))
    weights = weights_of(network)
    assert all(torch.equal(weight, anchor.weights[name]) for name, weight in weights.items())
    assert any(not torch.equal(weight, weights[name]) for name, weight in weights_of(best.network).items())
    assert EpochChoice("last", network.outcome).reason(epochs) == "the last epoch (train.keep)"


def test_an_anchor_of_another_network_is_refused(tmp_path: Path) -> None:
    _train(tmp_path / "run")
    anchors = tmp_path / "run" / "anchors"
    anchor = read_anchor(anchor_path(anchors, anchor_steps(anchors)[0]))
    with pytest.raises(StageError, match="of another network"):
        load_weights(tiny_network().head, anchor)  # type: ignore[arg-type]


def test_a_damaged_anchor_is_told(tmp_path: Path) -> None:
    _train(tmp_path / "run")
    anchors = tmp_path / "run" / "anchors"
    path = anchor_path(anchors, anchor_steps(anchors)[0])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StageError, match="cannot be read as an anchor"):
        read_anchor(path)


def test_a_run_that_lost_an_early_record_starts_over(tmp_path: Path) -> None:
    _train(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "broken")
    min((tmp_path / "broken" / "steps").iterdir()).unlink()
    _train(tmp_path / "broken")
    assert _bytes(tmp_path / "broken") == _bytes(tmp_path / "whole")
