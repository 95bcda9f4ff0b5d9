"""Visits that two people entered (REDCap's double entry): two rows, whose ids end in --1 and --2, are one visit read twice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from grasp_psonet.cohort.components import components_of
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.readings import reading_columns
from grasp_psonet.cohort.settings import same_name
from grasp_psonet.cohort.sources.raw import RawTable
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.tables.columns import READER_ID, VISIT_ID

ENTRY = re.compile(r"(.+)--([12])")
_NO_ENTRY = re.compile(r".*--\d*|--.*")  # written as an entry is, and none of the two
_SETTING = "tables.double_entry"


@dataclass(frozen=True)
class Entries:
    """What the ids of a column say of entries: faults, notes, and the rows of ids that are no entry of a visit."""

    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...] = ()
    refused: frozenset[int] = frozenset()


def judged_entries(name: str, column: str, ids: Sequence[str], rows: Sequence[int]) -> Entries:
    """Looks at the ids of a table that two people entered, one a row; ``name``, ``column``: what they are called.

    Faults: an id that ends in another number than --1 or --2, or has nothing before it; an id without that ending beside
    entries of the same record, which is REDCap's merged record. An id without it and without entries is a first entry: noted.
    """
    parts = {told: ENTRY.fullmatch(told) for told in dict.fromkeys(ids)}
    entered = {found[1] for found in parts.values() if found}
    other = {told for told, found in parts.items() if not found and _NO_ENTRY.fullmatch(told)}
    merged = {told for told, found in parts.items() if not found and told in entered}
    alone = {told for told, found in parts.items() if not found} - other - merged - {""}

    def of(chosen: set[str], problem: str, remedy: str) -> tuple[Fault, ...]:
        found = [(row, told) for row, told in zip(rows, ids, strict=True) if told in chosen]
        at, values = zip(*found, strict=True) if found else ((), ())
        return (Fault(problem, name, column, at, values, remedy=remedy),) if found else ()

    faults = of(
        other,
        "is no entry of double entry; wanted an id that ends in --1 or --2",
        "correct the id; readings of further readers stand in readings.csv",
    ) + of(
        merged,
        "is the merged record beside its own entries --1 or --2; which of them counts is not told",
        f"keep the entries and take out this row, or keep merged records alone, without {_SETTING}",
    )
    notes = of(alone, "ends in neither --1 nor --2; it is taken for a first entry (Reader 1)", "add --1 if it is one")
    refused = frozenset(row for row, told in zip(rows, ids, strict=True) if told in other | merged)
    return Entries(faults, notes, refused)


def with_entries(table: RawTable, column: str) -> RawTable:
    """The table as read, ids without their --1 and --2, which are ``reader_id`` now; an id without them is a first entry.

    Rows whose id is a fault of ``judged_entries`` are left out.
    """
    places = [place for place, title in enumerate(table.header) if same_name(title) == same_name(column.strip())]
    if not places:
        problem = f"no column {column!r}, which {_SETTING} names"
        return replace(table, faults=(*table.faults, Fault(problem, table.name)))
    told = [str(cell).strip() if cell is not None else "" for cell in table.columns[places[0]]]
    judged = judged_entries(table.name, table.header[places[0]], told, table.rows)
    faults, notes = list(judged.faults), judged.notes
    if told and not any(map(ENTRY.fullmatch, told)) and not faults:
        remedy = f"take {_SETTING} out where every visit was entered once, or name the column that holds such ids"
        problem = f"no id ends in --1 or --2, which {_SETTING} says of this column"
        faults, notes = [Fault(problem, table.name, table.header[places[0]], remedy=remedy)], ()
    kept = [place for place, row in enumerate(table.rows) if row not in judged.refused]
    columns = {title: [cells[at] for at in kept] for title, cells in zip(table.header, table.columns, strict=True)}
    found = [ENTRY.fullmatch(told[at]) for at in kept]
    id_title = table.header[places[0]]
    columns[id_title] = [one[1] if one else cell for one, cell in zip(found, columns[id_title], strict=True)]
    columns[READER_ID] = [one[2] if one else "1" for one in found]
    left = replace(
        table,
        rows=tuple(table.rows[at] for at in kept),
        faults=(*table.faults, *faults),
        notes=(*table.notes, *notes),
    )
    return left.with_columns(columns)


def split_entries(table: TextTable, outcome: Outcome) -> tuple[TextTable, TextTable]:
    """The visits, one row each, and their readings, one row per entry; rows of a visit must agree in all but the reading."""
    if VISIT_ID not in table.text or READER_ID not in table.text:
        return table, TextTable(table.name, pd.DataFrame())
    of_reading = [column for column in (*reading_columns(outcome), *components_of(outcome)) if column in table.text]
    readings = table.text[[VISIT_ID, READER_ID, *of_reading]]
    shared = table.text.drop(columns=[READER_ID, *of_reading])
    visit = shared[VISIT_ID]
    faults = list(table.faults)
    for column in shared.columns.drop(VISIT_ID):
        told = shared[column].where(shared[column].str.strip() != "")
        differs = told.groupby(visit).transform("nunique").gt(1) & (visit != "")
        faults += value_faults(table, column, differs, "the entries of one visit differ", "correct one of them")
        shared[column] = told.groupby(visit).transform("first").fillna("").where(visit != "", shared[column])
    first = shared[~visit.duplicated() | (visit == "")]
    return (
        TextTable(table.name, first, tuple(faults), table.notes, table.titles, table.decimal),
        TextTable(table.name, readings, (), (), table.titles, table.decimal),
    )
