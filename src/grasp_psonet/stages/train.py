"""``grasp train`` and every retraining: one run, from the store and a keep list to trajectory and predictions."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from grasp_psonet.bags.bag import Bag, make_bags
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.network.network import BagNetwork, build_network
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.progress import teller
from grasp_psonet.stage import Task, digest
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.training.fit import RunFolder, fit
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.machine import machine_note, resolved_device, use_machine
from grasp_psonet.trajectory.records import epoch_file
from grasp_psonet.trajectory.replay import Rebuild

RUN_SETTINGS = (
    "seed",
    "network",
    "train",
    "severity",
    "split",
    "photos.edge_px",
    "machine.device",
    "machine.threads",
)


def train_task(job: Job, name: str = BASELINE, pruning: Path | None = None) -> Task:
    """One run; with ``pruning`` (a folder with keep.parquet) the photos it does not keep are absent."""
    device = resolved_device(job.settings.machine.device)
    inputs: dict[str, Path | str] = {"store": job.study.store, "tables": job.tables_digest, "device": device}
    if pruning is not None:
        inputs["pruning"] = pruning
    weights = job.study.folder / job.settings.network.weights
    if weights.is_file():
        inputs["encoder weights"] = digest(weights)
    return job.task(
        f"train {name}",
        job.study.run(name),
        RUN_SETTINGS,
        inputs,
        lambda folder: _make(job, pruning, folder, f"  {name}"),
        True,
    )


def removed_photos(pruning: Path | None) -> frozenset[str]:
    """Ids of the photos that a keep list removes."""
    if pruning is None:
        return frozenset()
    keep = pd.read_parquet(pruning / "keep.parquet", columns=["photo_id", "kept"])
    return frozenset(keep.loc[~keep["kept"], "photo_id"])


def training_bags(job: Job, store: PhotoStore, removed: frozenset[str]) -> dict[str, Bag]:
    """The bags of the train split; visits that lost every photo are left out."""
    bags = make_bags(job.visits_of("train"), store.index, job.outcome.label_column, removed)
    return {visit_id: bag for visit_id, bag in bags.items() if any(bag.is_present)}


def split_bags(job: Job, store: PhotoStore, split: str) -> list[Bag]:
    """The bags of a split, nothing removed."""
    return list(make_bags(job.visits_of(split), store.index, job.outcome.label_column).values())


def fresh_network(job: Job, store: PhotoStore) -> BagNetwork:
    """The network as it stands before the first step; a relative path of weights starts at the study folder."""
    settings = job.settings.network
    if settings.weights not in ("pretrained", "random"):
        settings = replace(settings, weights=str(job.study.folder / settings.weights))
    return build_network(settings, store.edge_px, job.settings.seed, job.outcome)


def rebuild_of(job: Job, store: PhotoStore, removed: frozenset[str]) -> Rebuild:
    """What rebuilds the batches of a run."""
    settings = job.settings
    return Rebuild(
        training_bags(job, store, removed),
        store.pixels,
        settings.train.augmentation,
        settings.seed,
        settings.network.mask == "paper",
    )


def plan_of(job: Job, rebuild: Rebuild) -> pd.DataFrame:
    """The batch plan of a run over these bags."""
    settings = job.settings.train
    labels = {visit_id: bag.label for visit_id, bag in rebuild.bags.items()}
    return batch_plan(labels, settings.epochs, settings.visits_per_step, settings.sampling, job.settings.seed)


def _make(job: Job, pruning: Path | None, folder: Path, title: str) -> None:
    settings = job.settings
    device = use_machine(settings.machine.device, settings.machine.threads)
    store = open_store(job.study.store)
    removed = removed_photos(pruning)
    rebuild = rebuild_of(job, store, removed)
    network = fresh_network(job, store).to(device)
    plan = plan_of(job, rebuild)
    run = RunFolder(folder)
    _restore_records(run, folder / "steps.parquet")
    epochs = fit(network, plan, rebuild, split_bags(job, store, "val"), settings.train, run, teller(title))
    plan.to_parquet(folder / "plan.parquet", index=False)
    records = [pd.read_parquet(path) for path in sorted(run.records.glob("*.parquet"))]
    pd.concat(records, ignore_index=True).to_parquet(folder / "steps.parquet", index=False)
    _write_predictions(job, network, store, rebuild, folder)
    kept = epochs[epochs["kept"]].iloc[0]
    metrics = {
        "kept_epoch": int(kept["epoch"]),
        "kept_step": int(kept["step"]),
        "val_auc": None if pd.isna(kept["val_auc"]) else float(kept["val_auc"]),
        "val_loss": float(kept["val_loss"]),
        "chosen_by": "validation loss" if epochs["val_auc"].isna().any() else "validation micro AUC",
        "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "num_removed_photos": len(removed),
        "encoder": asdict(network.card),
        "machine": machine_note(device, settings.machine.threads),
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    shutil.rmtree(run.records)


def _restore_records(run: RunFolder, table: Path) -> None:
    """Epoch records from the whole table, where an earlier attempt had already put them together."""
    if table.exists():
        run.records.mkdir(exist_ok=True)
        for epoch, rows in pd.read_parquet(table).groupby("epoch"):
            rows.reset_index(drop=True).to_parquet(epoch_file(run.records, int(str(epoch))), index=False)


def _write_predictions(job: Job, network: BagNetwork, store: PhotoStore, rebuild: Rebuild, folder: Path) -> None:
    predictions, attention = [], []
    for split in ("train", "val", "test"):
        bags = list(rebuild.bags.values()) if split == "train" else split_bags(job, store, split)
        visits, photos = predict_bags(network, bags, store.pixels)
        predictions.append(visits.assign(split=split))
        attention.append(photos.assign(split=split))
    pd.concat(predictions, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
    pd.concat(attention, ignore_index=True).to_parquet(folder / "attention.parquet", index=False)
