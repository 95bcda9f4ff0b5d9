"""Opening a study: its folder and its settings, as one job."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from grasp_psonet.errors import StudyError
from grasp_psonet.settings import load
from grasp_psonet.stages.checking.lost_settings import refuse_dangling, refuse_lost
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study


def open_job(folder: Path, overrides: Mapping[str, str], revisions: Sequence[str] = ()) -> Job:
    """The study in this folder under its study.yaml; ``overrides`` are settings by path, each as YAML text;
    ``revisions``: names of those that are to be trained on.

    Raises StudyError where there is no such folder or its settings are gone, SettingsError for settings that cannot be used.
    """
    if not folder.is_dir():
        raise StudyError(f"{folder} is not a folder\n  next: `grasp init {folder}` starts a study there")
    study = Study(folder)
    refuse_dangling(study)
    settings = load(study.settings_file, dict(overrides))
    refuse_lost(study, settings)
    return Job(study, settings, tuple(revisions))
