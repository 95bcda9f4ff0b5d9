"""A csv file as cells of text that keep their row number, with every fault of its shape.

Rows are counted as a spreadsheet counts them: the header is row 1. Faults are gathered, never raised: the caller puts
the faults of all tables into one message. (A schema library would check the columns as well, but it neither knows the
row of the file nor looks across tables, and both are what a person needs to correct them.)
"""

import csv
import difflib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

_NEAR = 0.85  # likeness of two column names from which one is taken for a slip of the other
_HINT = 0.6  # likeness that is worth a hint when a required column is missing
_MOST_RANGES = 12


@dataclass(frozen=True)
class CsvTable:
    """``text`` holds stripped cells (an empty cell is ""), indexed by row number; ``faults`` are messages."""

    name: str
    text: pd.DataFrame
    faults: tuple[str, ...] = ()


def read_csv_table(path: Path, required: tuple[tuple[str, ...], ...], optional: tuple[str, ...]) -> CsvTable:
    """Reads a UTF-8, comma-separated file; blank rows are passed over.

    Of each tuple in ``required`` at least one column must be there. A column that is neither required nor optional is
    kept as it is, unless its name looks like a slip of a known one that the file lacks.
    """
    records, fault = _records(path)
    if fault:
        return CsvTable(path.name, pd.DataFrame(), (fault,))
    header = [cell.strip() for cell in records[1]]
    rows = {row: cells for row, cells in records.items() if row > 1 and any(cell.strip() for cell in cells)}
    faults = _header_faults(path.name, header, required, optional)
    ragged = [row for row, cells in rows.items() if len(cells) != len(header)]
    if ragged:
        faults.append(
            f"{path.name} {rows_text(ragged)}: more or fewer cells than the {len(header)} columns of the header"
        )
    if not rows:
        faults.append(f"{path.name}: no rows below the header")
    padded = [[*cells, *[""] * len(header)][: len(header)] for cells in rows.values()]
    text = pd.DataFrame(padded, index=list(rows), columns=header, dtype=object)
    text = text.loc[:, ~text.columns.duplicated()]
    known = {name for names in required for name in names} | set(optional)
    for column in text.columns.intersection(sorted(known)):
        text[column] = text[column].map(str.strip)
    return CsvTable(path.name, text, tuple(faults))


def value_faults(table: CsvTable, column: str, rows: Iterable[int], problem: str) -> list[str]:
    """One message per distinct value of the faulty rows, naming all of its rows."""
    chosen = sorted(rows)
    if not chosen:
        return []
    cells = table.text.loc[chosen, column]
    return [
        f"{table.name} {rows_text(list(same.index))}, {column} {'is empty' if value == '' else repr(value)}: {problem}"
        for value, same in cells.groupby(cells, sort=False)
    ]


def duplicate_faults(table: CsvTable, column: str, problem: str) -> list[str]:
    """Letters on values that stand in more than one row; empty cells are another fault."""
    cells = table.text[column]
    return value_faults(table, column, cells.index[cells.duplicated(keep=False) & (cells != "")], problem)


def rows_text(rows: list[int]) -> str:
    """``row 3`` or ``rows 3, 7-9``; long lists end in a count."""
    runs = [[row for _, row in run] for _, run in groupby(enumerate(sorted(rows)), key=lambda pair: pair[1] - pair[0])]
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:_MOST_RANGES]]
    hidden = sum(len(run) for run in runs[_MOST_RANGES:])
    return ("row " if len(rows) == 1 else "rows ") + ", ".join(shown) + (f" and {hidden} more" if hidden else "")


def _records(path: Path) -> tuple[dict[int, list[str]], str]:
    """Cells by row number, or why there are none."""
    try:
        raw = path.read_bytes()
        reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        records = dict(enumerate(reader, start=1))
    except OSError as error:
        return {}, f"{path.name}: cannot be read ({error.strerror}); wanted at {path}"
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return {}, f"{path.name} line {line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the table as CSV UTF-8"
    except csv.Error as error:
        return {}, f"{path.name} line {reader.line_num}: not CSV ({error})"
    if not records or not any(cell.strip() for cell in records[1]):
        return {}, f"{path.name}: no header in row 1; wanted the names of the columns"
    if len(records[1]) == 1 and (other := re.search("[;\t|]", records[1][0])):
        return {}, f"{path.name}: cells are separated by {other[0]!r}; wanted commas"
    return records, ""


def _header_faults(
    name: str, header: list[str], required: tuple[tuple[str, ...], ...], optional: tuple[str, ...]
) -> list[str]:
    known = [column for names in required for column in names] + list(optional)
    unknown, absent = [c for c in header if c not in known], [c for c in known if c not in header]
    faults = [
        f"{name}: column {column!r} stands {header.count(column)} times in the header"
        for column in dict.fromkeys(header)
        if column and header.count(column) > 1
    ]
    slips = {column: near for column in unknown if (near := _slip_of(column, absent))}
    faults += [f"{name}: no column {column!r} is known; did you mean {near!r}?" for column, near in slips.items()]
    for names in required:
        if set(names) & (set(header) | set(slips.values())):
            continue
        stems = {
            _stem(column): column for column in unknown
        }  # that two columns are a reader's makes them no more alike
        hints = [stems[near] for near in difflib.get_close_matches(_stem(names[0]), stems, n=1, cutoff=_HINT)]
        wanted = " or ".join(repr(column) for column in names)
        faults.append(f"{name}: no column {wanted}" + (f"; is {hints[0]!r} meant?" if hints else ""))
    return faults


def _stem(column: str) -> str:
    return column.lower().removesuffix("_reader1").removesuffix("_reader2")


def _slip_of(column: str, absent: list[str]) -> str | None:
    """The absent known column that this name misspells. Names that differ in a number are different columns."""

    def plain(text: str) -> str:
        return re.sub("[^a-z0-9]", "", text.lower())

    for known in absent:
        same_numbers = re.findall(r"\d+", column) == re.findall(r"\d+", known)
        if same_numbers and difflib.SequenceMatcher(None, plain(column), plain(known)).ratio() >= _NEAR:
            return known
    return None
