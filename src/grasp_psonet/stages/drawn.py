"""Whether a study's cohort was drawn, and with which settings: the note ``cohort.json`` that drawing leaves."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.proof import digest
from grasp_psonet.setting import as_tree

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

NOTE = "cohort.json"


def is_synthetic(job: "Job") -> bool:
    """Whether the study's tables and photos were drawn by ``grasp cohort``."""
    return (job.study.folder / NOTE).exists()


def refuse_other_cohort(job: "Job") -> None:
    """Raises StudyError where the study was drawn with other cohort settings than the ones at hand."""
    before = read_drawn(job.study.folder / NOTE)
    if before is not None and not is_drawn_with(before, job):
        raise StudyError(
            "the drawn cohort in this study was made with other settings (cohort, cohort_seed or severity), or was interrupted"
            "\n  next: `grasp cohort STUDY` draws it again with the settings of now"
        )


def is_drawn_with(note: dict[str, Any], job: "Job") -> bool:
    """Whether the note of a drawn cohort says that the settings of the job drew it.

    A setting that the note does not name came into being later than the cohort; at its default it changes nothing.
    """
    from grasp_psonet.settings import parse  # loads pydantic, which a look at a finished study spares

    drawn = note.get("settings")
    if not isinstance(drawn, dict):
        return False
    try:
        completed = as_tree(parse(drawn, NOTE))
    except SettingsError:  # of a version with other settings
        return False
    wanted = cohort_identity(job)
    return {name: completed[name] for name in wanted} == wanted


def truth_damage(job: "Job") -> str | None:
    """Why the truth of a drawn cohort is not as it was drawn; None where it is, or where its note does not tell."""
    file, drawn = job.study.truth_file, (read_drawn(job.study.folder / NOTE) or {}).get("truth")
    if not file.exists():
        return f"{file} is missing"
    return f"{file} is not as it was drawn" if drawn is not None and digest(file) != drawn else None


def refuse_damaged_truth(job: "Job") -> None:
    """Raises StudyError where a drawn study's truth is missing or damaged."""
    if is_synthetic(job) and (damage := truth_damage(job)):
        raise StudyError(f"{damage}\n  next: bring the file back, or `grasp cohort STUDY` draws it again")


def cohort_identity(job: "Job") -> dict[str, Any]:
    """The settings that a drawn cohort depends on."""
    tree = as_tree(job.settings)
    return {name: tree[name] for name in ("cohort", "cohort_seed", "severity")}


def drawn_identity(job: "Job") -> str:
    """Names the settings that a drawn cohort depends on."""
    return hashlib.sha256(json.dumps(cohort_identity(job), sort_keys=True).encode()).hexdigest()[:32]


def read_drawn(note: Path) -> dict[str, Any] | None:
    """The note of a drawn cohort; None without one. Raises StudyError where it is damaged."""
    if not note.exists():
        return None
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StudyError(f"{note} is damaged: {error}\n  next: delete it if the tables are your own") from None
    if not isinstance(found, dict):
        raise StudyError(f"{note} is damaged: it holds no settings\n  next: delete it if the tables are your own")
    return found
