"""The parts of the study in order, by the product's own stages; each stands once made, and training goes on where it was."""

import json
import logging
import time
from dataclasses import replace

from benchmarks.paper_preset.calibrate import calibrate
from benchmarks.paper_preset.clock import Attempt, alarm, note_made, timed
from benchmarks.paper_preset.job import job_of, write_start
from benchmarks.paper_preset.options import PARTS, Request
from grasp_psonet.files import write_json
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.pipeline import run_all, stands

log = logging.getLogger("grasp_psonet")

EPOCHS = "paper-preset-epochs.json"
TRAINING_SHARE = 0.4  # of the budget, for each of the two trainings
_UNTIL = {
    "prepare": "prepare",
    "features": "folds",  # apart from training, whose epochs are timed
    "train": "train",
    "trace": "trace",
    "retrain": "retrain",
    "report-figures": "evaluate",
}
_TRAINED = ("train", "retrain")


def make_parts(request: Request, ends_monotonic_s: float | None) -> None:
    """Makes what does not stand, up to the part that was asked for. Raises TimeIsUp while training or tracing."""
    for part in PARTS[: PARTS.index(request.until) + 1]:
        if part == "cohort":
            _make_cohort(request)
        elif part in ("prepare", "features"):  # minutes at most, and not to be interrupted
            _make_part(job_of(request, 1), part)
        else:
            with alarm(ends_monotonic_s):
                _make_part(_alone(job_of(request, decided_epochs(request))), part)


def _alone(job: Job) -> Job:
    """The same job with trainings one after the other, in this process: they share one GPU, and the alarm ends them."""
    return Job(job.study, replace(job.settings, machine=replace(job.settings.machine, processes=1)))


def decided_epochs(request: Request) -> int:
    """Epochs of each training, decided once for a folder: as asked, or as many as fit the budget here."""
    note = request.folder / EPOCHS
    if not note.exists():
        job = job_of(request, 1)
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


def _make_part(job: Job, part: str) -> None:
    """Makes one part, and notes how long that took if there was anything to make."""
    until = _UNTIL[part]
    if stands(job, until):
        log.info("%s: stands", part)
        return
    with timed(job.study.folder, part) as on_progress:
        run_all(job, until=until, on_progress=on_progress if part in _TRAINED else None)


def _make_cohort(request: Request) -> None:
    started, start = time.time(), time.monotonic()
    write_start(job_of(request, 1))
    if make_cohort(job_of(request, 1)):
        note_made(request.folder, Attempt("cohort", started, time.monotonic() - start, True))
