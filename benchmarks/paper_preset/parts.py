"""The parts of the study in order, by the product's own stages; each stands once made, and training goes on where it was."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.paper_preset.calibrate import calibrate
from benchmarks.paper_preset.clock import Attempt, alarm, note_made, timed
from benchmarks.paper_preset.job import job_of, write_start
from benchmarks.paper_preset.options import PARTS, Request
from grasp_psonet.files import write_json
from grasp_psonet.stage import Task, judge, run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.evaluate import evaluate_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.prepare import prepare_task
from grasp_psonet.stages.prune import prune_tasks
from grasp_psonet.stages.retrain import read_sweep
from grasp_psonet.stages.trace import trace_task
from grasp_psonet.stages.train import train_task

log = logging.getLogger("grasp_psonet")

EPOCHS = "paper-preset-epochs.json"
TRAINING_SHARE = 0.4  # of the budget, for each of the two trainings


def make_parts(request: Request, ends_monotonic_s: float | None) -> None:
    """Makes what does not stand, up to the part that was asked for. Raises TimeIsUp while training or tracing."""
    last = PARTS.index(request.until)
    for part in PARTS[: last + 1]:
        if part in ("cohort", "prepare"):  # minutes at most, and not to be interrupted
            _DRAWN[part](request)
            continue
        with alarm(ends_monotonic_s):
            job = job_of(request, decided_epochs(request))
            _MADE[part](job)


def decided_epochs(request: Request) -> int:
    """Epochs of each training, decided once for a folder: as asked, or as many as fit the budget here."""
    note = request.folder / EPOCHS
    if not note.exists():
        job = job_of(request, 1)
        write_start(job)
        log.info("timing a few steps")
        found = calibrate(job)
        budget_s = request.budget_minutes * 60
        epochs = request.epochs or found.epochs_within(TRAINING_SHARE * budget_s)
        told = {"epochs": epochs, "budget_minutes": None if request.epochs else request.budget_minutes}
        write_json(note, told | {"calibration": found.as_figures()}, sort_keys=False)
        log.info("an epoch will take about %.1f s: %d epochs", found.epoch_s, epochs)
    epochs = int(json.loads(note.read_text(encoding="utf-8"))["epochs"])
    if request.epochs not in (None, epochs):
        log.warning("this folder trains %d epochs; --epochs %d is for another folder", epochs, request.epochs)
    return epochs


def _cohort(request: Request) -> None:
    started, start = time.time(), time.monotonic()
    if make_cohort(job_of(request, 1)):
        note_made(request.folder, Attempt("cohort", started, time.monotonic() - start, True))


def _prepare(request: Request) -> None:
    _run(request.folder, "prepare", prepare_task(job_of(request, 1)))


def _train(job: Job) -> None:
    _run(job.study.folder, "train", train_task(job), is_training=True)


def _trace(job: Job) -> None:
    _run(job.study.folder, "trace", trace_task(job))


def _retrain(job: Job) -> None:
    for task in prune_tasks(job):
        run_task(task)
    for arm in read_sweep(job).trained:  # one after the other: they share one GPU
        _run(job.study.folder, "retrain", train_task(job, arm.name, job.study.pruning(arm.name)), is_training=True)


def _evaluate(job: Job) -> None:
    run_task(evaluate_task(job))


def _run(folder: Path, part: str, task: Task, is_training: bool = False) -> None:
    if judge(task).state == "valid":
        log.info("%s: stands", task.title)
        return
    with timed(folder, part, task.folder if is_training else None):
        run_task(task)


_DRAWN: dict[str, Callable[[Request], None]] = {"cohort": _cohort, "prepare": _prepare}
_MADE: dict[str, Callable[[Job], None]] = {
    "train": _train,
    "trace": _trace,
    "retrain": _retrain,
    "report-figures": _evaluate,
}
