"""The training loop: planned steps, validation after each epoch, the best epoch kept, everything recorded, resumable."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grasp_psonet.bags.bag import Bag
from grasp_psonet.evidence.evaluate import auc_of_split
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.training.settings import TrainSettings
from grasp_psonet.trajectory.adam import AdamState, learning_rate
from grasp_psonet.trajectory.anchors import anchor_path, anchor_steps, load_weights, read_anchor, write_anchor
from grasp_psonet.trajectory.records import epoch_file, recorded_epochs, step_rows
from grasp_psonet.trajectory.replay import Rebuild
from grasp_psonet.trajectory.step import train_step

log = logging.getLogger("grasp_psonet")


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its trajectory while it is made."""

    folder: Path

    @property
    def anchors(self) -> Path:
        return self.folder / "anchors"

    @property
    def records(self) -> Path:
        return self.folder / "steps"

    @property
    def epochs(self) -> Path:
        return self.folder / "epochs.parquet"


def presence_digest(bags: dict[str, Bag]) -> str:
    """Names which photos of which visits are present."""
    text = "\n".join(
        f"{photo_id} {int(present)}"
        for _, bag in sorted(bags.items())
        for photo_id, present in zip(bag.photo_ids, bag.is_present, strict=True)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fit(
    network: BagNetwork,
    plan: pd.DataFrame,
    rebuild: Rebuild,
    val_bags: list[Bag],
    settings: TrainSettings,
    run: RunFolder,
    after_epoch: Callable[[int, int], None],
) -> pd.DataFrame:
    """Trains along the plan and leaves anchors, step records and the epochs table in the run's folder.

    An interrupted run goes on after its last anchor and ends with the same bytes. The kept epoch has the highest
    validation micro AUC (the earliest of equals); where that is not estimable, the lowest validation loss, and the log
    says so. ``after_epoch(done, total)`` is told of progress. Returns the epochs table; the network holds the kept weights.
    """
    run.anchors.mkdir(exist_ok=True)
    run.records.mkdir(exist_ok=True)
    digest = presence_digest(rebuild.bags)
    num_steps = int(plan["step"].max())
    epochs, state = _resume(network, run)
    device = next(network.parameters()).device
    for epoch in range(len(epochs) + 1, settings.epochs + 1):
        rows = []
        for _, draws in plan[plan["epoch"] == epoch].groupby("step"):
            lr = learning_rate(settings.optimizer, state.step + 1, num_steps)
            batch = rebuild.batch(draws, device)
            outcome = train_step(network, batch, state, settings.optimizer, lr)
            rows.append(step_rows(draws, batch.label_B.tolist(), outcome, lr, network.outcome.output_columns))
        records = pd.concat(rows, ignore_index=True)
        predictions, _ = predict_bags(network, val_bags, rebuild.pixels)
        auc = auc_of_split(predictions.assign(split="val"), network.outcome)
        epochs.append(
            {
                "epoch": epoch,
                "step": state.step,
                "lr": lr,
                "train_loss": float(records["loss"].mean()),
                "val_loss": float(predictions["loss"].mean()),
                "val_auc": float("nan") if auc is None else auc,
            }
        )
        if epoch == 1 and auc is None:
            log.warning(
                "validation lacks a class: its AUC is not estimable; the epoch of lowest validation loss is kept"
            )
        records.to_parquet(epoch_file(run.records, epoch), index=False)
        _write_epochs(run, epochs)
        write_anchor(run.anchors, network, state, epoch, lr, digest)
        _drop_anchors(run, epochs, settings.anchor_every)
        after_epoch(epoch, settings.epochs)
    _drop_anchors(run, epochs, settings.anchor_every)
    load_weights(network, read_anchor(anchor_path(run.anchors, kept_step(epochs)), device))
    return _epochs_table(epochs)


def kept_step(epochs: list[dict[str, float]]) -> int:
    """The step after which the kept weights stood."""
    return int(_kept(epochs)["step"])


def _kept(epochs: list[dict[str, float]]) -> dict[str, float]:
    if any(pd.isna(row["val_auc"]) for row in epochs):
        return min(epochs, key=lambda row: (row["val_loss"], row["epoch"]))
    return max(epochs, key=lambda row: (row["val_auc"], -row["epoch"]))


def _epochs_table(epochs: list[dict[str, float]]) -> pd.DataFrame:
    table = pd.DataFrame(epochs).astype({"epoch": int, "step": int})
    return table.assign(kept=table["step"] == kept_step(epochs))


def _write_epochs(run: RunFolder, epochs: list[dict[str, float]]) -> None:
    partial = run.epochs.with_suffix(".partial")
    _epochs_table(epochs).to_parquet(partial, index=False)
    partial.replace(run.epochs)


def _drop_anchors(run: RunFolder, epochs: list[dict[str, float]], every: int) -> None:
    """Keeps the anchors of every ``every``-th epoch, of the kept epoch and of the last one (from which a run resumes)."""
    wanted = {int(row["step"]) for row in epochs if row["epoch"] % every == 0}
    wanted |= {kept_step(epochs), int(epochs[-1]["step"])}
    for step in anchor_steps(run.anchors):
        if step not in wanted:
            anchor_path(run.anchors, step).unlink()


def _resume(network: BagNetwork, run: RunFolder) -> tuple[list[dict[str, float]], AdamState]:
    """The epochs done so far and the state after them; the network gets their weights. Later leftovers are deleted."""
    rows: list[dict[str, float]] = []
    if run.epochs.exists():
        rows = pd.read_parquet(run.epochs).drop(columns="kept").to_dict("records")  # type: ignore[assignment]  # named columns
    anchored, recorded = set(anchor_steps(run.anchors)), set(recorded_epochs(run.records))
    while rows and (rows[-1]["step"] not in anchored or not set(range(1, len(rows) + 1)) <= recorded):
        rows.pop()
    for epoch in recorded:
        if epoch > len(rows):
            epoch_file(run.records, epoch).unlink()
    for step in anchored:
        if not rows or step > rows[-1]["step"]:
            anchor_path(run.anchors, step).unlink()
    device = next(network.parameters()).device
    if not rows:
        return [], AdamState.at_start({name: p.detach() for name, p in network.named_parameters()})
    anchor = read_anchor(anchor_path(run.anchors, int(rows[-1]["step"])), device)
    load_weights(network, anchor)
    log.info("going on after epoch %d, step %d", anchor.epoch, anchor.step)
    return rows, AdamState(anchor.state.exp_avg, anchor.state.exp_avg_sq, anchor.step)
