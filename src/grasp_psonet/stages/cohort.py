"""``grasp cohort``: the synthetic cohort, drawn into the study folder where a real study has its own tables."""

import json
import logging
import shutil

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
    tree = as_tree(job.settings)
    identity = {"cohort": tree["cohort"], "cohort_seed": tree["cohort_seed"], "severity": tree["severity"]}
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


def is_synthetic(job: Job) -> bool:
    """Whether the study's tables and photos were drawn by ``grasp cohort``."""
    return (job.study.folder / _NOTE).exists()
