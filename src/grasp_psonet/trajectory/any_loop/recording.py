"""Reading what a recorder left: the trajectory, the start of training, and the losses of its draws."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from grasp_psonet.errors import StageError, TraceError
from grasp_psonet.network.loss import Loss
from grasp_psonet.network.network import visit_loss
from grasp_psonet.tables.columns import STEP, VISIT_ID
from grasp_psonet.tables.schemas.runs import STEPS
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import ANCHORS, Anchor, anchor_path, anchor_steps, read_anchor
from grasp_psonet.trajectory.law import AdamLaw, law_of_facts
from grasp_psonet.trajectory.records import STEPS_FILE
from grasp_psonet.trajectory.trajectory import Trajectory

FACTS, START = "recording.json", "start"
REFUSED = "refused"  # among the facts: why the recording stopped before the training did
AUTOCAST = "autocast"  # among the facts: the precision of a loop under torch.autocast
LOGIT = "logit"  # column of the one logit a bag of two classes; of several: logit_0, logit_1, ...
MOST_TOLD = 12  # steps named in one message


def read_trajectory(folder: Path, law: AdamLaw, kept_step: int | None = None) -> Trajectory:
    """What a training left in this folder, a run of a study or a recorded loop; ``kept_step`` by default the last.

    Raises StageError where step records are missing or damaged, and TraceError for a kept step without an anchor.
    """
    steps = STEPS.read(folder / STEPS_FILE)
    last = int(steps[STEP].max())
    if kept_step is not None and not 1 <= kept_step <= last:
        raise TraceError(f"kept_step is {kept_step}; the recording holds steps 1 to {last}")
    kept = last if kept_step is None else kept_step
    _refuse_without_anchor(folder / ANCHORS, kept)
    return Trajectory(folder / ANCHORS, steps, kept, law)


def read_recording(folder: str | Path, kept_step: int | None = None) -> Trajectory:
    """What a recorder left in this folder; ``kept_step`` as in ``Recorder.trajectory``.

    Raises StageError if it is unfinished, and TraceError for a kept step without an anchor, and where the recording stopped
    for something in the loop that cannot be traced.
    """
    folder = Path(folder)
    if not (folder / FACTS).is_file():
        raise StageError(f"{folder} holds no finished recording\n  next: record a training (grasp_psonet.record)")
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if REFUSED in facts:
        raise TraceError(f"{folder} cannot be traced, for its recording stopped: {facts[REFUSED]}")
    autocast = facts.pop(AUTOCAST, None)
    return replace(read_trajectory(folder, law_of_facts(facts), kept_step), autocast=autocast)


def _refuse_without_anchor(anchors: Path, kept_step: int) -> None:
    """Raises TraceError where no anchor holds the weights after the kept step: the steps up to it would not all count."""
    have = anchor_steps(anchors)
    if kept_step not in have:
        near = sorted(sorted(have, key=lambda step: abs(step - kept_step))[:MOST_TOLD])
        raise TraceError(
            f"kept_step is {kept_step}, and the recording has no anchor of that step; it has {len(have)}, "
            f"{'nearest ' * (len(near) < len(have))}at steps {', '.join(map(str, near))}\n"
            "  next: keep one of those, or record with a smaller anchor_every"
        )


def read_start(trajectory: Trajectory, device: torch.device) -> Anchor:
    """The anchor before step 1, moments 0 for the parameters that training moved. Raises TraceError if none was kept."""
    path = anchor_path(trajectory.anchors.parent / START, 0)
    if not path.is_file():
        raise TraceError(
            f"{path} is missing: replay begins at the weights before step 1\n"
            "  next: record the training again (grasp_psonet.record), or trace with counting checkpoints"
        )
    start = read_anchor(path, device)
    moved = trajectory.read(trajectory.windows()[0][1], device).state.exp_avg
    return replace(start, state=AdamState.at_start({name: start.weights[name] for name in moved}))


def read_after_first_step(trajectory: Trajectory, device: torch.device) -> Anchor | None:
    """The anchor after step 1, which every recording keeps beside its start; None in older ones."""
    path = anchor_path(trajectory.anchors.parent / START, 1)
    return read_anchor(path, device) if path.is_file() else None


def with_losses(trajectory: Trajectory, labels: Mapping[str, int | float], loss: Loss | None = None) -> Trajectory:
    """The trajectory up to its kept step with the loss (None: cross-entropy) of each draw, from its outputs and these labels.

    Raises TraceError where a drawn bag has no label here, and where a step holds no logits of its draws.
    """
    steps = trajectory.steps[trajectory.steps[STEP] <= trajectory.kept_step]
    drawn = steps[VISIT_ID].astype(str)
    if lacking := sorted(set(drawn) - labels.keys()):
        raise TraceError(
            f"replay needs every bag that was drawn; {len(lacking)} of {drawn.nunique()} are not among the training bags "
            f"(first: {lacking[0]})\n  next: give them all, or trace with counting checkpoints"
        )
    columns = [name for name in map(str, steps.columns) if name == LOGIT or name.startswith(f"{LOGIT}_")]
    is_complete = steps[columns].notna().all(axis=1) if columns else pd.Series(False, index=steps.index)
    if not is_complete.all():
        raise TraceError(
            f"step {steps[STEP][~is_complete].iloc[0]} holds no logits of its draws, and replay has nothing to be compared "
            "with\n  next: in every step call the recorded module itself, once on each bag drawn and in the order of draw(), "
            "and let it return finite logits alone; or trace with counting checkpoints"
        )
    logits = torch.from_numpy(steps[columns].to_numpy(copy=True))
    label_B = torch.tensor([labels[visit_id] for visit_id in drawn])
    if loss is not None:
        loss_B = loss(logits[:, 0] if columns == [LOGIT] else logits, label_B)
    else:
        loss_B = visit_loss(
            torch.cat([torch.zeros_like(logits), logits], dim=1) if columns == [LOGIT] else logits, label_B
        )
    return replace(trajectory, steps=steps.assign(visit_id=drawn, loss=loss_B.numpy()))
