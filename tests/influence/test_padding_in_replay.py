"""Networks that read padding: replayed with the padding that training had, or refused by name."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import grasp_psonet
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import ReplayMismatch, TraceError
from grasp_psonet.influence.any_network.plain_bags import plain_bags
from grasp_psonet.trajectory.any_loop.recording import read_start, with_losses
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from tests.foreign_run import DECAY, LR, QUERIES, STEPS, TRAINING, Bag, Pooling, loss_of, train
from tests.reference.foreign_scores import PHOTOS, Law, minus_derivative

SMOOTH = {"betas": (0.8, 0.9), "eps": 2e-2, "weight_decay": 0.1}


class Recurrent(Pooling):
    """A GRU over the bag whose last state tells the class: it has read what stands behind the photos."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(6, 5, batch_first=True).double()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        return self.out(self.gru(photos)[1][0]) + super().forward(photos, mask)


def padded(network: nn.Module, bags: Sequence[Bag], by: float = 0.0) -> Tensor:
    """Every bag behind its photos filled up to five, further than any is long."""
    photos = torch.stack([functional.pad(photos, (0, 0, 0, 5 - len(photos)), value=by) for photos, _ in bags])
    mask = torch.stack([torch.arange(5) < len(photos) for photos, _ in bags])
    return functional.cross_entropy(network(photos, mask), torch.tensor([label for _, label in bags]))


class PaddedLaw(Law):
    """The same loop, its bags padded to the longest of each step, as ``train`` has it."""

    def take(self, network: nn.Module, optimizer: torch.optim.Adam, t: int, extra: Callable[[int], Tensor]) -> None:
        drawn = STEPS[t - 1]
        optimizer.zero_grad()
        loss = loss_of(network, [TRAINING[b] for b in drawn])
        (loss + torch.stack([extra(b) for b in drawn]).sum() / len(drawn)).backward()
        for group in optimizer.param_groups:
            group["lr"] = group["part"] * LR * DECAY ** (t - 1)
        optimizer.step()


def recorded(
    folder: Path, kind: type[nn.Module] = Recurrent, **asked: Any
) -> tuple[nn.Module, grasp_psonet.Trajectory]:
    torch.manual_seed(0)
    network = kind()
    return network, train(network, folder, **{**SMOOTH, **asked})[0]


def trace(network: nn.Module, trajectory: grasp_psonet.Trajectory, **asked: Any) -> pd.DataFrame:
    usual: dict[str, Any] = {"counting": "steps", "replay_tolerance": 1e-12, "unit": "single", "formula": "unrolled"}
    return grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **{**usual, **asked})


def test_scores_are_of_the_training_that_read_the_padding(tmp_path: Path) -> None:
    network, trajectory = recorded(tmp_path)
    table = trace(network, trajectory)
    assert any("reads padding" in note for note in table.attrs["caveats"])
    found = table["score"].to_numpy().reshape(len(QUERIES), -1)[1]
    torch.manual_seed(0)
    start = Recurrent()
    for case in [(0, 1), (3, 2)]:
        truth = minus_derivative(start, PaddedLaw(settings=SMOOTH), "single", *case, QUERIES[1], False)
        assert abs(truth) > 1e-3
        assert found[PHOTOS.index(case)] == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize("loss", [loss_of, padded])
def test_a_replay_reads_the_same_padding_bit_for_bit(tmp_path: Path, loss: Callable[..., Tensor]) -> None:
    network, trajectory = recorded(tmp_path, loss=loss)
    bags = plain_bags(TRAINING, QUERIES, torch.float64)
    source = BatchSource(bags.training, bags.photos)
    start = read_start(trajectory, torch.device("cpu"))
    for weight, name in ((weight, name) for name, weight in network.named_parameters()):
        weight.requires_grad_(name in start.state.exp_avg)
    trained = TrainedNetwork(network, with_losses(trajectory, source.labels), source, start, 1e-12)
    logits = ["logit_0", "logit_1", "logit_2"]
    for step in trained.replay(0, len(STEPS)):
        rows = trajectory.steps[trajectory.steps["step"] == step.step]
        assert step.gradient.result.logits_BC.numpy().tolist() == rows[logits].to_numpy().tolist()


def test_padding_of_other_values_than_zero_ends_in_a_mismatch(tmp_path: Path) -> None:
    network, trajectory = recorded(tmp_path, loss=partial(padded, by=0.5))
    with pytest.raises(ReplayMismatch, match="other padding than zeros"):
        trace(network, trajectory)


def test_units_that_take_whole_bags_refuse_a_network_that_reads_padding(tmp_path: Path) -> None:
    network, trajectory = recorded(tmp_path)
    for counting in ("steps", "checkpoints"):
        with pytest.raises(
            TraceError, match=r"unit visit takes bags without padding, and Recurrent reads padding: .* bag '1'"
        ):
            trace(network, trajectory, formula="sgd", unit="visit", counting=counting)


def test_a_network_that_passes_over_padding_is_told_nothing(tmp_path: Path) -> None:
    tables = []
    for name, loss in (("longest", loss_of), ("five", padded)):
        network, trajectory = recorded(tmp_path / name, Pooling, loss=loss)
        tables.append(trace(network, trajectory, unit="visit", formula="adam-step"))
        assert not any("padding" in note for note in tables[-1].attrs["caveats"])
    assert tables[0]["score"].to_numpy() == pytest.approx(tables[1]["score"].to_numpy(), rel=1e-9, abs=1e-15)
    assert tables[0]["score"].abs().max() > 1e-4
