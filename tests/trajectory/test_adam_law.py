"""The Adam law against torch's own optimizers."""

from itertools import pairwise

import pytest
import torch

from grasp_psonet.trajectory.adam import AdamState, clip_coefficient, learning_rate, optimizer_step, preconditioner
from grasp_psonet.trajectory.law import Phase
from grasp_psonet.trajectory.settings import OptimizerSettings


@pytest.mark.parametrize("kind", ["adam", "adamw"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_bitwise_those_of_torch(kind: str, weight_decay: float) -> None:
    settings = OptimizerSettings(kind=kind, lr=1e-2, betas=(0.8, 0.95), weight_decay=weight_decay)
    torch.manual_seed(0)
    weight = torch.randn(5, 3)
    theirs = weight.clone().requires_grad_()
    made = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    optimizer = made([theirs], lr=1e-2, betas=(0.8, 0.95), weight_decay=weight_decay, foreach=False)
    ours = {"w": weight.clone()}
    state = AdamState.at_start(ours)
    for _ in range(7):
        gradient = torch.randn(5, 3)
        theirs.grad = gradient.clone()
        optimizer.step()
        optimizer_step(ours, {"w": gradient}, state, Phase(settings), {"w": 1e-2})
    assert torch.equal(ours["w"], theirs.detach())
    assert not torch.allclose(ours["w"], weight, atol=1e-3), "nothing moved: the comparison would prove nothing"
    assert torch.equal(state.exp_avg_sq["w"], optimizer.state[theirs]["exp_avg_sq"])


def test_preconditioner_is_the_divisor_of_the_step() -> None:
    settings = OptimizerSettings(lr=1e-2, weight_decay=0.0)
    weights = {"w": torch.tensor([1.0, -2.0], dtype=torch.float64)}
    state = AdamState.at_start(weights)
    before = weights["w"].clone()
    optimizer_step(weights, {"w": torch.tensor([0.3, -0.01], dtype=torch.float64)}, state, Phase(settings), {"w": 1e-2})
    unbiased = state.exp_avg["w"] / (1 - 0.9**1)
    expected = before - 1e-2 * preconditioner(state.exp_avg_sq["w"], 1, settings) * unbiased
    torch.testing.assert_close(weights["w"], expected, rtol=1e-14, atol=0)


def test_clipping_is_torchs() -> None:
    gradient = torch.tensor([3.0, 4.0], requires_grad=True)
    gradient.grad = torch.tensor([3.0, 4.0])
    torch.nn.utils.clip_grad_norm_([gradient], 2.0)
    torch.testing.assert_close(
        torch.tensor([3.0, 4.0]) * clip_coefficient(torch.tensor(5.0), 2.0), gradient.grad, rtol=0, atol=0
    )
    assert clip_coefficient(torch.tensor(1.0), 2.0) == 1.0
    assert clip_coefficient(torch.tensor(1.0), None) == 1.0


def test_schedule_warms_up_then_falls_to_nearly_zero() -> None:
    settings = OptimizerSettings(lr=1.0, schedule="cosine", warmup_steps=4)
    rates = [learning_rate(settings, step, 20) for step in range(1, 21)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0
    assert all(a > b for a, b in pairwise(rates[4:]))
    assert rates[-1] < 0.02
