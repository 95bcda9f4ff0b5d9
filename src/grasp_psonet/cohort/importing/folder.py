"""``grasp import folder``: photos in one folder per visit, or told apart by their names.

Layout assumed: ``SOURCE/VISIT/anything.jpg``, at any depth below VISIT. With ``--pattern`` a regular expression that matches
the
whole path from SOURCE, its named groups being columns: ``visit_id`` (else ``patient_id`` and, where there is one, ``study_day``
make it), ``patient_id``, ``study_day``, ``view``; other groups become columns of visits.csv.
"""

import re
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.importing.request import (
    Imported,
    Request,
    passed_over,
    photo_files,
    read_source,
    refuse_faults,
    shown_name,
)
from grasp_psonet.errors import PhotoError, SettingsError
from grasp_psonet.tables.columns import PATH, PATIENT_ID, PHOTO_ID, STUDY_DAY, VIEW, VISIT_ID

_OF_PHOTOS = (VIEW,)


def read_folder(request: Request) -> Imported:
    """The tables of a folder of photos. Raises PhotoError or TableError naming what does not fit."""
    source = request.photos or request.source
    files = photo_files(source)
    paths = [path.relative_to(source).as_posix() for path in files]
    rows = _by_pattern(paths, request.pattern) if request.pattern else _by_folder(paths, source)
    table = pd.DataFrame(rows).fillna("")
    if VISIT_ID not in table:
        parts = [table[name] for name in (PATIENT_ID, STUDY_DAY) if name in table]
        table[VISIT_ID] = parts[0] if len(parts) == 1 else parts[0] + "-" + parts[1]
    notes = passed_over(source)
    if PATIENT_ID not in table:
        table[PATIENT_ID] = table[VISIT_ID]
        notes.append(
            "no patient is told: every visit counts as a patient of its own; correct patient_id where that is wrong"
        )
    numbers = table.groupby(VISIT_ID).cumcount() + 1
    names = (
        table[VISIT_ID] + "-" + numbers.map("{:02d}".format)
    )  # no name of a file in ids, which stand in every output
    photos = pd.DataFrame({PHOTO_ID: names, VISIT_ID: table[VISIT_ID]})
    for name in _OF_PHOTOS:
        if name in table:
            photos[name] = table[name]
    photos[PATH] = table[PATH]
    visits = _visits(table)
    if request.labels is None:
        visits["pasi_reader1"] = ""
        notes.append("no labels are told: fill in pasi_reader1 in visits.csv, or import with --labels TABLE")
    else:
        visits, more = _labelled(visits, request.labels)
        notes += more
    return Imported(visits, photos, source, {}, tuple(notes))


def _by_folder(paths: list[str], source: Path) -> list[dict[str, str]]:
    beside = [path for path in paths if "/" not in path]
    if beside:
        raise PhotoError(
            f"{len(beside)} photo(s) lie beside the folders of visits in {source}, first {beside[0]}\n"
            "  next: one folder per visit, or --pattern with named groups for their names"
        )
    return [{VISIT_ID: path.partition("/")[0], PATH: path} for path in paths]


def _by_pattern(paths: list[str], pattern: str) -> list[dict[str, str]]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"--pattern {pattern!r} is no regular expression: {error}\n  next: correct it") from None
    if not {VISIT_ID, PATIENT_ID} & set(compiled.groupindex):
        raise SettingsError(
            f"--pattern {pattern!r} has no group visit_id or patient_id\n"
            r"  next: e.g. (?P<patient_id>p\d+)_day(?P<study_day>\d+)_(?P<view>\w+)\.jpg"
        )
    found = {path: compiled.fullmatch(path) for path in paths}
    unmatched = [path for path, match in found.items() if match is None]
    any_case = re.compile(pattern, re.IGNORECASE)
    told = [
        f"{shown_name(path)} does not match --pattern"
        + (", but for upper and lower case: begin it with (?i)" if any_case.fullmatch(path) else "")
        for path in unmatched
    ]
    refuse_faults(told, f"{len(paths)} names of photos")
    return [match.groupdict("") | {PATH: path} for path, match in found.items() if match is not None]


def _visits(table: pd.DataFrame) -> pd.DataFrame:
    """One row per visit. Raises TableError where the names of its photos contradict each other."""
    columns = [VISIT_ID, PATIENT_ID, *(name for name in table if name not in (VISIT_ID, PATIENT_ID, PATH, *_OF_PHOTOS))]
    visits = table[columns].drop_duplicates()
    twice = visits.loc[visits[VISIT_ID].duplicated(), VISIT_ID].drop_duplicates()
    refuse_faults(
        [f"visit {visit_id}: its photos tell different patients, days or other groups" for visit_id in twice],
        "the names of the photos",
    )
    return visits.reset_index(drop=True)


def _labelled(visits: pd.DataFrame, labels: Path) -> tuple[pd.DataFrame, list[str]]:
    """The visits with the columns of a table of labels, which names them by visit_id."""
    told = read_source(labels, (VISIT_ID,))
    faults = [f"{labels.name} row {row}, visit_id {name!r} stands twice" for row, name in _doubled(told)]
    absent = visits.loc[~visits[VISIT_ID].isin(told[VISIT_ID]), VISIT_ID]
    faults += [f"visit {name} has photos and no row in {labels.name}" for name in absent]
    refuse_faults(faults, labels.name)
    extra = int((~told[VISIT_ID].isin(visits[VISIT_ID])).sum())
    kept = visits.drop(columns=[name for name in told if name in visits and name != VISIT_ID])
    joined = kept.merge(told, on=VISIT_ID, how="left", validate="one_to_one")
    return joined, [f"{extra} row(s) of {labels.name} name visits without photos and are left out"] if extra else []


def _doubled(told: pd.DataFrame) -> list[tuple[int, str]]:
    again = told.loc[told[VISIT_ID].duplicated(), VISIT_ID]
    return [(int(str(row)), str(name)) for row, name in again.items()]
