"""A study.yaml that is gone: said or refused before its defaults stand in for what the study was made with."""

import logging
from typing import Any

from grasp_psonet.errors import StudyError
from grasp_psonet.proof import is_complete, read_note
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import StudySettings
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.study import Study

log = logging.getLogger("grasp_psonet")


def refuse_dangling(study: Study) -> None:
    """Raises StudyError where study.yaml is a link to a file that is not there: it would be read as all defaults."""
    file = study.settings_file
    if file.is_symlink() and not file.exists():
        raise StudyError(
            f"{file} is a link to {file.readlink()}, which is not there\n  next: bring it back, or delete the link"
        )


def refuse_lost(study: Study, settings: StudySettings) -> None:
    """Says that there are no settings on file; raises StudyError where finished stages were made with others than these."""
    file = study.settings_file
    if file.exists() and file.read_text(encoding="utf-8").strip():
        return
    what = "is empty" if file.exists() else "is not there"
    if changed := _other_settings(study, settings):
        name, before, now = changed
        raise StudyError(
            f"{file} {what}, and this study was made with other settings than the defaults ({name} {before!r}, now {now!r})\n"
            "  next: bring the file back; or `grasp init STUDY` writes one to set it as it was"
        )
    log.warning("%s %s: every setting that is not given here is at its default", file, what)


def _other_settings(study: Study, settings: StudySettings) -> tuple[str, Any, Any] | None:
    """The first setting (path, as made, now) in which a finished store, baseline or page differs from these."""
    tree = as_tree(settings)
    for folder in (study.store, study.run(BASELINE), study.evaluation, study.report):
        if not is_complete(folder):
            continue
        for path, before in read_note(folder)["settings"].items():
            place: Any = tree
            for name in path.split("."):
                place = place.get(name) if isinstance(place, dict) else None
            for name, was, now in _leaves(path, before, place):
                if was != now:
                    return name, was, now
    return None


def _leaves(path: str, before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    if not isinstance(before, dict):
        return [(path, before, now)]
    below = now if isinstance(now, dict) else {}
    return [leaf for name, value in before.items() for leaf in _leaves(f"{path}.{name}", value, below.get(name))]
