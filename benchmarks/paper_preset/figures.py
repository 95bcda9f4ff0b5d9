"""The figures of the study, from what stands in its folder."""

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.paper_preset.clock import attempts, epoch_seconds
from benchmarks.paper_preset.job import job_of
from benchmarks.paper_preset.options import PARTS, Request
from benchmarks.paper_preset.parts import EPOCHS
from grasp_psonet.proof import is_complete
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.run import TrainedRun

_PAPER_EPOCHS = 100


def card(device: str) -> str:
    """The name of the GPU, or of the processor's kind where there is none."""
    return torch.cuda.get_device_name(0) if device == "cuda" else f"cpu {platform.machine()}"


def gather(request: Request) -> dict[str, Any]:
    """Every figure there is so far; ``is_finished`` says whether the study is whole."""
    folder = request.folder
    figures: dict[str, Any] = {"is_finished": False, "device": card(request.choices.device)}
    figures |= {"choices": asdict(request.choices)}
    figures["seconds"] = {part: _spent(folder, part) for part in PARTS[:-1]}
    if not (folder / EPOCHS).exists():
        return figures
    decided = json.loads((folder / EPOCHS).read_text(encoding="utf-8"))
    job = job_of(request, decided["epochs"])
    figures |= decided | {"study": _study(job), "train": _training(job, "train", BASELINE)}
    if is_complete(job.study.trace(job.trace_name())):
        figures["trace"] = _tracing(job)
        figures["retrain"] = [_training(job, "retrain", arm.name) for arm in _arms(job)]
    if is_complete(job.study.evaluation):
        figures |= {"is_finished": True, "evaluation": _evaluation(job)}
    return figures


def _spent(folder: Path, part: str) -> dict[str, Any]:
    """Seconds of all goes at a part, what an interruption lost included."""
    found = attempts(folder, part)
    is_finished = any(attempt.is_finished for attempt in found)
    return {"elapsed": sum(attempt.elapsed_s for attempt in found), "goes": len(found), "is_finished": is_finished}


def _study(job: Job) -> dict[str, Any]:
    visits, photos = job.cohort.visits, job.cohort.photos
    return {
        "visits": visits["split"].value_counts().to_dict(),
        "photos": len(photos),
        "edge_px": job.settings.photos.edge_px,
        "encoder": job.settings.network.encoder,
        "visits_per_step": job.settings.train.visits_per_step,
        "formula": job.trace_name(),
    }


def _training(job: Job, part: str, run: str) -> dict[str, Any]:
    """How fast a run trained (validation and anchors included), and how its epochs went."""
    trained = TrainedRun(job, run)
    epoch_s = epoch_seconds(attempts(job.study.folder, part))
    found: dict[str, Any] = {"run": run, "epochs": job.settings.train.epochs, "seconds_per_epoch": epoch_s}
    if epoch_s is not None:
        found["hours_of_100_epochs"] = _PAPER_EPOCHS * epoch_s / 3600
    if not is_complete(trained.folder):
        return found
    steps, epochs = trained.trajectory.steps, pd.read_parquet(trained.folder / "epochs.parquet")
    # under the paper's mask removed photos are read all the same
    num_photos = (
        steps["visit_id"].map(job.cohort.photos["visit_id"].value_counts()).groupby(steps["epoch"]).sum().mean()
    )
    if epoch_s is not None:
        found["photos_per_second"] = float(num_photos) / epoch_s
    return found | {
        "photos_per_epoch": float(num_photos),
        "num_parameters": trained.metrics["num_parameters"],
        "kept_epoch": trained.metrics["kept_epoch"],
        "val_auc_by_epoch": epochs["val_auc"].round(4).tolist(),
        "train_loss_by_epoch": epochs["train_loss"].round(4).tolist(),
    }


def _tracing(job: Job) -> dict[str, Any]:
    """How fast the trace went: photos times anchors over the seconds of the whole stage."""
    folder = job.study.trace(job.trace_name())
    scores, queries = pd.read_parquet(folder / "scores.parquet"), pd.read_parquet(folder / "queries.parquet")
    num_anchors = len(TrainedRun(job).trajectory.windows())
    num_photos = int(scores["photo_id"].nunique())
    spent = _spent(job.study.folder, "trace")
    found = {"queries": int(queries["used"].sum()), "anchors": num_anchors, "photos": num_photos}
    found["coverage"] = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    if spent["goes"] == 1 and spent["is_finished"]:
        found["photos_per_second"] = num_anchors * num_photos / spent["elapsed"]
    return found


def _arms(job: Job) -> list[Any]:
    """The keep lists that are retrained, as far as they are made."""
    return made_keep_lists(job).retrained if all(map(is_complete, _lists(job))) else []


def _lists(job: Job) -> list[Path]:
    return [job.study.pruning(name) for name in job.pruned_names().values()]


def _evaluation(job: Job) -> dict[str, Any]:
    """AUC and kappa of each run against each reader on the test split, with intervals, and what pruning changed."""
    table = pd.read_parquet(job.study.evaluation / "figures.parquet")
    changes = pd.read_parquet(job.study.evaluation / "differences.parquet")
    found: dict[str, Any] = {"removed_photos": {}, "runs": {}, "change": {}}
    for arm in _arms(job):
        found["removed_photos"][arm.name] = int((~read_keep(job, arm.name)["kept"]).sum())
    for key, rows, value in (("runs", table, "value"), ("change", changes, "difference")):
        wanted = rows[(rows["group"] == "all") & rows["metric"].isin(["auc", "kappa"])]
        for row in wanted.to_dict("records"):
            of_reader = found[key].setdefault(row["run"], {}).setdefault(row["reader"], {})
            of_reader[row["metric"]] = [_or_none(row[name]) for name in (value, "low", "high")]
    return found


def _or_none(value: float) -> float | None:
    return None if pd.isna(value) else round(float(value), 4)
