"""Rules for layers of one's own: registered, proven, and never trusted where they are wrong."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import grasp_psonet
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.rules import RULES
from tests.foreign_run import QUERIES, TRAINING, Pooling, train


class Gate(nn.Module):
    """``x * tanh(weight)``, a weight for every feature."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.3, 1.2, num_features))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.tanh(self.weight)


class Gated(Pooling):
    def __init__(self) -> None:
        super().__init__()
        self.inner.append(Gate(5).double())


def gate(use: grasp_psonet.LayerUse) -> dict[str, Tensor]:
    slope = 1 - torch.tanh(use.module.weight) ** 2
    each = use.activation * use.delta * slope
    return {"weight": each.reshape(use.num_examples, -1, each.shape[-1]).sum(1)}


def upside_down(use: grasp_psonet.LayerUse) -> dict[str, Tensor]:
    return {"weight": -gate(use)["weight"]}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    RULES.pop(Gate.forward, None)


def scores(folder: Path) -> tuple[np.ndarray, str]:
    torch.manual_seed(0)
    network = Gated()
    trajectory, _ = train(network, folder)
    table = grasp_psonet.trace(
        network, trajectory, TRAINING, QUERIES, formula="adam", unit="visit", parameters=["inner.*"]
    )
    return table["score"].to_numpy(), table.attrs["coverage"]


def test_a_registered_rule_takes_the_place_of_the_slow_way(tmp_path: Path) -> None:
    slow, covered = scores(tmp_path / "slow")
    assert "expanded 5" in covered
    grasp_psonet.register_layer_rule(Gate, gate)
    fast, covered = scores(tmp_path / "fast")
    assert "gate 5" in covered
    assert "local_vjp" not in covered
    assert np.abs(slow).max() > 1e-4
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12)


def test_a_wrong_rule_is_seen_and_not_used(tmp_path: Path) -> None:
    slow, _ = scores(tmp_path / "slow")
    grasp_psonet.register_layer_rule(Gate, upside_down)
    found, covered = scores(tmp_path / "wrong")
    assert "local_vjp 5" in covered
    assert "upside_down" not in covered
    np.testing.assert_allclose(found, slow, rtol=1e-9, atol=1e-12)


def test_a_rule_is_registered_once_and_for_a_forward() -> None:
    with pytest.raises(TraceError, match="the forward of Linear has the rule linear already"):
        grasp_psonet.register_layer_rule(nn.Linear, gate)
    with pytest.raises(TraceError, match="Module has no forward"):
        grasp_psonet.register_layer_rule(nn.Module, gate)
