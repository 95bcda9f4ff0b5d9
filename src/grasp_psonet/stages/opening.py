"""Opening a study: its folder and its settings, as one job; a path that is none is answered with the study near it."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from grasp_psonet.errors import StudyError
from grasp_psonet.settings import load
from grasp_psonet.stages.checking.lost_settings import refuse_dangling, refuse_lost
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

# folders of a study that are taken for it
PARTS = ("photos", "store", "runs", "traces", "prunings", "report", "evaluation", "audit", "diagnosis", "explain")


def open_job(folder: Path, overrides: Mapping[str, str], revisions: Sequence[str] = ()) -> Job:
    """The study in this folder under its study.yaml; ``overrides`` are settings by path, each as YAML text;
    ``revisions``: names of those that are to be trained on.

    Raises StudyError where there is no such folder or its settings are gone, SettingsError for settings that cannot be used.
    """
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file, and a study is a folder\n  next: {_next_for_a_file(folder)}")
    if not folder.is_dir():
        near = _of_like_name(folder)
        raise StudyError(
            f"{folder} is not a folder{f'; did you mean {near}?' if near else ''}"
            f"\n  next: `grasp init {folder}` starts a study there"
        )
    study = Study(folder)
    _refuse_a_step_beside(folder)
    refuse_dangling(study)
    settings = load(study.settings_file, dict(overrides))
    refuse_lost(study, settings)
    return Job(study, settings, tuple(revisions))


def _next_for_a_file(file: Path) -> str:
    if _is_study(file.parent):
        return f"name the folder it lies in, {file.parent}"
    return "name the folder that holds study.yaml, visits.csv and photos.csv"


def _is_study(folder: Path) -> bool:
    """Whether a study begins here: its settings, or its visits under their usual name."""
    study = Study(folder)
    return study.settings_file.is_file() or study.visits_file.is_file()


def _of_like_name(folder: Path) -> Path | None:
    """The study beside this path whose name is written most like it."""
    try:
        beside = {one.name: one for one in folder.parent.iterdir() if one.is_dir() and _is_study(one)}
    except OSError:
        return None
    near = difflib.get_close_matches(folder.name, beside, n=1, cutoff=0.6)
    return beside[near[0]] if near else None


def _refuse_a_step_beside(folder: Path) -> None:
    """Raises StudyError for a folder that holds nothing of a study, where its parent or one folder in it is one."""
    if _is_study(folder) or Study(folder).store.exists() or any(folder.glob("visits.*")):
        return
    try:
        inside = sorted(one for one in folder.iterdir() if one.is_dir() and _is_study(one))
    except OSError:
        inside = []
    parent = folder.absolute().parent
    if inside:
        listed = ", ".join(str(one) for one in inside[:3]) + (" and more" if len(inside) > 3 else "")
        raise StudyError(f"{folder} is no study, but holds {listed}\n  next: name that folder")
    if folder.name in PARTS and _is_study(parent):
        raise StudyError(f"{folder} is a part of the study {parent}\n  next: name {parent}")
