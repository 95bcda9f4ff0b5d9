"""Step records, ``steps.parquet``: for every draw of every step its visit, logits and loss; for every step its lr and norm.

One schema for a run of a study and for a recorded loop that is not ours, one row per draw:

============  =========  ==========================================================================================
step          always     number of the optimizer step, from 1
epoch         always     number of the epoch, from 1; a recorded loop counts as one epoch
draw          always     number of the draw in its epoch, from 0
visit_id      always     the visit (bag) drawn
lr            always     learning rate of the step
logit_*       if seen    what the network returned for the draw before the step; of one output per bag: ``logit``
label         studies    class of the visit
loss          studies    cross-entropy of the draw before the step
grad_norm     studies    norm of the step's gradient before clipping
clipped_norm  recorded   norm of the step's gradient as the optimizer took it, after clipping
phase         if two     name of the phase (``law``) that the step is in
lr_*          recorded   learning rate of each parameter group by its number, where they differ; ``lr`` is the largest
============  =========  ==========================================================================================

A recorded loop does not tell its labels: whoever traces it gives them, and ``with_losses`` makes the losses from the logits.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from grasp_psonet.tables.columns import GRAD_NORM, LABEL, LOSS, LR, STEP, VISIT_ID
from grasp_psonet.trajectory.law import Phase
from grasp_psonet.trajectory.step import StepResult

STEPS_FILE = "steps.parquet"


class StepRecord(NamedTuple):
    """What is recorded of one step: its draws (rows of the batch plan), their labels, what it saw, its learning rate."""

    draws: pd.DataFrame
    labels: list[int] | list[float]
    result: StepResult
    lr: float


def step_rows(records: Sequence[StepRecord], output_columns: Sequence[str]) -> pd.DataFrame:
    """One row per draw of these steps, in their order; ``output_columns`` name the outputs.

    One table of many steps: on features computed once, a table of each would take longer than the steps.
    """
    num_draws = [len(one.labels) for one in records]
    logits_DC = np.concatenate([one.result.logits_BC.cpu().numpy() for one in records])
    seen = pd.DataFrame(
        {
            LABEL: [label for one in records for label in one.labels],
            LOSS: np.concatenate([one.result.loss_B.cpu().numpy() for one in records]),
            LR: np.repeat([one.lr for one in records], num_draws),
            GRAD_NORM: np.repeat([one.result.grad_norm for one in records], num_draws),
            **{name: logits_DC[:, c] for c, name in enumerate(output_columns)},
        }
    )
    draws = pd.concat([one.draws for one in records])
    return pd.concat([draws, seen.set_index(draws.index)], axis=1)


def rates_of(draws: pd.DataFrame, phase: Phase, names: Collection[str]) -> dict[str, float]:
    """The learning rate of each of these parameters in the step of these records, to the bit as the optimizer had it."""
    lr = float(draws[LR].iloc[0])
    own = {at: f"{LR}_{at}" for at in range(len(phase.groups))}
    if not own or not all(column in draws for column in own.values()):
        return phase.rates(names, lr)
    by_group = {at: float(draws[column].iloc[0]) for at, column in own.items()}
    return {name: by_group[phase.group_of[name]] if name in phase.group_of else lr for name in names}


def epochs_file(folder: Path, first: int, last: int) -> Path:
    """The file of the step records of these epochs."""
    return folder / f"epochs-{first:05d}-{last:05d}.parquet"


def recorded_epochs(folder: Path) -> dict[Path, range]:
    """The files of step records that were written, and the epochs in each, rising."""
    found = {}
    for path in sorted(folder.glob("epochs-*.parquet")):
        first, last = path.stem.removeprefix("epochs-").split("-")
        found[path] = range(int(first), int(last) + 1)
    return found


def visit_weights(steps: pd.DataFrame, after: int, until: int, divided: bool) -> dict[str, float]:
    """By visit: sum of ``lr_t n_t / b_t`` over the steps after ``after`` up to ``until`` (without ``/ b_t`` if not divided).

    ``n_t`` counts the visit's draws in step t and b_t all draws of that step. Visits not drawn are left out: they weigh
    exactly 0.
    """
    window = steps[(steps[STEP] > after) & (steps[STEP] <= until)]
    size = window.groupby(STEP)[VISIT_ID].transform("size") if divided else 1
    share = window[LR] / size
    return {str(visit_id): float(total) for visit_id, total in share.groupby(window[VISIT_ID]).sum().items()}


def even_weights(
    steps: pd.DataFrame, after: int, until: int, divided: bool, visit_ids: Collection[str]
) -> dict[str, float]:
    """The same sum shared out evenly: what each of these visits would weigh, had all been drawn equally often.

    It leaves out the chance of the draw: which visits training happened to see says nothing about which photos
    the next training should do without.
    """
    total = sum(visit_weights(steps, after, until, divided).values())
    return dict.fromkeys(visit_ids, total / len(visit_ids)) if visit_ids else {}
