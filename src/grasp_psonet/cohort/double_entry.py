"""Visits that two people entered (REDCap's double entry): two rows, whose ids end in --1 and --2, are one visit read twice."""

import re
from dataclasses import replace

import pandas as pd

from grasp_psonet.cohort.components import components_of
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.readings import reading_columns
from grasp_psonet.cohort.settings import same_name
from grasp_psonet.cohort.sources.raw import RawTable
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.tables.columns import READER_ID, VISIT_ID

_ENTRY = re.compile(r"(.+)--([12])")


def with_entries(table: RawTable, column: str) -> RawTable:
    """The table as read, ids without their --1 and --2, which are ``reader_id`` now; an id without them is a first entry."""
    places = [place for place, title in enumerate(table.header) if same_name(title) == same_name(column.strip())]
    if not places:
        problem = f"no column {column!r}, which tables.double_entry names"
        return replace(table, faults=(*table.faults, Fault(problem, table.name)))
    ids, entries = [], []
    for cell in table.columns[places[0]]:
        found = _ENTRY.fullmatch(str(cell).strip())
        ids.append(found[1] if found else cell)
        entries.append(found[2] if found else "1")
    columns = dict(zip(table.header, table.columns, strict=True))
    return table.with_columns(columns | {table.header[places[0]]: ids, READER_ID: entries})


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
