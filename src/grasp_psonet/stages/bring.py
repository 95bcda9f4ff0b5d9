"""``grasp import``: the tables of a source written into a study; photos stay where they are unless they are to be copied."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from grasp_psonet.cohort.importing.kinds import read_kind
from grasp_psonet.cohort.importing.request import Imported, Request
from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.files import write_whole
from grasp_psonet.settings import load, to_yaml
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import PATH


def columns_of(words: Sequence[str]) -> dict[str, str]:
    """Our column to theirs, of words OURS=THEIRS. Raises SettingsError for others."""
    found: dict[str, str] = {}
    for word in words:
        ours, equals, theirs = word.partition("=")
        if not (equals and ours.strip() and theirs.strip()):
            raise SettingsError(f"--column {word!r} is no OURS=THEIRS\n  next: e.g. --column pasi_reader1=pasi_total")
        if ours.strip() in found:
            raise SettingsError(f"--column {ours.strip()} is given twice\n  next: leave one out")
        found[ours.strip()] = theirs.strip()
    return found


def bring(kind: str, folder: Path, request: Request, *, copies: bool = False) -> Imported:
    """Writes visits.csv and photos.csv of a source into the study, and study.yaml where there is none; prints what was done.

    ``copies``: photos are copied into ``photos/`` of the study. Raises StudyError where tables are there already; nothing is
    written then, nor where the source has a fault.
    """
    study = Study(folder)
    taken = [path.name for path in (study.visits_file, study.photos_file, study.features_file) if path.exists()]
    if taken:
        raise StudyError(f"{folder} holds {taken[0]} already; it is left alone\n  next: import into another folder")
    found = read_kind(kind, request)
    folder.mkdir(parents=True, exist_ok=True)
    placed, root = _copied(found, folder) if copies else _in_place(found, folder)
    settings = found.settings | ({"photos": {"root": root}} if root else {})
    told = _write_settings(study, settings)
    _write(study.photos_file, placed)
    _write(study.visits_file, found.visits)
    _say(found, placed, told, folder)
    return replace(found, photos=placed)


def _in_place(found: Imported, folder: Path) -> tuple[pd.DataFrame, str | None]:
    """Photos as they lie: their paths from the study where they lie inside it, else from the folder that photos.root names."""
    source, home = found.photo_folder.resolve(), folder.resolve()
    if source.is_relative_to(home):
        inside = source.relative_to(home)
        return found.photos.assign(**{PATH: [(inside / path).as_posix() for path in found.photos[PATH]]}), None
    return found.photos, Path(os.path.relpath(source, home)).as_posix()


def _copied(found: Imported, folder: Path) -> tuple[pd.DataFrame, None]:
    """Photos copied into ``photos/`` of the study, in the folders they lay in."""
    for path in found.photos[PATH]:
        target = folder / "photos" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.photo_folder / path, target)
    return found.photos.assign(**{PATH: [f"photos/{path}" for path in found.photos[PATH]]}), None


def _write_settings(study: Study, settings: dict[str, Any]) -> str:
    """Writes study.yaml where there is none; what was done, or has to be, in words."""
    if not study.settings_file.exists():
        text = to_yaml(load(study.settings_file, {}, settings)) + "\n"
        write_whole(study.settings_file, lambda beside: beside.write_text(text, encoding="utf-8"))
        return f"{study.settings_file.name} written"
    if not settings:
        return f"{study.settings_file.name} is there and is left alone"
    wanted = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    return f"{study.settings_file.name} is there and is left alone; it has to say:\n{wanted}".rstrip()


def _write(path: Path, frame: pd.DataFrame) -> None:
    write_whole(path, lambda beside: frame.to_csv(beside, index=False))


def _say(found: Imported, photos: pd.DataFrame, told: str, folder: Path) -> None:
    lines = [f"visits.csv: {len(found.visits)} visits", f"photos.csv: {len(photos)} photos", told]
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"licence: {found.licence}"] if found.licence else []
    lines += [f"cite: {found.citation}"] if found.citation else []
    sys.stdout.write("\n".join([*lines, f"next: grasp check {folder}"]) + "\n")
