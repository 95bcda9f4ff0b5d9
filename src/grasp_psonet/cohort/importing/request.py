"""What is imported, and what comes of it; and the reading that every kind of source shares."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.sources.mapping import Wanted
from grasp_psonet.cohort.sources.read import read_text_table
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.errors import PhotoError, TableError
from grasp_psonet.tables.columns import VISIT_ID

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".dcm")
FITZPATRICK_TYPES = ("I", "II", "III", "IV", "V", "VI")
NOT_TOLD = ("", "none", "nan", "na", "unk", "unknown", "none_selected", "none_identified")
_MOST_TOLD = 20
_FIRST_NAMES = 3


@dataclass(frozen=True)
class Request:
    """What the user asked for. ``columns``: our name of a column to theirs. What a kind does not take is refused before."""

    source: Path
    photos: Path | None = None
    pattern: str | None = None
    labels: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None
    classes: tuple[str, ...] = ()
    trap: int | None = None


@dataclass(frozen=True)
class Imported:
    """Visits (visit_id, patient_id, label and more) and photos (photo_id, visit_id, path from ``photo_folder``, and more),
    all text.

    ``settings``: what study.yaml must say for these tables, as a tree. ``notes``: what was assumed or left out.
    """

    visits: pd.DataFrame
    photos: pd.DataFrame
    photo_folder: Path
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""


def read_source(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
    """A table of any form (CSV of any delimiter and encoding, Excel, ODS, Parquet) as stripped text (an empty cell is "").

    The index is the row of the file, the header being row 1. Raises TableError with its faults, or naming
    the columns wanted and those seen.
    """
    table = read_text_table(path, Wanted("visits", tuple((name,) for name in wanted)), TablesSettings())
    missing = [name for name in wanted if name not in table.text]
    if missing and len(table.text.columns):
        raise TableError(
            f"{path.name} has no column {', '.join(missing)}\n  wanted: {', '.join(wanted)}\n"
            f"  seen: {', '.join(map(str, table.text.columns[:60]))}\n"
            "  next: name the file of the layout that docs/your-study.md tells, or map its columns"
        )
    refuse_faults(told(table.faults), path.name)
    return pd.DataFrame({name: cells.str.strip() for name, cells in table.text.items()})


def the_file(source: Path, names: Sequence[str]) -> Path:
    """The source itself where it is a file, else the first of these below the folder. Raises TableError naming them."""
    if source.is_file():
        return source
    for name in names:
        if (source / name).is_file():
            return source / name
    found = sorted(path.name for path in source.iterdir())[:12] if source.is_dir() else []
    there = f"there are {', '.join(found)}" if found else "there is nothing of it"
    raise TableError(
        f"{source} holds no {' or '.join(names)}; {there}\n  next: name the folder that holds it, or the file"
    )


def photo_files(folder: Path) -> list[Path]:
    """Every photo below a folder, by its ending, in order. Raises PhotoError where there is none."""
    if not folder.is_dir():
        raise PhotoError(f"{folder} is not a folder\n  next: --photos names the folder of the photos")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_ENDINGS and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise PhotoError(
            f"{folder} holds no photo ({', '.join(PHOTO_ENDINGS)})\n  next: name another folder with --photos"
        )
    return found


def passed_over(folder: Path) -> list[str]:
    """Notes on what lies below a folder and is no photo that is read, with counts and the first names: files of other kinds,
    hidden ones, what ends as a photo and is no regular file, and linked folders, which are not entered. Nothing is opened."""
    groups: dict[str, list[str]] = {}
    for here, folders, files in os.walk(folder):
        base = Path(here)
        linked = [name for name in folders if (base / name).is_symlink()]
        for name in files:
            if (kind := _why_passed_over(base / name)) is not None:
                groups.setdefault(kind, []).append((base / name).relative_to(folder).as_posix())
        for name in linked:
            groups.setdefault("linked folders are not entered", []).append((base / name).relative_to(folder).as_posix())
    return [_told_group(kind, sorted(names)) for kind, names in sorted(groups.items())]


def _why_passed_over(path: Path) -> str | None:
    ending = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden files are passed over"
    if ending not in PHOTO_ENDINGS:
        return f"files that end in {ending or 'nothing'} are no photos that are read, and are passed over"
    return (
        None if path.is_file() else "end as photos and are no regular files (pipes, broken links), and are passed over"
    )


def _told_group(words: str, names: list[str]) -> str:
    shown = ", ".join(map(shown_name, names[:_FIRST_NAMES]))
    more = f" and {len(names) - _FIRST_NAMES} more" if len(names) > _FIRST_NAMES else ""
    return f"{len(names)} {words}: {shown}{more}"


def shown_name(name: str) -> str:
    """A file's name as it can stand on a line; control characters and those that turn the line around by their codes."""
    return name if name.isprintable() else ascii(name)


def by_stem(folder: Path) -> dict[str, str]:
    """Path from the folder of every photo below it, by its name without ending. Raises PhotoError for a name used twice."""
    found: dict[str, str] = {}
    for path in photo_files(folder):
        here = path.relative_to(folder).as_posix()
        if path.stem in found:
            raise PhotoError(
                f"{folder} holds two photos called {path.stem}: {found[path.stem]} and {here}\n"
                "  next: name the folder of one set"
            )
        found[path.stem] = here
    return found


def with_photos(
    visits: pd.DataFrame, photos: pd.DataFrame, folder: Path, what: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Visits and photos without those whose ``path`` is missing (""), with a note on what left.

    Raises PhotoError where none is left.
    """
    there = photos["path"] != ""
    if not there.any():
        names = ", ".join(photos[what].head(3))
        raise PhotoError(
            f"none of the {len(photos)} photos of the table ({names}, ...) lies below {folder}\n  next: --photos FOLDER"
        )
    kept = photos[there]
    left = visits[visits[VISIT_ID].isin(kept[VISIT_ID])]
    notes = []
    if not there.all():
        names = ", ".join(photos.loc[~there, what].head(3))
        notes.append(f"{int((~there).sum())} of {len(photos)} photos are not there and are left out ({names}, ...)")
    if len(left) < len(visits):
        notes.append(f"{len(visits) - len(left)} of {len(visits)} visits have no photo left and are left out")
    return left.reset_index(drop=True), kept.reset_index(drop=True), notes


def skin_type(cell: str) -> str:
    """I to VI of 3, 3.0, III or FST3; empty for what tells none (-1 too). Raises TableError for the rest."""
    told = cell.strip().upper().removeprefix("FST").removesuffix(".0")
    if told.lower() in NOT_TOLD or told == "-1":
        return ""
    if told in FITZPATRICK_TYPES:
        return told
    if told.isdecimal() and 1 <= int(told) <= 6:
        return FITZPATRICK_TYPES[int(told) - 1]
    raise TableError(f"skin type {cell!r} is none of I to VI, 1 to 6\n  next: correct the table")


def classes_settings(classes: Iterable[str], column: str) -> dict[str, Any]:
    """What study.yaml says of labels that are names of classes."""
    return {"severity": {"classes": list(classes), "score_column": None, "class_column": column}}


def refuse_faults(faults: Sequence[str], what: str) -> None:
    """Raises TableError with these faults, if there are any; a long list ends in a count."""
    if faults:
        hidden = len(faults) - _MOST_TOLD
        raise TableError(
            f"{len(faults)} fault(s) in {what}:\n  "
            + "\n  ".join(faults[:_MOST_TOLD])
            + (f"\n  and {hidden} more" if hidden > 0 else "")
            + "\n  next: correct them and import again; nothing was written"
        )
