"""Recording someone else's training loop: anchors and draws, in the files that tracing reads."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from grasp_psonet.errors import StageError, TraceError
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import anchor_steps, write_anchor
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trajectory import Trajectory

STEPS, FACTS = "steps.parquet", "recording.json"
SAME_FOR_ALL = ("lr", "betas", "eps", "weight_decay")


def record(
    network: nn.Module, optimizer: torch.optim.Optimizer, folder: str | Path, anchor_every: int = 10
) -> "Recorder":
    """Watches a training loop with ``torch.optim.Adam`` or ``AdamW``, from its first step on::

        with grasp_psonet.record(network, optimizer, "trajectory", anchor_every=20) as recorder:
            for bag_ids, photos, mask, labels in batches:
                recorder.draw(bag_ids)
                optimizer.zero_grad()
                cross_entropy(network(photos, mask), labels).backward()
                optimizer.step()

    The loss of a step must be the mean over its draws; a bag drawn twice is named twice. An anchor is written every so many
    steps and after the last. Raises TraceError for an optimizer whose steps are not Adam's, and StageError where the folder
    already holds a recording.
    """
    return Recorder(network, optimizer, Path(folder), anchor_every)


def read_recording(folder: str | Path, kept_step: int | None = None) -> Trajectory:
    """What a recorder left in this folder; ``kept_step`` as in ``Recorder.trajectory``. Raises StageError if unfinished."""
    folder = Path(folder)
    if not (folder / FACTS).is_file():
        raise StageError(f"{folder} holds no finished recording\n  next: record a training (grasp_psonet.record)")
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    facts["betas"] = tuple(facts["betas"])
    return _trajectory(folder, pd.read_parquet(folder / STEPS), OptimizerSettings(**facts), kept_step)


class Recorder:
    """A recording under way; made by ``record``."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, folder: Path, anchor_every: int) -> None:
        self.network, self.optimizer, self.folder, self.anchor_every = network, optimizer, folder, anchor_every
        self.settings = _settings_of(optimizer)
        self.num_steps = 0
        self._drawn: list[str] = []
        self._rows: list[pd.DataFrame] = []
        self._versions: dict[str, int] = {}
        self._hook: RemovableHandle | None = None
        _refuse_strangers(network, optimizer)
        if anchor_every < 1:
            raise TraceError(f"anchor_every is {anchor_every}; wanted: at least 1 step")
        if anchor_steps(folder / "anchors") or (folder / FACTS).exists():
            raise StageError(f"{folder} already holds a recording\n  next: choose another folder, or delete this one")

    def __enter__(self) -> Self:
        (self.folder / "anchors").mkdir(parents=True, exist_ok=True)
        self._hook = self.optimizer.register_step_post_hook(self._after_step)
        return self

    def draw(self, bag_ids: Iterable[str | int]) -> None:
        """Names the bags of the step to come, each as often as it is drawn; calls before one step add up."""
        self._drawn += [str(bag_id) for bag_id in bag_ids]

    def trajectory(self, kept_step: int | None = None) -> Trajectory:
        """The trajectory up to ``kept_step``: the step after which the weights that predict stood (default: the last)."""
        return read_recording(self.folder, kept_step)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self._hook is not None
        self._hook.remove()
        if error is not None:
            return
        if not self.num_steps:
            raise TraceError("no step was recorded\n  next: run the training loop inside the recorder's with block")
        if self.num_steps % self.anchor_every:
            self._write_last_anchor()
        steps, facts = self.folder / STEPS, self.folder / FACTS
        pd.concat(self._rows, ignore_index=True).to_parquet(steps, index=False)
        told = {name: getattr(self.settings, name) for name in ("kind", "lr", "betas", "eps", "weight_decay")}
        partial = facts.with_suffix(".partial")
        partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        partial.replace(facts)

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.num_steps += 1
        if not self._drawn:
            raise TraceError(
                f"step {self.num_steps} was taken without its draws\n  next: call recorder.draw(bag ids) before each step"
            )
        lr = float(optimizer.param_groups[0]["lr"])
        if replace(_settings_of(optimizer), lr=self.settings.lr) != self.settings:
            raise TraceError(
                f"betas, eps or weight decay changed at step {self.num_steps}; only lr may change in training"
            )
        self._rows.append(pd.DataFrame({"step": self.num_steps, "visit_id": self._drawn, "lr": lr}))
        self._drawn = []
        self._versions = {name: weight._version for name, weight in self.network.named_parameters()}
        if self.num_steps % self.anchor_every == 0:
            self._write_anchor(lr)

    def _write_last_anchor(self) -> None:
        changed = [name for name, w in self.network.named_parameters() if w._version != self._versions.get(name)]
        if changed:
            raise TraceError(
                f"the weights changed after the last step ({self.num_steps}), first {changed[0]}: its anchor is lost\n"
                "  next: load other weights only after the recorder's with block"
            )
        self._write_anchor(float(self._rows[-1]["lr"].iloc[0]))

    def _write_anchor(self, lr: float) -> None:
        state = _moments(self.network, self.optimizer, self.num_steps)
        write_anchor(self.folder / "anchors", self.network, state, 0, lr, "as recorded")


def _moments(network: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int) -> AdamState:
    """Adam's moments by parameter name; parameters that were never stepped have none."""
    exp_avg: dict[str, Tensor] = {}
    exp_avg_sq: dict[str, Tensor] = {}
    odd = []
    for name, weight in network.named_parameters():
        moments = optimizer.state.get(weight)
        if not moments:
            continue
        if int(moments["step"]) != num_steps:
            odd.append(f"{name} ({int(moments['step'])})")
        exp_avg[name], exp_avg_sq[name] = moments["exp_avg"], moments["exp_avg_sq"]
    if odd:
        raise TraceError(
            f"after {num_steps} recorded steps the optimizer counts another number for {len(odd)} parameters: "
            f"{', '.join(odd[:3])}\n  next: record from the first step on, with a gradient for every trained parameter"
        )
    return AdamState(exp_avg, exp_avg_sq, num_steps)


def _settings_of(optimizer: torch.optim.Optimizer) -> OptimizerSettings:
    """The optimizer's law. Raises TraceError where it is not the one that tracing knows."""
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
        "adamw" if decoupled else "adam", lr, betas, float(first["eps"]), float(first["weight_decay"])
    )


def _refuse_strangers(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    own = {id(weight) for weight in network.parameters()}
    strangers = sum(id(weight) not in own for group in optimizer.param_groups for weight in group["params"])
    if strangers:
        raise TraceError(
            f"{strangers} parameters of the optimizer are not in the network\n  next: record the module that holds them all"
        )
    if optimizer.state:
        raise TraceError("the optimizer has taken steps before\n  next: record a training from its first step on")


def _trajectory(folder: Path, steps: pd.DataFrame, settings: OptimizerSettings, kept_step: int | None) -> Trajectory:
    last = int(steps["step"].max())
    if kept_step is not None and not 1 <= kept_step <= last:
        raise TraceError(f"kept_step is {kept_step}; the recording holds steps 1 to {last}")
    return Trajectory(folder / "anchors", steps, last if kept_step is None else kept_step, settings)
