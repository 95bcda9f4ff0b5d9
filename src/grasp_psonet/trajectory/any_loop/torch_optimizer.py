"""What torch's optimizers say of themselves: their law, and their moments by parameter name.

``SUPPORTED`` are those whose steps are functions of single coordinates with a derivative; ``WHY_NOT`` says it of others.
"""

# Axes: G parameter groups of the optimizer; W the shape of a parameter.

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.tables.columns import LR, STEP
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.law import ParameterGroup
from grasp_psonet.trajectory.rule import Rule
from grasp_psonet.trajectory.settings import OptimizerSettings

SUPPORTED: tuple[type[torch.optim.Optimizer], ...] = (
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.SGD,
)
WHY_NOT: Mapping[str, str] = {
    "Lion": "its step is a sign, whose derivative is 0 wherever it has one: to first order no photo moves anything",
    "LBFGS": "a step calls the loss several times, and its draws are no draws of one step",
    "Muon": "its step mixes the coordinates of a matrix",
}
SAME_FOR_ALL = (
    "betas",
    "eps",
    "decoupled_weight_decay",
    "amsgrad",
    "momentum",
    "dampening",
    "nesterov",
    "momentum_decay",
)
RATIO_TOLERANCE = 1e-6  # schedules round each group's learning rate by itself


def moments_of(
    network: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int, began: Mapping[str, int]
) -> AdamState:
    """The optimizer's moments by parameter name; parameters that were never stepped have none.

    ``began``: the step after which each parameter began to move. Raises TraceError where one has stood still since.
    """
    if isinstance(optimizer, torch.optim.SGD):
        return AdamState(_buffers_of(network, optimizer), {}, num_steps)
    state = AdamState({}, {}, num_steps)
    odd = []
    for name, weight in network.named_parameters():
        moments = optimizer.state.get(weight)
        if not moments:
            continue
        if int(moments[STEP]) != num_steps - began.get(name, 0):
            odd.append(f"{name} ({int(moments[STEP])})")
        for kind, found in state.moments.items():
            if kind in moments:
                found[name] = moments[kind]
    if odd:
        raise TraceError(
            f"after {num_steps} recorded steps the optimizer counts another number for {len(odd)} parameters: "
            f"{', '.join(odd[:3])}\n  next: record from the first step on, with a gradient for every trained parameter"
        )
    return state


def _buffers_of(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """SGD's momentum buffers; without momentum what the last step took, decay included, from the weights after it."""
    group_of = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    found = {}
    for name, weight in network.named_parameters():
        group = group_of.get(id(weight))
        if group is None or weight.grad is None:
            continue
        if group["momentum"]:
            if (buffer := optimizer.state.get(weight, {}).get("momentum_buffer")) is not None:
                found[name] = buffer
            continue
        gradient, decay = weight.grad / _grad_scale(optimizer), float(group["weight_decay"])
        before = (weight.detach() + float(group["lr"]) * gradient) / (1 - float(group["lr"]) * decay)
        found[name] = gradient + decay * before
    return found


def _grad_scale(optimizer: torch.optim.Optimizer) -> float:
    """What the gradients of a fused step are still multiplied with, which divides by it itself."""
    scale = getattr(optimizer, "grad_scale", None)
    return 1.0 if scale is None else float(scale)


def norm_of(optimizer: torch.optim.Optimizer) -> float:
    """Norm of the gradient that the step took: after clipping."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    norms = [torch.linalg.vector_norm(weight.grad) for weight in weights if weight.grad is not None]
    return float(torch.linalg.vector_norm(torch.stack(norms))) / _grad_scale(optimizer) if norms else 0.0


def stepped_parameters(network: nn.Module, optimizer: torch.optim.Optimizer) -> frozenset[str]:
    """Names of the parameters that a step moves: the optimizer's that have a gradient."""
    given = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    return frozenset(
        name for name, weight in network.named_parameters() if id(weight) in given and weight.grad is not None
    )


def settings_of(optimizer: torch.optim.Optimizer, clip_norm: float | None) -> OptimizerSettings:
    """The optimizer's settings, with the clipping that the loop does itself: the largest lr, the first group's weight decay.

    Betas and eps of an optimizer that has none are those of Adam, and mean nothing. Raises TraceError where tracing does not
    know its law.
    """
    _refuse_unknown_law(optimizer)
    first = optimizer.param_groups[0]
    decoupled = isinstance(optimizer, torch.optim.AdamW) or first.get("decoupled_weight_decay", False)
    betas, eps = first.get("betas", OptimizerSettings.betas), first.get("eps", OptimizerSettings.eps)
    peaks = [float(group[name]) for group in optimizer.param_groups for name in ("lr", "initial_lr") if name in group]
    lr = max(*peaks, torch.finfo(torch.float64).tiny)  # warm-ups start at 0
    return OptimizerSettings(
        "adamw" if decoupled else "adam",
        lr,
        (float(betas[0]), float(betas[1])),
        float(eps),
        float(first["weight_decay"]),
        clip_norm=clip_norm,
    )


def rule_of(optimizer: torch.optim.Optimizer) -> Rule:
    """The update rule of a supported optimizer."""
    first = optimizer.param_groups[0]
    if isinstance(optimizer, torch.optim.SGD):
        return Rule("sgd", float(first["momentum"]), float(first["dampening"]), bool(first["nesterov"]))
    if isinstance(optimizer, torch.optim.NAdam):
        return Rule("nadam", momentum_decay=float(first["momentum_decay"]))
    if isinstance(optimizer, torch.optim.RAdam):
        return Rule("radam")
    return Rule("amsgrad" if first["amsgrad"] else "adam")


def _refuse_unknown_law(optimizer: torch.optim.Optimizer) -> None:
    if not isinstance(optimizer, SUPPORTED):
        name = type(optimizer).__name__
        why = f": {WHY_NOT[name]}" if name in WHY_NOT else ""
        raise TraceError(
            f"the optimizer is {name}{why}; recorded trajectories are those of torch.optim."
            f"{', '.join(kind.__name__ for kind in SUPPORTED)}\n  next: train with one of these"
        )
    first, groups = optimizer.param_groups[0], optimizer.param_groups
    odd = ["maximize is on"] if any(group.get("maximize", False) for group in groups) else []
    odd += [
        f"{name} differs between its groups"
        for name in SAME_FOR_ALL
        if any(group.get(name) != first.get(name) for group in groups)
    ]
    if odd:
        raise TraceError(
            f"the optimizer's steps cannot be traced: {'; '.join(odd)}\n"
            "  next: give all groups the same, and minimize; lr and weight_decay may differ"
        )


def group_rates(optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    """The present learning rate of each parameter group [G]."""
    return tuple(float(group[LR]) for group in optimizer.param_groups)


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
