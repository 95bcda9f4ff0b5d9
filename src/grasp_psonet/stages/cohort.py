"""``grasp cohort``: the synthetic cohort, drawn into the study folder where a real study has its own tables."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.synthetic.cohort import draw_cohort
from grasp_psonet.errors import StudyError
from grasp_psonet.files import write_json
from grasp_psonet.progress import track
from grasp_psonet.proof import digest
from grasp_psonet.stage import held, versions
from grasp_psonet.stages.checking.table_files import table_file
from grasp_psonet.stages.drawn import NOTE, cohort_identity, is_drawn_with, read_drawn, truth_damage
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import PATH

log = logging.getLogger("grasp_psonet")

_TABLES = ("visits.csv", "photos.csv", "views.csv")


def make_cohort(job: Job) -> bool:
    """Draws the cohort unless it stands; True if it was drawn. Raises StudyError where tables of another origin lie."""
    folder = job.study.folder
    identity = cohort_identity(job)
    note, settings = folder / NOTE, job.settings
    before = read_drawn(note)
    if before is not None and is_drawn_with(before, job) and truth_damage(job) is None:
        log.info("cohort: stands")
        return False
    own = table_file(job.study, settings.tables, "visits")
    if own != job.study.visits_file and own.exists():
        raise _left_alone(folder, own.name)
    if job.study.visits_file.exists():
        _refuse_to_draw_over(job, before)
    partial = folder / "cohort.partial"
    with held(partial, "cohort"):
        for left in partial.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        log.info("cohort: drawing %d visits", settings.cohort.num_visits)
        draw_cohort(settings.cohort, job.outcome, settings.cohort_seed, partial.resolve(), job.workers, track)
        made = {
            "settings": identity,
            "tables": {name: digest(partial / name) for name in _TABLES},
            "truth": digest(partial / job.study.truth_file.name),
        }
        # an interrupted move leaves this note: the next call knows these tables for drawn ones and draws anew
        write_json(note, {"interrupted": made})
        for drawn in sorted(partial.iterdir()):
            place = folder / drawn.name
            if place.is_dir():
                shutil.rmtree(place)
            drawn.replace(place)
        partial.rmdir()
        write_json(note, made | {"versions": versions()})
    return True


def _refuse_to_draw_over(job: Job, before: dict[str, Any] | None) -> None:
    """Raises StudyError unless what lies there was drawn and never touched since."""
    if before is not None and "interrupted" in before:
        return
    folder = job.study.folder
    drawn = {} if before is None else before.get("tables", {})
    touched = [name for name in _TABLES if not (folder / name).exists() or digest(folder / name) != drawn.get(name)]
    if not touched:
        named = set(pd.read_csv(job.study.photos_file, dtype=str)[PATH])
        there = {path.relative_to(folder).as_posix() for path in (folder / "photos").rglob("*") if path.is_file()}
        touched = sorted(there - named)
    if touched:
        raise _left_alone(folder, touched[0])


def _left_alone(folder: Path, name: str) -> StudyError:
    return StudyError(
        f"{folder} holds {name}, which was not drawn here or was changed since; it is left alone\n"
        "  next: draw the cohort in another folder"
    )
