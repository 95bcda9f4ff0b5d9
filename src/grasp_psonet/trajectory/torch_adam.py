"""What ``torch.optim.Adam`` and ``AdamW`` say of themselves: their law, and their moments by parameter name."""

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.tables.columns import STEP
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.settings import OptimizerSettings

SAME_FOR_ALL = ("lr", "betas", "eps", "weight_decay")


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
    """The optimizer's law, with the clipping that the loop does itself. Raises TraceError where tracing does not know it."""
    if not isinstance(optimizer, torch.optim.Adam):  # AdamW is one, too
        raise TraceError(
            f"the optimizer is {type(optimizer).__name__}; recorded trajectories are those of torch.optim.Adam and AdamW"
        )
    first = optimizer.param_groups[0]
    odd = [name for name in ("amsgrad", "maximize") if any(group[name] for group in optimizer.param_groups)]
    differing = [name for name in SAME_FOR_ALL if any(group[name] != first[name] for group in optimizer.param_groups)]
    if odd or differing:
        raise TraceError(
            "the optimizer's steps cannot be traced: "
            + "; ".join(
                [f"{name} is on" for name in odd] + [f"{name} differs between its groups" for name in differing]
            )
        )
    decoupled = isinstance(optimizer, torch.optim.AdamW) or first.get("decoupled_weight_decay", False)
    betas = (float(first["betas"][0]), float(first["betas"][1]))
    lr = max(
        float(first["lr"]), float(first.get("initial_lr", 0.0)), torch.finfo(torch.float64).tiny
    )  # warm-ups start at 0
    return OptimizerSettings(
        "adamw" if decoupled else "adam",
        lr,
        betas,
        float(first["eps"]),
        float(first["weight_decay"]),
        clip_norm=clip_norm,
    )


def refuse_strangers(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Raises TraceError where the optimizer moves what the network does not hold, or has taken steps before."""
    own = {id(weight) for weight in network.parameters()}
    strangers = sum(id(weight) not in own for group in optimizer.param_groups for weight in group["params"])
    if strangers:
        raise TraceError(
            f"{strangers} parameters of the optimizer are not in the network\n  next: record the module that holds them all"
        )
    if optimizer.state:
        raise TraceError("the optimizer has taken steps before\n  next: record a training from its first step on")
