"""What ``torch.optim.Adam`` and ``AdamW`` say of themselves: their law, and their moments by parameter name."""

# Axes: G parameter groups of the optimizer.

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.tables.columns import STEP
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.law import ParameterGroup
from grasp_psonet.trajectory.settings import OptimizerSettings

SAME_FOR_ALL = ("betas", "eps", "decoupled_weight_decay")
RATIO_TOLERANCE = 1e-6  # schedules round each group's learning rate by itself


def moments_of(network: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int) -> AdamState:
    """Adam's moments by parameter name; parameters that were never stepped have none."""
    exp_avg: dict[str, Tensor] = {}
    exp_avg_sq: dict[str, Tensor] = {}
    odd = []
    for name, weight in network.named_parameters():
        moments = optimizer.state.get(weight)
        if not moments:
            continue
        if int(moments[STEP]) != num_steps:
            odd.append(f"{name} ({int(moments[STEP])})")
        exp_avg[name], exp_avg_sq[name] = moments["exp_avg"], moments["exp_avg_sq"]
    if odd:
        raise TraceError(
            f"after {num_steps} recorded steps the optimizer counts another number for {len(odd)} parameters: "
            f"{', '.join(odd[:3])}\n  next: record from the first step on, with a gradient for every trained parameter"
        )
    return AdamState(exp_avg, exp_avg_sq, num_steps)


def settings_of(optimizer: torch.optim.Optimizer, clip_norm: float | None) -> OptimizerSettings:
    """The optimizer's settings, with the clipping that the loop does itself: the largest lr, the first group's weight decay.

    Raises TraceError where tracing does not know its law.
    """
    if not isinstance(optimizer, torch.optim.Adam):  # AdamW is one, too
        raise TraceError(
            f"the optimizer is {type(optimizer).__name__}; recorded trajectories are those of torch.optim.Adam and AdamW"
        )
    first = optimizer.param_groups[0]
    odd = [name for name in ("amsgrad", "maximize") if any(group[name] for group in optimizer.param_groups)]
    differing = [
        name for name in SAME_FOR_ALL if any(group.get(name) != first.get(name) for group in optimizer.param_groups)
    ]
    if odd or differing:
        raise TraceError(
            "the optimizer's steps cannot be traced: "
            + "; ".join(
                [f"{name} is on" for name in odd] + [f"{name} differs between its groups" for name in differing]
            )
            + "\n  next: give all groups the same; lr and weight_decay may differ"
        )
    decoupled = isinstance(optimizer, torch.optim.AdamW) or first.get("decoupled_weight_decay", False)
    betas = (float(first["betas"][0]), float(first["betas"][1]))
    peaks = [float(group[name]) for group in optimizer.param_groups for name in ("lr", "initial_lr") if name in group]
    lr = max(*peaks, torch.finfo(torch.float64).tiny)  # warm-ups start at 0
    return OptimizerSettings(
        "adamw" if decoupled else "adam",
        lr,
        betas,
        float(first["eps"]),
        float(first["weight_decay"]),
        clip_norm=clip_norm,
    )


def group_rates(optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    """The present learning rate of each parameter group [G]."""
    return tuple(float(group["lr"]) for group in optimizer.param_groups)


def groups_of(
    network: nn.Module, optimizer: torch.optim.Optimizer, rates_G: Sequence[float]
) -> tuple[ParameterGroup, ...]:
    """The optimizer's groups by parameter name, each at its part of the largest of these learning rates.

    Raises TraceError where the optimizer moves what the network does not hold.
    """
    _refuse_unknown(network, optimizer)
    largest, name_of = max(rates_G), {id(weight): name for name, weight in network.named_parameters()}
    return tuple(
        ParameterGroup(
            frozenset(name_of[id(weight)] for weight in group["params"]),
            rate / largest if largest else 1.0,
            float(group["weight_decay"]),
        )
        for group, rate in zip(optimizer.param_groups, rates_G, strict=True)
    )


def refuse_other_ratios(at_first_G: Sequence[float], now_G: Sequence[float], step: int) -> None:
    """Raises TraceError naming step and groups where the learning rates stand to each other otherwise than at first."""
    largest = at_first_G.index(max(at_first_G))
    for at, (first, now) in enumerate(zip(at_first_G, now_G, strict=True)):
        wanted = now_G[largest] * first / at_first_G[largest]
        if abs(now - wanted) > RATIO_TOLERANCE * max(now, wanted):
            raise TraceError(
                f"at step {step} the learning rates of parameter groups {largest} and {at} are {now_G[largest]:.6g} and "
                f"{now:.6g}; at first they were {at_first_G[largest]:.6g} and {first:.6g}\n"
                "  next: schedule all groups by the same factor, so that their ratio stays, or record each stage by itself"
            )


def refuse_strangers(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Raises TraceError where the optimizer moves what the network does not hold, or has taken steps before."""
    _refuse_unknown(network, optimizer)
    if optimizer.state:
        raise TraceError("the optimizer has taken steps before\n  next: record a training from its first step on")


def _refuse_unknown(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    own = {id(weight) for weight in network.parameters()}
    strangers = sum(id(weight) not in own for group in optimizer.param_groups for weight in group["params"])
    if strangers:
        raise TraceError(
            f"{strangers} parameters of the optimizer are not in the network\n  next: record the module that holds them all"
        )
