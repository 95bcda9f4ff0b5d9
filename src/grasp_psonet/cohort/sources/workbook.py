"""Sheets of workbooks (Excel of either kind, ODS) as raw tables, read by python-calamine in a process of its own."""

import json
import re
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.sources import workbook_child as child
from grasp_psonet.cohort.sources.raw import RawTable, unreadable, with_size_of

_MOST_UNPACKED = 2**30
_MOST_PARTS = 20_000
_PATIENCE_S = 300
_LETTERS = re.compile(rb"Memory|memory|alloc")
_SMALLER = "delete empty rows and columns far outside the table, or save the sheet as CSV"


def read_workbook(path: Path, sheet: str, table: str) -> RawTable:
    """The table in a sheet: the one told, the only one, or the one of the table's name. Rows begin with the first that holds
    anything; a formula stands for its value.
    """
    if fault := _fault_of_zip(path):
        return unreadable(path.name, fault)
    command = [sys.executable, "-P", child.__file__, str(path), sheet, table]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return unreadable(path.name, f"takes more than {_PATIENCE_S} seconds to read", _SMALLER)
    if b"No module named 'python_calamine'" in done.stderr:
        return unreadable(path.name, "workbooks are read by python-calamine, which is not installed", "pip install it")
    if done.returncode:
        is_memory = done.returncode < 0 or _LETTERS.search(done.stderr)
        limits = f"within {child.MOST_BYTES // 2**30} GiB of memory and {child.MOST_SECONDS} s"
        problem = f"cannot be read {limits}" if is_memory else "cannot be read as a workbook (damaged)"
        return unreadable(path.name, problem, _SMALLER)
    return _table(path.name, [json.loads(line) for line in done.stdout.splitlines()])


def _fault_of_zip(path: Path) -> str:
    """Why a zipped workbook is not opened: damaged, or far larger than a table once unpacked; nothing is unpacked here."""
    with path.open("rb") as file:
        if not file.read(4).startswith(b"PK"):
            return ""  # the old kind
    try:
        with zipfile.ZipFile(path) as parts:
            sizes = [part.file_size for part in parts.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "is damaged: no whole zip file, as workbooks are"
    if sum(sizes) > _MOST_UNPACKED or len(sizes) > _MOST_PARTS:
        return f"unpacks to {sum(sizes) / 2**30:.1f} GiB in {len(sizes)} parts; no table is as large"
    return ""


def _table(name: str, lines: list[Any]) -> RawTable:
    about = lines[0]
    if "fault" in about:
        return unreadable(name, about["fault"])
    odd = [line for line in lines[1:] if isinstance(line, dict) and "odd" in line]
    records = lines[2 + len(odd) :]
    if not records:
        return unreadable(name, f"sheet {about['sheet']!r} is empty; wanted the names of the columns in its first row")
    notes = []
    if len(about["sheets"]) > 1:
        notes.append(Fault(f"sheet {about['sheet']!r} is read, of {len(about['sheets'])} sheets (tables.sheets)", name))
        name = f"{name} ({about['sheet']})"
    header = [_header_cell(cell) for cell in records[0]]
    if (refused := with_size_of(header, name)) is not None:
        return refused
    first = int(about["first"])
    kept = [(first + place, cells) for place, cells in enumerate(records[1:], start=1) if any(map(_is_told, cells))]
    columns = tuple([_cell(cells[place]) for _, cells in kept] for place in range(len(header)))
    used = [place for place, title in enumerate(header) if title or any(map(_is_told, columns[place]))]
    faults = [_odd_fault(name, line, header, int(about["left"])) for line in odd]
    return RawTable(
        name,
        tuple(header[place] for place in used),
        tuple(columns[place] for place in used),
        tuple(row for row, _ in kept),
        tuple(faults),
        tuple(notes),
    )


def _header_cell(cell: Any) -> str:
    value = _cell(cell)
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value).strip()


def _is_told(cell: Any) -> bool:
    return not isinstance(cell, str) or cell.strip() != ""


def _cell(cell: Any) -> Any:
    """A cell as the child wrote it; dates as dates."""
    if not isinstance(cell, dict):
        return cell
    moment = datetime.fromisoformat(cell["date"])
    return date(moment.year, moment.month, moment.day)


def _odd_fault(name: str, line: dict[str, Any], header: list[str], left: int) -> Fault:
    row, column = line["odd"]
    if not row:
        return Fault(f"a cell holds {line['text']}, and would be read as empty", name, remedy="correct its formula")
    place = column - 1 - left
    title = header[place] if 0 <= place < len(header) else f"column {column}"
    if line["text"] == "=":
        problem, remedy = "a formula without its value", "open the file in a spreadsheet program and save it"
    else:
        problem, remedy = "an error of the spreadsheet program", "correct its formula, or empty the cell"
    return Fault(f"{problem}, which would be read as empty", name, title, (row,), (line["text"],), remedy=remedy)
