"""The training loop: planned steps, validation after each epoch, the best epoch kept, everything recorded, resumable."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from grasp_psonet.bags.bag import Bag
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.evaluate import figure_of_split
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.tables.columns import EPOCH, KEPT, LOSS, LR, STEP, TRAIN_LOSS, VAL_LOSS, val_column
from grasp_psonet.tables.schemas.runs import EPOCHS, STEPS
from grasp_psonet.training.law import training_law
from grasp_psonet.training.predict import epoch_predictions
from grasp_psonet.training.settings import TrainSettings
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import (
    ANCHORS,
    anchor_path,
    anchor_steps,
    load_weights,
    read_anchor,
    trained_weights_of,
    write_anchor,
)
from grasp_psonet.trajectory.law import AdamLaw, write_law
from grasp_psonet.trajectory.loop import RecordedStep, recorded_steps, rows_of
from grasp_psonet.trajectory.records import epochs_file, recorded_epochs

log = logging.getLogger("grasp_psonet")

SAVE_EVERY_S = 5.0  # of training that an interruption may lose; on features an epoch takes less than its files


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its trajectory while it is made."""

    folder: Path

    @property
    def anchors(self) -> Path:
        return self.folder / ANCHORS

    @property
    def records(self) -> Path:
        return self.folder / "steps"

    @property
    def epochs(self) -> Path:
        return self.folder / "epochs.parquet"


def presence_digest(bags: Mapping[str, Bag]) -> str:
    """Names which photos of which visits are present."""
    text = "\n".join(
        f"{photo_id} {int(present)}"
        for _, bag in sorted(bags.items())
        for photo_id, present in zip(bag.photo_ids, bag.is_present, strict=True)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class PlannedTraining:
    """What a training learns from: its batch plan, the source of its batches, and the bags that choose the epoch to keep.

    A source is asked for the batch of a step's draws, which name their epoch: it may read the probe's epochs otherwise.
    """

    plan: pd.DataFrame
    source: BatchSource
    val_bags: Sequence[Bag]


@dataclass(frozen=True)
class EpochChoice:
    """Which epoch's weights are the run's: ``keep`` as in ``TrainSettings``."""

    keep: Literal["best", "last"]
    outcome: Outcome

    @property
    def column(self) -> str:
        """The column of the figure that chooses."""
        return val_column(figures_of(self.outcome).choosing)

    def kept_step(self, epochs: list[dict[str, float]]) -> int:
        """The step after which the kept weights stood, among the epochs done so far."""
        if self.keep == "last":
            return int(epochs[-1][STEP])
        if self._is_not_estimable(epochs):
            return int(min(epochs, key=lambda row: (row[VAL_LOSS], row[EPOCH]))[STEP])
        sign = figures_of(self.outcome).chooser.sign
        return int(max(epochs, key=lambda row: (sign * row[self.column], -row[EPOCH]))[STEP])

    def table(self, epochs: list[dict[str, float]]) -> pd.DataFrame:
        """The epochs table."""
        table = pd.DataFrame(epochs).astype({EPOCH: int, STEP: int})
        return table.assign(kept=table[STEP] == self.kept_step(epochs))

    def warn(self, epochs: list[dict[str, float]]) -> None:
        """Says in the log where the figure that should choose is not estimable."""
        if self.keep == "best" and self._is_not_estimable(epochs):
            figures = figures_of(self.outcome)
            told = "%s: its %s is not estimable; the epoch of lowest validation loss is kept"
            log.warning(told, figures.lacks, figures.chooser.word)

    def _is_not_estimable(self, epochs: list[dict[str, float]]) -> bool:
        return any(math.isnan(row[self.column]) for row in epochs)

    def reason(self, epochs: pd.DataFrame) -> str:
        """What the choice went by, of the table of all epochs, in words."""
        if self.keep == "last":
            return "the last epoch (train.keep)"
        if epochs[self.column].isna().any():
            return "validation loss"
        return f"validation {figures_of(self.outcome).chooser.full}"


def fit(
    network: BagNetwork,
    planned: PlannedTraining,
    settings: TrainSettings,
    run: RunFolder,
    after_epoch: Callable[[int, int], None],
) -> pd.DataFrame:
    """Trains along the plan and leaves the law, anchors, step records and the epochs table in the run's folder.

    An interrupted run goes on after its last anchor and ends with the same anchors, epochs and records to the bit; epochs that
    leave no anchor behind are saved together, every ``SAVE_EVERY_S`` seconds. The kept epoch has the best figure on
    validation (of classes: the highest micro AUC; the earliest of equals); where that is not estimable, the lowest validation
    loss, and the log says so. With ``settings.keep`` last it is the last epoch, and validation chooses nothing.
    ``after_epoch(done, total)`` is told of progress. Returns the epochs table; the network holds the kept weights.
    """
    run.anchors.mkdir(exist_ok=True)
    run.records.mkdir(exist_ok=True)
    law = training_law(network, settings, planned.plan)
    write_law(run.folder, law)
    digest = presence_digest(planned.source.bags)
    epochs, state = _resume(network, run)
    choice = EpochChoice(settings.keep, network.outcome)
    predicted_after = epoch_predictions(network, planned.val_bags, planned.source.pixels_in)
    of_epoch, unsaved, saved_at = [], {}, time.monotonic()
    for step in recorded_steps(network, planned.plan, planned.source, law, state):
        of_epoch.append(step)
        if not step.ends_epoch:
            continue
        unsaved[step.epoch], of_epoch = rows_of(of_epoch).reset_index(drop=True), []
        epochs = [*epochs, _epoch_row(step, unsaved[step.epoch], predicted_after(step.epoch), choice)]
        if step.epoch == 1:
            choice.warn(epochs)
        is_wanted = step.step in _wanted_anchors(epochs, choice, settings, law)
        if is_wanted or time.monotonic() - saved_at >= SAVE_EVERY_S:
            records = pd.concat(unsaved.values(), ignore_index=True)
            STEPS.write(records, epochs_file(run.records, min(unsaved), max(unsaved)))
            EPOCHS.write(choice.table(epochs), run.epochs)
            write_anchor(run.anchors, step.anchor(network, digest))
            _drop_anchors(run, epochs, choice, settings, law)
            unsaved, saved_at = {}, time.monotonic()
        after_epoch(step.epoch, settings.epochs)
    _drop_anchors(run, epochs, choice, settings, law)
    device = next(network.parameters()).device
    load_weights(network, read_anchor(anchor_path(run.anchors, choice.kept_step(epochs)), device))
    return choice.table(epochs)


def _epoch_row(
    step: RecordedStep, records: pd.DataFrame, predictions: pd.DataFrame, choice: EpochChoice
) -> dict[str, float]:
    """The row of the epochs table after the epoch's last step."""
    figure = figure_of_split(predictions.assign(split="val"), choice.outcome)
    return {
        EPOCH: step.epoch,
        STEP: step.step,
        LR: step.lr,
        TRAIN_LOSS: float(records[LOSS].mean()),
        VAL_LOSS: float(predictions[LOSS].mean()),
        choice.column: float("nan") if figure is None else figure,
    }


def _wanted_anchors(
    epochs: list[dict[str, float]], choice: EpochChoice, settings: TrainSettings, law: AdamLaw
) -> set[int]:
    """Steps of the anchors that stay, by the epochs done so far: of every ``anchor_every``-th epoch, of the last of all, of the
    one that is best so far, and those that end a phase: what is counted at an anchor are steps of one phase.
    """
    wanted = {int(row[STEP]) for row in epochs if row[EPOCH] % settings.anchor_every == 0}
    wanted |= {int(row[STEP]) for row in epochs if row[EPOCH] == settings.epochs}
    best = {choice.kept_step(epochs)} if choice.keep == "best" else set()
    return wanted | best | {phase.after for phase in law.phases}


def _drop_anchors(
    run: RunFolder, epochs: list[dict[str, float]], choice: EpochChoice, settings: TrainSettings, law: AdamLaw
) -> None:
    """Keeps the anchors that are wanted and the last one, from which a run resumes."""
    wanted = _wanted_anchors(epochs, choice, settings, law) | {int(epochs[-1][STEP])}
    for step in anchor_steps(run.anchors):
        if step not in wanted:
            anchor_path(run.anchors, step).unlink()


def _are_recorded(num_epochs: int, files: Iterable[range]) -> bool:
    """Whether files that hold no later epoch have the step records of all these."""
    held = {epoch for epochs in files if epochs[-1] <= num_epochs for epoch in epochs}
    return held == set(range(1, num_epochs + 1))


def _resume(network: BagNetwork, run: RunFolder) -> tuple[list[dict[str, float]], AdamState]:
    """The epochs done so far and the state after them; the network gets their weights. Later leftovers are deleted."""
    rows: list[dict[str, float]] = []
    if run.epochs.exists():
        rows = EPOCHS.read(run.epochs).drop(columns=KEPT).to_dict("records")  # type: ignore[assignment]  # named columns
    anchored, recorded = set(anchor_steps(run.anchors)), recorded_epochs(run.records)
    while rows and (rows[-1][STEP] not in anchored or not _are_recorded(len(rows), recorded.values())):
        rows.pop()
    for path, epochs in recorded.items():
        if epochs[-1] > len(rows):
            path.unlink()
    for step in anchored:
        if not rows or step > rows[-1][STEP]:
            anchor_path(run.anchors, step).unlink()
    device = next(network.parameters()).device
    if not rows:
        return [], AdamState.at_start(trained_weights_of(network))
    anchor = read_anchor(anchor_path(run.anchors, int(rows[-1][STEP])), device)
    load_weights(network, anchor)
    log.info("going on after epoch %d, step %d", anchor.epoch, anchor.step)
    return rows, AdamState(anchor.state.exp_avg, anchor.state.exp_avg_sq, anchor.step)
