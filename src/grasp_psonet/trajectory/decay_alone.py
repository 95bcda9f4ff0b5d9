"""Coordinates that weight decay alone has moved: no step so far had a gradient of the loss there.

With coupled decay (Adam's L2) their second moment is that of the decay, tiny and not 0, so that moments do not tell them from
others. Training is repeated without any loss, which costs a few elementwise operations a step; where weights, decay and rates
alone give the moments that were recorded, nothing else was there.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from grasp_psonet.trajectory.adam import AdamState, optimizer_step
from grasp_psonet.trajectory.anchors import Anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.records import rates_of
from grasp_psonet.trajectory.trajectory import Trajectory

SAME = (
    1e-5  # of a moment, relative: the rounding of another order of operations is below, any gradient that counts above
)

Masks = dict[str, Tensor]


def decays_into_moments(law: AdamLaw) -> bool:
    """Whether weight decay enters second moments somewhere in this training."""
    return any(
        phase.rule.has_second_moment
        and phase.settings.kind != "adamw"
        and (phase.settings.weight_decay > 0 or any(group.weight_decay > 0 for group in phase.groups))
        for phase in law.phases
    )


def decay_alone(trajectory: Trajectory, start: Anchor, steps: Sequence[int]) -> dict[int, Masks]:
    """By anchor (``steps``, rising) and parameter, where no step up to it had a gradient of the loss; only parameters that
    have such coordinates. ``start`` is the anchor before step 1.
    """
    law, device = trajectory.optimizer, next(iter(start.weights.values())).device
    names = [name for name in start.state.exp_avg if name in start.weights]
    weights = {name: start.weights[name].clone() for name in names}
    state, masks = start.state.copy(), {name: torch.ones_like(weights[name], dtype=torch.bool) for name in names}
    found: dict[int, Masks] = {}
    for before, until in zip([0, *steps[:-1]], steps, strict=True):
        for draws in trajectory.draws_of_steps(before, until):
            _step_of_decay(weights, state, law, rates_of(draws, law.at(state.step + 1), weights.keys()))
        anchor = trajectory.read(until, device)
        masks = {name: mask & _is_same(state, anchor.state, name) for name, mask in masks.items()}
        masks = {name: mask for name, mask in masks.items() if bool(mask.any())}
        weights = {name: weights[name] for name in masks}  # the others need not be followed any further
        found[until] = masks
    return found


def _step_of_decay(weights: dict[str, Tensor], state: AdamState, law: AdamLaw, rates: Mapping[str, float]) -> None:
    phase = law.at(state.step + 1)
    if phase.begins_after(state.step):
        state.forget()
    optimizer_step(weights, {name: torch.zeros_like(weight) for name, weight in weights.items()}, state, phase, rates)


def _is_same(ours: AdamState, theirs: AdamState, name: str) -> Tensor:
    if name not in theirs.exp_avg or name not in theirs.exp_avg_sq:
        return torch.zeros_like(ours.exp_avg[name], dtype=torch.bool)
    return _is_close(ours.exp_avg[name], theirs.exp_avg[name]) & _is_close(
        ours.exp_avg_sq[name], theirs.exp_avg_sq[name]
    )


def _is_close(ours: Tensor, theirs: Tensor) -> Tensor:
    return (ours - theirs).abs() <= SAME * theirs.abs()
