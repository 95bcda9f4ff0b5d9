"""``grasp train`` and every retraining: one run, from the store and a keep list to trajectory and predictions."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.progress import progress
from grasp_psonet.stages.declared.needs import RetrainNeeds, TrainNeeds
from grasp_psonet.stages.names import Training
from grasp_psonet.stages.run import RunInputs, trained_on
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import EPOCH, KEPT, STEP, VAL_LOSS
from grasp_psonet.tables.schemas.runs import PHOTO_ATTENTION, PLAN, PREDICTIONS, STEPS
from grasp_psonet.training.fit import EpochChoice, PlannedTraining, RunFolder, fit
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.anchors import anchor_path, anchor_steps
from grasp_psonet.trajectory.machine import machine_note, use_machine
from grasp_psonet.trajectory.records import STEPS_FILE, epochs_file
from grasp_psonet.trajectory.step import trained_parameters


def make_run(
    folder: Path, own: TrainNeeds, study: Study, cohort: Cohort, source: Path | None, training: Training
) -> None:
    """Trains along the plan and leaves the run's tables, anchors and predictions in the folder.

    ``source``: the folder of the keep list or the revision that it is trained on; None where on the study as it is.
    """
    device = use_machine(own.device, own.threads)
    cohort, removed = trained_on(cohort, own.outcome, source, training)
    inputs = RunInputs(study, own, cohort, removed, training.number)
    network = inputs.start_network().to(device)
    planned = PlannedTraining(inputs.plan, inputs.source, inputs.bags("val"))
    run = RunFolder(folder)
    restore_records(run, folder / STEPS_FILE)
    keeps_all = not (isinstance(own, RetrainNeeds) and own.retrained_anchors == "kept")
    # beside the kept epoch's anchor, only the last one is there, from which an interrupted training goes on
    train = own.train if keeps_all else replace(own.train, anchor_every=own.train.epochs + 1)
    epochs = fit(network, planned, train, run, progress(f"  {training.name}").advance)
    PLAN.write(inputs.plan, folder / "plan.parquet")
    records = [STEPS.read(path) for path in sorted(run.records.glob("*.parquet"))]
    STEPS.write(pd.concat(records, ignore_index=True), folder / STEPS_FILE)
    _write_predictions(network, inputs, folder)
    kept = epochs[epochs[KEPT]].iloc[0]
    if not keeps_all:
        _keep_only(run.anchors, int(kept[STEP]))
    choice = EpochChoice(own.train.keep, own.outcome)
    metrics = {
        "kept_epoch": int(kept[EPOCH]),
        "kept_step": int(kept[STEP]),
        choice.column: None if pd.isna(kept[choice.column]) else float(kept[choice.column]),
        "val_loss": float(kept[VAL_LOSS]),
        "chosen_by": choice.reason(epochs),
        "num_parameters": sum(weight.numel() for weight in trained_parameters(network).values()),
        "num_removed_photos": len(removed),
        "encoder": asdict(network.card),
        "machine": machine_note(device, own.threads),
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    shutil.rmtree(run.records)


def _keep_only(anchors: Path, step: int) -> None:
    """Deletes every anchor but that of this step."""
    for other in anchor_steps(anchors):
        if other != step:
            anchor_path(anchors, other).unlink()


def restore_records(run: RunFolder, table: Path) -> None:
    """Epoch records from the whole table, where an earlier attempt had already put them together.

    The files that it was put together from may still be there; with them each epoch would be there twice.
    """
    if table.exists():
        steps = STEPS.read(table)
        shutil.rmtree(run.records, ignore_errors=True)
        run.records.mkdir()
        STEPS.write(steps, epochs_file(run.records, int(steps[EPOCH].min()), int(steps[EPOCH].max())))


def _write_predictions(network: BagNetwork, inputs: RunInputs, folder: Path) -> None:
    predictions, attention = [], []
    for split in ("train", "val", "test"):
        visits, photos = predict_bags(network, inputs.bags(split), inputs.pixels)
        predictions.append(visits.assign(split=split))
        attention.append(photos.assign(split=split))
    PREDICTIONS.write(pd.concat(predictions, ignore_index=True), folder / "predictions.parquet")
    PHOTO_ATTENTION.write(pd.concat(attention, ignore_index=True), folder / "attention.parquet")
