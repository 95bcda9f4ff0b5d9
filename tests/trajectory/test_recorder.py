"""Recording loops that skip steps, and loops that do what cannot be traced: they are never stopped."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import grasp_psonet
from grasp_psonet.errors import TraceError
from tests.foreign_run import STEPS, TRAINING, Pooling, loss_of

SKIPPED = {1, 2, 5}  # steps of the loop, from 0, whose gradients overflow


def with_scaler(folder: Path, draws_late: bool, zeroes_early: bool, num_parts: int) -> tuple[nn.Module, Path]:
    """A loop that skips what overflows, as a gradient scaler does; each step's draws in so many backward passes."""
    torch.manual_seed(0)
    network = Pooling()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    with grasp_psonet.record(network, optimizer, folder, anchor_every=1) as recorder:
        for at, drawn in enumerate(STEPS):
            if zeroes_early:
                optimizer.zero_grad(set_to_none=at % 2 == 0)
            for own in filter(None, (drawn[part::num_parts] for part in range(num_parts))):
                if not draws_late:
                    recorder.draw(own)
                (loss_of(network, [TRAINING[b] for b in own]) * len(own) / len(drawn)).backward()
                if draws_late:
                    recorder.draw(own)
            if at in SKIPPED:
                for weight in network.parameters():
                    if weight.grad is not None:
                        weight.grad.fill_(torch.inf)
            else:
                optimizer.step()
            if not zeroes_early:
                optimizer.zero_grad()
    return network, folder


@pytest.mark.parametrize("num_parts", [1, 2])
@pytest.mark.parametrize("zeroes_early", [True, False])
@pytest.mark.parametrize("draws_late", [True, False])
def test_what_a_skipped_step_drew_does_not_count(
    tmp_path: Path, draws_late: bool, zeroes_early: bool, num_parts: int
) -> None:
    network, folder = with_scaler(tmp_path, draws_late, zeroes_early, num_parts)
    trajectory = grasp_psonet.read_recording(folder)
    wanted = [sorted(map(str, drawn)) for at, drawn in enumerate(STEPS) if at not in SKIPPED]
    assert [sorted(rows["visit_id"]) for _, rows in trajectory.steps.groupby("step")] == wanted
    if num_parts == 1:
        asked = {"unit": "visit", "counting": "steps", "formula": "adam", "replay_tolerance": 1e-12}
        table = grasp_psonet.trace(network, trajectory, TRAINING, TRAINING[:1], **asked)  # type: ignore[arg-type]
        assert table["score"].abs().max() > 1e-4


def test_a_fused_step_that_met_an_overflow_is_none(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Pooling()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02, fused=True)
    with grasp_psonet.record(network, optimizer, tmp_path, anchor_every=1) as recorder:
        for at, drawn in enumerate(STEPS):
            recorder.draw(drawn)
            optimizer.zero_grad()
            loss_of(network, [TRAINING[b] for b in drawn]).backward()
            optimizer.found_inf = torch.tensor(float(at in SKIPPED))  # type: ignore[attr-defined]
            optimizer.grad_scale = torch.tensor(1.0)  # type: ignore[attr-defined]
            optimizer.step()
    steps = recorder.trajectory().steps
    wanted = [list(map(str, drawn)) for at, drawn in enumerate(STEPS) if at not in SKIPPED]
    assert [rows["visit_id"].to_list() for _, rows in steps.groupby("step")] == wanted


def _other_betas(_: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["betas"] = (0.85, 0.999)  # OneCycle does this


def _unfrozen(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.add_param_group({"params": list(network.out.parameters())})  # type: ignore[union-attr, operator]


def _stranger(_: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1, dtype=torch.float64))]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_other_betas, "betas, eps, weight decay or the parameters of a group changed at step 3"),
        (_unfrozen, "betas, eps, weight decay or the parameters of a group changed at step 3"),
        (_stranger, "1 parameters of the optimizer are not in the network"),
    ],
)
def test_training_is_never_stopped_and_its_trace_refused(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[nn.Module, torch.optim.Optimizer], None],
    told: str,
) -> None:
    def train(recorded: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = Pooling()
        optimizer = torch.optim.Adam([*network.inner.parameters(), *network.scorer.parameters()], lr=0.02)
        recorder = grasp_psonet.record(network, optimizer, tmp_path, anchor_every=2)
        if recorded:
            recorder.__enter__()
        for at, drawn in enumerate(STEPS):
            if at == 2:
                change(network, optimizer)
            recorder.draw(drawn)
            optimizer.zero_grad()
            loss_of(network, [TRAINING[b] for b in drawn]).backward()
            optimizer.step()
        if recorded:
            recorder.__exit__(None, None, None)
        return network.state_dict()

    alone = train(recorded=False)
    with caplog.at_level(logging.WARNING, logger="grasp_psonet"):
        watched = train(recorded=True)
    assert all(torch.equal(value, watched[name]) for name, value in alone.items())
    assert caplog.text.count("recording stopped, training goes on") == 1
    assert told in caplog.text
    with pytest.raises(TraceError, match=rf"cannot be traced, for its recording stopped: {told}"):
        grasp_psonet.read_recording(tmp_path)
