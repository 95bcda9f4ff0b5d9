"""``grasp cohort``: the synthetic cohort, drawn into the study folder where a real study has its own tables."""

import json
import logging
import shutil
from typing import Any

from grasp_psonet.cohort.synthetic.cohort import draw_cohort
from grasp_psonet.errors import StudyError
from grasp_psonet.progress import track
from grasp_psonet.settings import as_tree
from grasp_psonet.stage import versions
from grasp_psonet.stages.job import Job

log = logging.getLogger("grasp_psonet")

_NOTE = "cohort.json"


def make_cohort(job: Job) -> bool:
    """Draws the cohort unless it stands; True if it was drawn. Raises StudyError where tables of another origin lie."""
    folder = job.study.folder
    identity = _identity(job)
    note = folder / _NOTE
    before = json.loads(note.read_text(encoding="utf-8")) if note.exists() else None
    if before is not None and before.get("settings") == identity:
        log.info("cohort: stands")
        return False
    if before is None and job.study.visits_file.exists():
        raise StudyError(
            f"{folder} holds a visits.csv that was not drawn here; it is left alone\n"
            "  next: draw the cohort in another folder"
        )
    partial = folder / "cohort.partial"
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    log.info("cohort: drawing %d visits", job.settings.cohort.num_visits)
    settings = job.settings
    draw_cohort(settings.cohort, settings.severity, settings.cohort_seed, partial, settings.machine.processes, track)
    # an interrupted move leaves a note without settings: the next call knows these tables for its own and draws anew
    note.write_text("{}\n", encoding="utf-8")
    for made in sorted(partial.iterdir()):
        place = folder / made.name
        if place.is_dir():
            shutil.rmtree(place)
        made.replace(place)
    partial.rmdir()
    written = {"settings": identity, "versions": versions()}
    note.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return True


def refuse_other_cohort(job: Job) -> None:
    """Raises StudyError where the study was drawn with other cohort settings than the ones at hand."""
    note = job.study.folder / _NOTE
    if note.exists() and json.loads(note.read_text(encoding="utf-8")).get("settings") != _identity(job):
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
