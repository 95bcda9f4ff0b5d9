"""Recording someone else's training loop: start, anchors and draws, in the files that tracing reads."""

# Axes: B draws of a step, C classes (in logits).

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from grasp_psonet.errors import StageError, TraceError
from grasp_psonet.files import write_json
from grasp_psonet.tables.columns import CLIPPED_NORM, DRAW, EPOCH, LR, PADDED_TO, STEP, VISIT_ID
from grasp_psonet.tables.schemas.runs import STEPS
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import ANCHORS, anchor_of, anchor_steps, write_anchor
from grasp_psonet.trajectory.any_loop.recording import AUTOCAST, FACTS, LOGIT, REFUSED, START, read_recording
from grasp_psonet.trajectory.any_loop.torch_optimizer import (
    group_rates,
    groups_of,
    moments_of,
    norm_of,
    refuse_other_ratios,
    refuse_strangers,
    rule_of,
    settings_of,
    stepped_parameters,
)
from grasp_psonet.trajectory.law import AdamLaw, ParameterGroup, Phase, facts_of
from grasp_psonet.trajectory.pending import PendingStep, Returned
from grasp_psonet.trajectory.records import STEPS_FILE
from grasp_psonet.trajectory.trajectory import Trajectory

log = logging.getLogger("grasp_psonet")

DIGEST = "as recorded"
TOLD = (
    "kind",
    "lr",
    "betas",
    "eps",
    "weight_decay",
    "clip_norm",
    "groups",
    "rule",
    "phases",
)  # a loop's schedule is in its step records


def record(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    folder: str | Path,
    anchor_every: int = 10,
    *,
    clip_norm: float | None = None,
) -> "Recorder":
    """Watches a training loop with ``torch.optim.Adam``, ``AdamW``, ``NAdam``, ``RAdam`` or ``SGD``, from its first step on::

        with grasp_psonet.record(network, optimizer, "trajectory", anchor_every=20) as recorder:
            for bag_ids, photos, mask, labels in batches:
                recorder.draw(bag_ids)
                optimizer.zero_grad()
                cross_entropy(network(photos, mask), labels).backward()
                optimizer.step()

    The loss of a step must be the mean over its draws; a bag drawn twice is named twice. An anchor is written every so many
    steps and after the last. A loop that clips says so: ``clip_norm`` is the ``max_norm`` of its ``clip_grad_norm_``. The
    logits that ``network`` returns in a step are kept, in the order of its draws, so that a trace may replay it.

    The optimizer's parameter groups may have learning rates and weight decays of their own (timm's no decay on biases and
    norms, layer-wise rates); the ratio of their learning rates stays the same over the recording.

    Parameters that are frozen at first (``requires_grad`` False, but given to the optimizer) may begin to move at any step.

    A step that the loop skips (a gradient scaler that met an overflow) is none, and what it drew does not count. What
    cannot be recorded later (betas that change, parameters added midway, a step without its draws) never
    stops the loop: the log says so, training goes on, and the recording refuses to be read.

    Raises TraceError for an optimizer whose steps follow no law that is known here (it says which), and StageError where
    the folder already holds a recording.
    """
    return Recorder(network, optimizer, Path(folder), anchor_every, clip_norm)


class Recorder:
    """A recording under way; made by ``record``."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        folder: Path,
        anchor_every: int,
        clip_norm: float | None,
    ) -> None:
        self.network, self.optimizer, self.folder, self.anchor_every = network, optimizer, folder, anchor_every
        self.settings = settings_of(optimizer, clip_norm)
        self.rule = rule_of(optimizer)
        self.num_steps = 0
        self._rates: list[tuple[float, ...]] = []  # of each step, by parameter group
        self._pending = PendingStep()
        self._fault: str | None = None  # why the recording stopped; training goes on
        self._rows: list[pd.DataFrame] = []
        self._versions: dict[str, int] = {}
        self._began: dict[str, int] = {}  # the step after which each parameter began to move
        self._last: AdamState | None = None  # of plain SGD: what its last step took, which it does not keep itself
        self._autocast: str | None = None  # the precision of a loop under torch.autocast
        self._hooks: list[RemovableHandle] = []
        refuse_strangers(network, optimizer)
        self._groups = self._groups_at([1.0] * len(optimizer.param_groups))
        if anchor_every < 1:
            raise TraceError(f"anchor_every is {anchor_every}; wanted: at least 1 step")
        if anchor_steps(folder / ANCHORS) or (folder / FACTS).exists():
            raise StageError(f"{folder} already holds a recording\n  next: choose another folder, or delete this one")

    def __enter__(self) -> Self:
        for name in (ANCHORS, START):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

        def saw(module: nn.Module, inputs: Sequence[Any], output: Any) -> None:
            # a plain function, so that a copy of the network in the loop does not copy the recorder
            if module is self.network and isinstance(output, Tensor) and output.requires_grad:
                self._pending.return_logits(output.detach(), inputs[0] if inputs else None)
                if torch.is_autocast_enabled(output.device.type):
                    self._autocast = str(torch.get_autocast_dtype(output.device.type)).removeprefix("torch.")

        def before_gradient(_: Tensor) -> None:
            self._pending.backward(self._has_no_gradient)

        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        self._hooks = [
            *(weight.register_hook(before_gradient) for weight in weights if weight.requires_grad),
            self.optimizer.register_step_pre_hook(self._before_step),
            self.optimizer.register_step_post_hook(self._after_step),
            self.network.register_forward_hook(saw),
        ]
        return self

    def draw(self, bag_ids: Iterable[str | int]) -> None:
        """Names the bags of the step to come, each as often as it is drawn; calls before one step add up."""
        self._pending.draw(str(bag_id) for bag_id in bag_ids)

    def trajectory(self, kept_step: int | None = None) -> Trajectory:
        """The trajectory up to ``kept_step``: the step after which the weights that predict stood (default: the last)."""
        return read_recording(self.folder, kept_step)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()
        if error is not None:
            return
        if not self.num_steps and self._fault is None:
            raise TraceError("no step was recorded\n  next: run the training loop inside the recorder's with block")
        if self._fault is None and self.num_steps % self.anchor_every:
            self._do(self._write_last_anchor)
        if self._fault is not None:
            write_json(self.folder / FACTS, {REFUSED: self._fault})
            return
        if self._pending.num_skipped:
            log.info("  %d steps were skipped by the loop; what they drew does not count", self._pending.num_skipped)
        STEPS.write(self._records(), self.folder / STEPS_FILE)
        told = facts_of(self._law())
        facts = {name: told[name] for name in TOLD if name in told}
        write_json(self.folder / FACTS, facts | ({AUTOCAST: self._autocast} if self._autocast else {}), sort_keys=False)

    def _do(self, work: Callable[[], None]) -> None:
        """Does a piece of recording; where it cannot be done, says so and stops recording: training is never stopped."""
        try:
            work()
        except TraceError as fault:
            self._fault = str(fault)
            log.warning("  recording stopped, training goes on; this recording cannot be traced: %s", fault)

    def _has_no_gradient(self) -> bool:
        gradients = [weight.grad for group in self.optimizer.param_groups for weight in group["params"]]
        return not any(gradient is not None and bool(gradient.any()) for gradient in gradients)

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if not self.num_steps:
            write_anchor(self.folder / START, anchor_of(self.network, AdamState({}, {}, 0), presence_digest=DIGEST))
        stepped = stepped_parameters(self.network, optimizer)
        if self._fault is None and self.num_steps and stepped - self._began.keys():  # some were frozen until now
            self._do(self._write_last_anchor)
        self._began = dict.fromkeys(stepped, self.num_steps) | self._began

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if self._fault is None and bool(getattr(optimizer, "found_inf", 0)):  # a fused step that met an overflow
            self._pending.forget()
            self._pending.num_skipped += 1
        elif self._fault is None:
            self._do(partial(self._record_step, optimizer))

    def _record_step(self, optimizer: torch.optim.Optimizer) -> None:
        drawn, returned = self._pending.take()
        self.num_steps += 1
        if not drawn:
            raise TraceError(
                f"step {self.num_steps} was taken without its draws\n  next: call recorder.draw(bag ids) before each step"
            )
        self._refuse_other_law(optimizer)
        if not self.rule.has_second_moment and not self.rule.momentum:
            self._last = moments_of(self.network, optimizer, self.num_steps, self._began)
        self._rates.append(group_rates(optimizer))
        refuse_other_ratios(self._first_rates, self._rates[-1], self.num_steps)
        lr = self._rates[-1][self._first_rates.index(max(self._first_rates))]
        self._rows.append(self._rows_of_step(drawn, lr, norm_of(optimizer)).join(_logits(returned, len(drawn))))
        self._versions = {name: weight._version for name, weight in self.network.named_parameters()}
        if self.num_steps == 1:
            self._write_anchor(lr, START)  # what shows which loss was followed
        if self.num_steps % self.anchor_every == 0:
            self._write_anchor(lr)

    def _refuse_other_law(self, optimizer: torch.optim.Optimizer) -> None:
        """Raises TraceError where this step follows another law than the first, or moves other parameters."""
        groups = self._groups_at([1.0] * len(optimizer.param_groups))
        now = replace(settings_of(optimizer, self.settings.clip_norm), lr=self.settings.lr)
        if now != self.settings or rule_of(optimizer) != self.rule or groups != self._groups:
            changed = "betas, eps" if self.rule.has_second_moment else "momentum, dampening"
            raise TraceError(
                f"{changed}, weight decay or the parameters of a group changed at step {self.num_steps}; only lr may change "
                "in training\n  next: keep them; to unfreeze midway, give the optimizer every parameter from the start, and "
                "freeze by requires_grad"
            )
        lost = self._began.keys() - stepped_parameters(self.network, optimizer)
        if lost and not self.rule.has_second_moment:  # the others count steps by parameter
            raise TraceError(
                f"step {self.num_steps} leaves {len(lost)} parameters without a gradient that moved before (first: "
                f"{min(lost)})\n  next: a gradient for every trained parameter in every step"
            )

    def _rows_of_step(self, drawn: Sequence[str], lr: float, clipped_norm: float) -> pd.DataFrame:
        """The step's rows of the records (``records``); the loop as a whole counts as one epoch."""
        first = sum(map(len, self._rows))
        draws = {
            STEP: self.num_steps,
            EPOCH: 1,
            DRAW: range(first, first + len(drawn)),
            VISIT_ID: drawn,
            LR: lr,
            CLIPPED_NORM: clipped_norm,
        }
        return pd.DataFrame(draws)

    @property
    def _first_rates(self) -> tuple[float, ...]:
        """Learning rates by group in the first step that has any; equal ones before that."""
        return next((rates for rates in self._rates if max(rates)), (1.0,) * len(self._groups))

    def _groups_at(self, rates: Sequence[float]) -> tuple[ParameterGroup, ...]:
        return groups_of(self.network, self.optimizer, rates)

    def _law(self) -> AdamLaw:
        """The law of the steps so far; groups are named where they differ."""
        groups = self._groups_at(self._first_rates)
        same = len({(group.lr_scale, group.weight_decay) for group in groups}) == 1
        own = () if same else groups
        starts = sorted({0, *self._began.values()})
        if len(starts) == 1:
            return AdamLaw.of(self.settings, own, self.rule)
        return AdamLaw(tuple(self._phase(at, after, own) for at, after in enumerate(starts, start=1)))

    def _phase(self, at: int, after: int, groups: tuple[ParameterGroup, ...]) -> Phase:
        """The steps from where some parameters began to move to where the next did."""
        standing = frozenset(name for name, start in self._began.items() if start > after)
        earlier = {name: start for name, start in self._began.items() if start < after}
        return Phase(self.settings, groups, standing, after, f"stage {at}", self.rule, earlier)

    def _records(self) -> pd.DataFrame:
        """All rows; with the learning rate of each group where they differ."""
        rows = pd.concat(self._rows, ignore_index=True)
        padded_to = rows.pop(PADDED_TO).fillna(0).astype("int64") if PADDED_TO in rows else 0
        rows.insert(list(rows.columns).index(CLIPPED_NORM) + 1, PADDED_TO, padded_to)
        if len(set(self._first_rates)) == 1:
            return rows
        by_step = pd.DataFrame(self._rates).add_prefix(f"{LR}_")
        return rows.join(by_step.iloc[rows[STEP] - 1].reset_index(drop=True))

    def _write_last_anchor(self) -> None:
        changed = [name for name, w in self.network.named_parameters() if w._version != self._versions.get(name)]
        if changed:
            raise TraceError(
                f"the weights changed after the last step ({self.num_steps}), first {changed[0]}: its anchor is lost\n"
                "  next: load other weights only after the recorder's with block"
            )
        self._write_anchor(float(self._rows[-1][LR].iloc[0]))

    def _write_anchor(self, lr: float, folder: str = ANCHORS) -> None:
        state = self._last or moments_of(self.network, self.optimizer, self.num_steps, self._began)
        write_anchor(self.folder / folder, anchor_of(self.network, state, lr=lr, presence_digest=DIGEST))


def _logits(returned: list[Returned], num_draws: int) -> pd.DataFrame:
    """What the network returned for the draws, one row each, and how their bags were padded; no columns where it did not
    return one row a draw."""
    index = range(num_draws)
    outputs = [logits for logits, _ in returned]
    shapes = {tuple(output.shape[1:]) for output in outputs}
    if sum(len(output) if output.ndim else 0 for output in outputs) != num_draws or len(shapes) != 1:
        return pd.DataFrame(index=index)
    padded_to = [length for logits, length in returned for _ in range(len(logits))]
    return _columns_of(torch.cat(outputs), index).assign(**{PADDED_TO: padded_to})


def _columns_of(logits_B: Tensor, index: range) -> pd.DataFrame:
    if logits_B.dtype not in (torch.float32, torch.float64):
        logits_B = logits_B.float()
    if logits_B.ndim == 1:
        return pd.DataFrame({LOGIT: logits_B.cpu().numpy()}, index=index)
    if logits_B.ndim == 2 and logits_B.shape[1]:
        columns = [f"{LOGIT}_{c}" for c in range(logits_B.shape[1])]
        return pd.DataFrame(logits_B.cpu().numpy(), columns=columns, index=index)
    return pd.DataFrame(index=index)
