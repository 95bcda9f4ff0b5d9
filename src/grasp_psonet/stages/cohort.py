"""``grasp cohort``: the synthetic cohort, drawn into the study folder where a real study has its own tables."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.synthetic.cohort import draw_cohort
from grasp_psonet.errors import StudyError
from grasp_psonet.progress import track
from grasp_psonet.settings import as_tree
from grasp_psonet.stage import digest, held, versions
from grasp_psonet.stages.job import Job

log = logging.getLogger("grasp_psonet")

_NOTE = "cohort.json"
_TABLES = ("visits.csv", "photos.csv", "views.csv")


def make_cohort(job: Job) -> bool:
    """Draws the cohort unless it stands; True if it was drawn. Raises StudyError where tables of another origin lie."""
    folder = job.study.folder
    identity = _identity(job)
    note = folder / _NOTE
    before = _read(note)
    if before is not None and before.get("settings") == identity:
        log.info("cohort: stands")
        return False
    if job.study.visits_file.exists():
        _refuse_to_draw_over(job, before)
    partial = folder / "cohort.partial"
    settings = job.settings
    with held(partial, "cohort"):
        for left in partial.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        log.info("cohort: drawing %d visits", settings.cohort.num_visits)
        draw_cohort(settings.cohort, job.outcome, settings.cohort_seed, partial, settings.machine.processes, track)
        made = {"settings": identity, "tables": {name: digest(partial / name) for name in _TABLES}}
        # an interrupted move leaves this note: the next call knows these tables for drawn ones and draws anew
        _write(note, {"interrupted": made})
        for drawn in sorted(partial.iterdir()):
            place = folder / drawn.name
            if place.is_dir():
                shutil.rmtree(place)
            drawn.replace(place)
        partial.rmdir()
        _write(note, made | {"versions": versions()})
    return True


def _refuse_to_draw_over(job: Job, before: dict[str, Any] | None) -> None:
    """Raises StudyError unless what lies there was drawn and never touched since."""
    if before is not None and "interrupted" in before:
        return
    folder = job.study.folder
    drawn = {} if before is None else before.get("tables", {})
    touched = [name for name in _TABLES if not (folder / name).exists() or digest(folder / name) != drawn.get(name)]
    if not touched:
        named = set(pd.read_csv(job.study.photos_file, dtype=str)["path"])
        there = {path.relative_to(folder).as_posix() for path in (folder / "photos").rglob("*") if path.is_file()}
        touched = sorted(there - named)
    if touched:
        raise StudyError(
            f"{folder} holds {touched[0]}, which was not drawn here or was changed since; it is left alone\n"
            "  next: draw the cohort in another folder"
        )


def refuse_other_cohort(job: Job) -> None:
    """Raises StudyError where the study was drawn with other cohort settings than the ones at hand."""
    note = job.study.folder / _NOTE
    before = _read(note)
    if before is not None and before.get("settings") != _identity(job):
        raise StudyError(
            "the drawn cohort in this study was made with other settings (cohort, cohort_seed or severity), or was interrupted"
            "\n  next: `grasp cohort STUDY` draws it again with the settings of now"
        )


def is_synthetic(job: Job) -> bool:
    """Whether the study's tables and photos were drawn by ``grasp cohort``."""
    return (job.study.folder / _NOTE).exists()


def _identity(job: Job) -> dict[str, Any]:
    tree = as_tree(job.settings)
    return {name: tree[name] for name in ("cohort", "cohort_seed", "severity")}


def _read(note: Path) -> dict[str, Any] | None:
    if not note.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise StudyError(f"{note} is damaged: {error}\n  next: delete it if the tables are your own") from None
    return found


def _write(note: Path, value: dict[str, Any]) -> None:
    partial = note.with_suffix(".writing")
    partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(note)
