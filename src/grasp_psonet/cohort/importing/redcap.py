"""``grasp import redcap``: the flat export of a REDCap project (raw, CSV), a visit being an event of a record.

Layout assumed: one row per record and event with ``record_id`` and, in longitudinal projects, ``redcap_event_name``,
``redcap_repeat_instrument``, ``redcap_repeat_instance``. Rows of one visit (repeated instruments) are put together; a repeated
event makes a visit per instance. Of double entry, records ``ID--1`` and ``ID--2`` are Reader 1's and Reader 2's.

``--column OURS=THEIRS`` maps columns: ``patient_id`` (default record_id); a reading for both readers (``pasi_reader1=a``,
``pasi_reader2=b``) or, for double entry, ``pasi=a`` (of another scale ``iga_reader*=a``); any other column of visits.csv.
``photos=a,b,photo_*`` (default ``photo*``) names file fields. A cell of them is a file below ``--photos`` or ``[document]``:
then the file of the documents' ZIP whose name begins with the record and holds the field (and the event where several events
have one).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.double_entry import ENTRY, judged_entries
from grasp_psonet.cohort.faults import told as messages_of
from grasp_psonet.cohort.importing.request import Imported, Request, photo_files, read_source, refuse_faults
from grasp_psonet.errors import SettingsError, TableError
from grasp_psonet.tables.columns import PATH, PATIENT_ID, PHOTO_ID, VIEW, VISIT_ID

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
_STORED = "[document]"
_PHOTOS = "photos"
_ANY_READER = "_reader*"


@dataclass(frozen=True)
class _Plan:
    """Which of their columns becomes what."""

    record: str
    visit_columns: dict[str, str]  # ours, as it stands in visits.csv -> theirs
    readings: dict[str, str]  # ours without _reader1 -> theirs, of double entry
    photo_fields: tuple[str, ...]


def read_redcap(request: Request) -> Imported:
    """The tables of a flat export. Raises TableError with every fault of rows and files."""
    if not request.source.is_file():
        raise TableError(f"{request.source} is no file\n  next: name the CSV of the export")
    record = request.columns.get(PATIENT_ID, "record_id")
    theirs = [name for ours, name in request.columns.items() if ours != _PHOTOS]
    table = read_source(request.source, list(dict.fromkeys([record, *theirs])))
    plan = _plan(table, request, record)
    folder = request.photos or request.source.parent
    files = {path.relative_to(folder).as_posix() for path in photo_files(folder)}
    visits: dict[str, dict[str, str]] = {}
    photos: list[dict[str, str]] = []
    judged = judged_entries(request.source.name, record, table[record].tolist(), [int(str(row)) for row in table.index])
    faults = messages_of(judged.faults)
    for row, cells in table.drop(index=list(judged.refused)).iterrows():
        where = f"{request.source.name} row {row}"
        one = _Row({str(name): str(cell) for name, cell in cells.items()}, plan)
        told = visits.setdefault(one.visit_id, {VISIT_ID: one.visit_id, PATIENT_ID: one.record})
        for name, value in one.values():
            if value and told.get(name, value) != value:
                faults.append(f"{where}, {name} {value!r}: another row of {one.visit_id} says {told[name]!r}")
            told[name] = value or told.get(name, "")
        for field in plan.photo_fields:
            if cell := one.cells[field]:
                found = _file_of(cell, field, one, files)
                faults += [f"{where}, {field} {cell!r}: {found.why}"] if found.why else []
                photos.append({PHOTO_ID: "", VISIT_ID: one.visit_id, VIEW: field, PATH: found.path})
    refuse_faults(faults, request.source.name)
    return _imported(visits, photos, folder, plan)


@dataclass(frozen=True)
class _Found:
    """A photo's path from the folder, or why there is none."""

    path: str = ""
    why: str = ""


class _Row:
    """A row of the export: whose it is, and what it tells."""

    def __init__(self, cells: dict[str, str], plan: _Plan) -> None:
        self.cells, self._plan = cells, plan
        self.as_entered = cells[plan.record]
        double = ENTRY.fullmatch(self.as_entered)
        self.record, self.reader = (double[1], double[2]) if double else (self.as_entered, "1")
        self.event = cells.get(EVENT, "")
        repeats_event = cells.get(INSTANCE, "") and not cells.get(INSTRUMENT, "")
        parts = [self.record, self.event, cells[INSTANCE] if repeats_event else ""]
        self.visit_id = "-".join(part for part in parts if part)

    def values(self) -> Iterator[tuple[str, str]]:
        """Columns of visits.csv and what this row says in them."""
        for ours, theirs in self._plan.visit_columns.items():
            yield ours, self.cells[theirs]
        for stem, theirs in self._plan.readings.items():
            yield f"{stem}_reader{self.reader}", self.cells[theirs]


def _plan(table: pd.DataFrame, request: Request, record: str) -> _Plan:
    patterns = request.columns.get(_PHOTOS, "photo*").split(",")
    fields = tuple(str(name) for name in table if any(fnmatchcase(str(name), one.strip()) for one in patterns))
    if not fields:
        raise TableError(
            f"{request.source.name} has no photo field {', '.join(patterns)}\n  seen: {', '.join(table.columns[:60])}\n"
            "  next: --column photos=FIELD,FIELD names them, * standing for any letters"
        )
    mapped = {ours: theirs for ours, theirs in request.columns.items() if ours not in (_PHOTOS, PATIENT_ID)}
    if not mapped:
        raise SettingsError(
            "no reading is named\n  next: --column pasi_reader1=FIELD, or --column pasi=FIELD where readers entered it twice"
        )
    readings = {ours.removesuffix(_ANY_READER): theirs for ours, theirs in mapped.items() if _is_reading(ours)}
    columns = {ours: theirs for ours, theirs in mapped.items() if not _is_reading(ours)}
    return _Plan(record, columns, readings, fields)


def _is_reading(ours: str) -> bool:
    """Whether a column stands for that of whichever reader entered the row."""
    return ours in ("pasi", "severity") or ours.endswith(_ANY_READER)


def _file_of(cell: str, field: str, row: _Row, files: set[str]) -> _Found:
    """The photo that a cell means."""
    if cell != _STORED:
        same = [path for path in files if path == cell or path.endswith("/" + cell)]
        return _one_of(same, f"no such file below --photos ({len(files)} photos there)")
    names = {path: Path(path).stem for path in files}
    mine = [
        path
        for path, stem in names.items()
        if re.match(rf"{re.escape(row.as_entered)}(?![A-Za-z0-9])", stem)
        and re.search(rf"(?<![A-Za-z0-9]){re.escape(field)}(?![A-Za-z0-9])", stem)
    ]
    of_event = [path for path in mine if row.event and row.event in names[path]]
    return _one_of(of_event or mine, f"no file of the ZIP is called {row.as_entered}_..._{field}")


def _one_of(paths: list[str], none: str) -> _Found:
    if len(paths) == 1:
        return _Found(paths[0])
    return _Found(why=none if not paths else f"{len(paths)} files fit: {', '.join(sorted(paths)[:3])}")


def _imported(visits: dict[str, dict[str, str]], photos: list[dict[str, str]], folder: Path, plan: _Plan) -> Imported:
    """The tables, less visits without a photo; a visit without a reading by Reader 1 stays for `grasp check` to name."""
    table = pd.DataFrame(list(visits.values())).fillna("")
    frame = pd.DataFrame(photos, columns=[PHOTO_ID, VISIT_ID, VIEW, PATH])
    frame[PHOTO_ID] = frame[VISIT_ID] + "-" + (frame.groupby(VISIT_ID).cumcount() + 1).map("{:02d}".format)
    bare = table.loc[~table[VISIT_ID].isin(frame[VISIT_ID]), VISIT_ID]
    notes = []
    if len(bare):
        notes.append(
            f"{len(bare)} of {len(table)} events have no photo and are left out ({', '.join(bare.head(3))}, ...)"
        )
    table = table[table[VISIT_ID].isin(frame[VISIT_ID])].reset_index(drop=True)
    if table.empty:
        raise TableError(
            f"no row names a photo in {', '.join(plan.photo_fields[:5])}\n  next: --column photos=FIELD,FIELD"
        )
    grades = [name for name in table if str(name).startswith("severity_reader")]
    has_score = any(str(name).startswith("pasi_reader") for name in table)
    settings = {} if has_score or not grades else {"severity": {"score_column": None}}
    return Imported(table, frame, folder, settings, tuple(notes))
