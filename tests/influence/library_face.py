"""What a recorded loop may do, and what is refused: the cases of ``test_library_face`` and the table in docs/your-network.md.

``python -m tests.influence.library_face`` writes the table anew; the test fails where it differs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

PAGE = Path(__file__).parents[2] / "docs" / "your-network.md"
START, END = "<!-- face: written by tests/influence/library_face.py -->", "<!-- end of face -->"
SMOOTH = {"betas": (0.8, 0.9), "eps": 2e-2}
Hook = Callable[
    [nn.Module, torch.optim.Optimizer, int], None
]  # network, optimizer and step (from 1), before it is taken


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, as far as a step of it goes; known to the tests alone."""

    def __init__(self, params: Any, lr: float = 1e-4, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, _: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.sub_(weight.grad.sign(), alpha=group["lr"])


@dataclass(frozen=True)
class Traced:
    """A loop that is traced: ``unrolled`` is minus the derivative of the same loop, by finite differences."""

    words: str
    kind: Callable[..., Any] = torch.optim.Adam
    settings: Mapping[str, Any] = field(default_factory=dict)
    clip_norm: float | None = None
    before_step: Hook | None = None
    has_groups: bool = False


@dataclass(frozen=True)
class Refused:
    """A loop, or a network, that is refused: with which words the message begins, and what the table says of it."""

    words: str
    told: str
    why: str
    next: str
    kind: Callable[..., Any] = torch.optim.Adam
    settings: Mapping[str, Any] = field(default_factory=dict)
    before_step: Hook | None = None
    given: Callable[[nn.Module], nn.Module] = lambda network: network
    asked: Mapping[str, Any] = field(default_factory=dict)


def unfreeze(network: nn.Module, _: torch.optim.Optimizer, step: int) -> None:
    """The first layer stands until step 3."""
    for weight in network.get_submodule("inner").parameters():
        weight.requires_grad_(step >= 3)


def _other_betas(_: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    optimizer.param_groups[0]["betas"] = (0.9 - 0.01 * step, 0.999)


def _other_momentum(_: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    optimizer.param_groups[0]["momentum"] = 0.9 - 0.01 * step


def _added(_: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    weights = optimizer.param_groups[0]["params"]
    if step == 1:
        optimizer.param_groups[0]["params"] = weights[:-2]
        optimizer.param_groups[0]["kept"] = weights[-2:]
    if step == 3:
        optimizer.add_param_group({"params": optimizer.param_groups[0]["kept"]})


TRACED = [
    Traced("`Adam`, clipped", settings={**SMOOTH, "weight_decay": 0.1}, clip_norm=0.6),
    Traced("`AdamW`", torch.optim.AdamW, {**SMOOTH, "weight_decay": 0.1}),
    Traced("`Adam` with `amsgrad`", settings={**SMOOTH, "amsgrad": True}),
    Traced("`AdamW` with `amsgrad`, clipped", torch.optim.AdamW, {**SMOOTH, "amsgrad": True}, clip_norm=0.6),
    Traced("`NAdam`", torch.optim.NAdam, {**SMOOTH, "weight_decay": 0.1}),
    Traced(
        "`NAdam` with decoupled decay, clipped",
        torch.optim.NAdam,
        {**SMOOTH, "weight_decay": 0.1, "decoupled_weight_decay": True},
        clip_norm=0.6,
    ),
    Traced("`RAdam`, clipped", torch.optim.RAdam, {**SMOOTH, "weight_decay": 0.1}, clip_norm=0.6),
    Traced("`SGD`, clipped", torch.optim.SGD, {"weight_decay": 0.1}, clip_norm=0.6),
    Traced("`SGD` with momentum", torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    Traced("`SGD` with momentum and dampening", torch.optim.SGD, {"momentum": 0.8, "dampening": 0.3}),
    Traced(
        "`SGD` with Nesterov's momentum, clipped", torch.optim.SGD, {"momentum": 0.8, "nesterov": True}, clip_norm=0.6
    ),
    Traced("groups with rates and decays of their own", torch.optim.SGD, {"momentum": 0.9}, has_groups=True),
    Traced("layers unfrozen midway (`requires_grad`)", settings=SMOOTH, before_step=unfreeze),
    Traced("layers unfrozen midway, `SGD`", torch.optim.SGD, {"weight_decay": 0.1}, before_step=unfreeze),
    Traced("layers unfrozen midway, `SGD` with momentum", torch.optim.SGD, {"momentum": 0.9}, before_step=unfreeze),
]

REFUSED = [
    Refused(
        "`Lion`",
        "the optimizer is Lion: its step is a sign",
        "a sign has derivative 0 wherever it has one: to first order no photo moves anything",
        "train with an optimizer above",
        Lion,
    ),
    Refused(
        "any other optimizer (`RMSprop`, `Adagrad`, ...)",
        "the optimizer is RMSprop; recorded trajectories are those of",
        "its law is not known here",
        "train with an optimizer above",
        torch.optim.RMSprop,
    ),
    Refused(
        "`maximize`",
        "the optimizer's steps cannot be traced: maximize is on",
        "signs would turn",
        "minimize",
        settings={"maximize": True},
    ),
    Refused(
        "betas that change (`OneCycleLR` of Adam)",
        "betas, eps, weight decay or the parameters of a group changed at step 1",
        "one law for all steps",
        "`OneCycleLR(..., cycle_momentum=False)`",
        before_step=_other_betas,
    ),
    Refused(
        "momentum that changes (`OneCycleLR` of SGD)",
        "momentum, dampening, weight decay or the parameters of a group changed at step 1",
        "one law for all steps",
        "`OneCycleLR(..., cycle_momentum=False)`",
        torch.optim.SGD,
        {"momentum": 0.9},
        before_step=_other_momentum,
    ),
    Refused(
        "parameters added midway (`add_param_group`)",
        "betas, eps, weight decay or the parameters of a group changed at step",
        "groups are those of the first step",
        "give all from the start and freeze by `requires_grad`",
        before_step=_added,
    ),
    Refused(
        "an average of weights (`AveragedModel`) in place of the network",
        "the network is an average of weights",
        "scores are of the weights that the optimizer moved",
        "give the recorded module; another average is traced at the recorded weights, and a caveat says so",
        given=AveragedModel,
    ),
    Refused(
        "formula `adam` or `paper` after `SGD`",
        "formula adam reads the second moment of the gradients, and training by sgd keeps none",
        "SGD has no second moment",
        "`sgd`, `cosine`, `adam-step` or `unrolled`",
        torch.optim.SGD,
        asked={"formula": "adam"},
    ),
]


def table() -> str:
    """The table between the marks of the page."""
    rows = ["| the loop | traced | why, and what to do |", "|---|---|---|"]
    rows += [f"| {case.words} | yes |  |" for case in TRACED]
    rows += [f"| {case.words} | refused | {case.why}; {case.next} |" for case in REFUSED]
    return "\n".join(rows)


def main() -> None:
    """Writes the table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    PAGE.write_text(f"{before}{START}\n\n{table()}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
