"""The training loop: planned steps taken one after the other, each with all that is recorded of it."""

# Axes: B draws of a step, C classes (in logits).

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from grasp_psonet.bags.source import BatchSource
from grasp_psonet.network.loss import whole_labels
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.tables.columns import EPOCH, STEP
from grasp_psonet.trajectory.adam import AdamState, learning_rate
from grasp_psonet.trajectory.anchors import Anchor, anchor_of
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.records import StepRecord, step_rows
from grasp_psonet.trajectory.step import StepResult, train_step


@dataclass(frozen=True)
class RecordedStep:
    """One step as it was taken: its draws (rows of the plan), their labels, and what it saw before it changed the weights.

    ``state`` is the optimizer's after the step. It and the network's weights are the training's own: the next step changes
    them in place, so that a step is written down before the next is asked for.
    """

    step: int
    epoch: int
    lr: float
    draws: pd.DataFrame
    label_B: Tensor
    result: StepResult
    state: AdamState
    ends_epoch: bool
    output_columns: Sequence[str]
    phase: str | None = None  # its name, where training has several

    def rows(self) -> pd.DataFrame:
        """The step's rows of ``steps.parquet``, one per draw."""
        return rows_of([self])

    def anchor(self, network: BagNetwork, presence_digest: str = "") -> Anchor:
        """The anchor after this step, to be written before the next step is taken."""
        return anchor_of(network, self.state, self.epoch, self.lr, presence_digest)


def rows_of(steps: Sequence[RecordedStep]) -> pd.DataFrame:
    """The rows of ``steps.parquet`` of these steps of one phase, one per draw."""
    first = steps[0]
    records = [StepRecord(step.draws, whole_labels(step.label_B).tolist(), step.result, step.lr) for step in steps]
    rows = step_rows(records, first.output_columns)
    return rows if first.phase is None else rows.assign(phase=first.phase)


def recorded_steps(
    network: BagNetwork, plan: pd.DataFrame, source: BatchSource, law: AdamLaw, state: AdamState
) -> Iterator[RecordedStep]:
    """Takes the steps of the plan that come after ``state`` and yields each, the network holding the weights after it.

    ``plan`` is the whole batch plan, also when a training goes on from an anchor: the learning rate follows its length, in
    each phase that of the phase.
    Weights and ``state`` change in place.
    """
    device = next(network.parameters()).device
    num_steps = int(plan[STEP].max())
    last_steps = set(plan.groupby(EPOCH)[STEP].max())
    for _, draws in plan[plan[STEP] > state.step].groupby(STEP):
        phase = law.at(state.step + 1)
        lr = learning_rate(phase.settings, phase.age(state.step + 1), law.num_steps(phase, num_steps))
        batch = source.batch(draws, device)
        result = train_step(network, batch, state, law, lr)
        epoch = int(draws[EPOCH].iloc[0])
        yield RecordedStep(
            state.step,
            epoch,
            lr,
            draws,
            batch.label_B,
            result,
            state,
            ends_epoch=state.step in last_steps,
            output_columns=network.outcome.output_columns,
            phase=phase.name if len(law.phases) > 1 else None,
        )
