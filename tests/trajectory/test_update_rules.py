"""Update rules beside Adam's against torch's own optimizers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from grasp_psonet.errors import SettingsError
from grasp_psonet.trajectory.adam import AdamState, optimizer_step, step_metric
from grasp_psonet.trajectory.any_loop.torch_optimizer import rule_of, settings_of
from grasp_psonet.trajectory.law import AdamLaw, Phase, facts_of, law_of_facts
from grasp_psonet.trajectory.rule_step import step_derivatives, update
from grasp_psonet.trajectory.settings import OptimizerSettings

LR, NUM_STEPS = 1e-2, 12
MADE: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (torch.optim.SGD, {}),
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.4}),
    (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (torch.optim.NAdam, {"betas": (0.8, 0.95)}),
    (torch.optim.NAdam, {"betas": (0.8, 0.95), "momentum_decay": 0.02, "decoupled_weight_decay": True}),
    (torch.optim.RAdam, {"betas": (0.8, 0.9)}),  # divides by the second moment from step 6 on
    (torch.optim.RAdam, {"betas": (0.8, 0.9), "decoupled_weight_decay": True}),
    (torch.optim.Adam, {"betas": (0.8, 0.6), "amsgrad": True}),
    (torch.optim.AdamW, {"betas": (0.8, 0.6), "amsgrad": True}),
]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("kind", "settings"), MADE)
def test_steps_are_those_of_torch(kind: Callable[..., Any], settings: dict[str, Any], weight_decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, dtype=torch.float64, generator=generator)
    theirs = weight.clone().requires_grad_()
    optimizer = kind([theirs], lr=LR, weight_decay=weight_decay, foreach=False, **settings)
    phase = Phase(settings_of(optimizer, None), rule=rule_of(optimizer))
    ours = {"w": weight.clone()}
    state = AdamState.at_start(ours)
    for step in range(NUM_STEPS):
        gradient = torch.randn(5, 3, dtype=torch.float64, generator=generator) / (1 + step)
        theirs.grad = gradient.clone()
        optimizer.step()
        optimizer_step(ours, {"w": gradient}, state, phase, {"w": LR})
        torch.testing.assert_close(ours["w"], theirs.detach(), rtol=1e-13, atol=1e-15)
    assert not torch.allclose(ours["w"], weight, atol=1e-3), "nothing moved: the comparison would prove nothing"
    for name, moment in state.of_rule(phase.rule.name, "w").items():
        if name in optimizer.state[theirs]:
            torch.testing.assert_close(moment, optimizer.state[theirs][name], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("kind", "settings"), MADE)
def test_a_law_is_read_back_as_it_was_written(kind: Callable[..., Any], settings: dict[str, Any]) -> None:
    optimizer = kind([torch.zeros(1, requires_grad=True)], lr=LR, **settings)
    law = AdamLaw.of(settings_of(optimizer, 0.5), rule=rule_of(optimizer))
    assert law_of_facts(facts_of(law)) == law
    assert law != AdamLaw.of(law.settings)


def test_an_unknown_rule_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="update rule is 'lion'; wanted: one of adam, amsgrad, nadam, radam, sgd"):
        law_of_facts({**facts_of(AdamLaw.of(OptimizerSettings())), "rule": {"name": "lion"}})


@pytest.mark.parametrize(("kind", "settings"), MADE)
def test_derivatives_are_finite_where_no_gradient_was_ever_seen(
    kind: Callable[..., Any], settings: dict[str, Any]
) -> None:
    optimizer = kind([torch.zeros(1, requires_grad=True)], lr=LR, **settings)
    phase = Phase(settings_of(optimizer, None), rule=rule_of(optimizer))
    zeros = AdamState.at_start({"w": torch.zeros(2, dtype=torch.float64)}, 7)
    zeros.max_exp_avg_sq["w"] = torch.zeros(2, dtype=torch.float64)
    found = step_derivatives(torch.zeros(2, dtype=torch.float64), zeros.of_rule(phase.rule.name, "w"), phase, 8)
    for diagonal in (found.step_by_gradient, *found.step_by_moment.values(), *found.moment_by_moment.values()):
        assert diagonal.isfinite().all()
    assert (found.step_by_gradient > 0).all()


def test_the_metric_divides_the_first_moment_in_the_step() -> None:
    """Of every rule whose step is its first moment over the metric; NAdam mixes in the gradient."""
    for kind, settings in MADE:
        optimizer = kind([torch.zeros(1, requires_grad=True)], lr=LR, **settings)
        phase = Phase(settings_of(optimizer, None), rule=rule_of(optimizer))
        if phase.rule.name in ("sgd", "nadam"):
            continue
        start = AdamState.at_start({"w": torch.zeros(2, dtype=torch.float64)}, 0)
        made, after = update(
            torch.tensor([0.3, -2.0], dtype=torch.float64), start.of_rule(phase.rule.name, "w"), phase, 1
        )
        state = AdamState(*({"w": after[name]} for name in ("exp_avg", "exp_avg_sq")), 1)
        state.max_exp_avg_sq["w"] = after.get("max_exp_avg_sq", after["exp_avg_sq"])
        unbiased = after["exp_avg"] / (1 - phase.settings.betas[0])
        torch.testing.assert_close(made, step_metric(state, "w", phase) * unbiased, rtol=1e-12, atol=0)
