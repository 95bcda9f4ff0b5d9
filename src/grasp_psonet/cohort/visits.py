"""visits.csv: one row per visit, with what each reader made of it."""

from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import (
    parse_day,
    parse_skin_type,
    parse_split,
    parse_text,
    parsed,
)
from grasp_psonet.cohort.csv_table import CsvTable, duplicate_faults, read_csv_table, rows_text, value_faults
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.tables.columns import FITZPATRICK, PATIENT_ID, READER1_ID, READER2_ID, SPLIT, STUDY_DAY, VISIT_ID

_OPTIONAL = (STUDY_DAY, READER1_ID, READER2_ID, FITZPATRICK, SPLIT)


def read_visits(path: Path, outcome: Outcome) -> tuple[CsvTable, pd.DataFrame, list[str]]:
    """The table as read, its visits (indexed by row number; split missing where not given), and the faults."""
    first, second = outcome.columns_of_reader(0), outcome.columns_of_reader(1)
    table = read_csv_table(path, ((VISIT_ID,), (PATIENT_ID,), first), (*_OPTIONAL, *second))
    visits, faults = pd.DataFrame(index=table.text.index), list(table.faults)
    if table.text.empty:
        return table, visits, faults

    for column, parse, wanted, dtype in (
        ("study_day", parse_day, "a whole number of days", "Int64"),
        ("reader1_id", parse_text, "a name", "string"),
        ("reader2_id", parse_text, "a name", "string"),
        ("fitzpatrick", parse_skin_type, "I to VI or 1 to 6", "string"),
        ("split", parse_split, "train, val or test", "string"),
    ):
        visits[column], messages = parsed(table, column, parse, wanted, dtype)
        faults += messages
    for reader in (0, 1):
        columns, messages = outcome.read(table, reader)
        for column, values in columns.items():
            visits[column] = values
        faults += messages
    faults += _label_faults(table, first)
    faults += _id_faults(table, visits)
    faults += _split_faults(table, visits)

    further = [column for column in table.text.columns if column and column not in visits]
    for column in further:
        visits[column] = table.text[column].replace("", None).astype("string")
    ordered = [column for column in _order(outcome) if column in visits]
    return table, visits[ordered + [column for column in visits if column not in ordered]], faults


def _order(outcome: Outcome) -> tuple[str, ...]:
    """The columns that every study has, in their order; further ones follow."""
    score1, score2 = outcome.score_columns[:1], outcome.score_columns[1:]
    head = (VISIT_ID, PATIENT_ID, STUDY_DAY, *score1, READER1_ID, *score2, READER2_ID)
    return tuple(dict.fromkeys((*head, FITZPATRICK, SPLIT, *outcome.label_columns)))


def _label_faults(table: CsvTable, columns: tuple[str, ...]) -> list[str]:
    """Reader 1 labels every visit; a cell that is there but cannot be read has its own message already."""
    told = [column for column in columns if column in table.text]
    if not told:
        return []
    is_empty = [parsed(table, column, parse_text, "", "string")[0].isna() for column in told]
    unlabelled = table.text.index[pd.concat(is_empty, axis=1).all(axis=1)]
    if unlabelled.empty:
        return []
    return [
        f"{table.name} {rows_text(list(unlabelled))}, {' and '.join(told)}: empty; Reader 1 must have read every visit"
    ]


def _id_faults(table: CsvTable, visits: pd.DataFrame) -> list[str]:
    """Adds both ids to ``visits``; finds empty ids and visits told twice."""
    faults = []
    for column in (VISIT_ID, PATIENT_ID):
        if column in table.text:
            cells = table.text[column]
            visits[column] = cells.astype("string")
            faults += value_faults(table, column, cells.index[cells == ""], f"wanted the {column} of the row")
    if VISIT_ID in table.text:
        faults += duplicate_faults(table, VISIT_ID, "stands in several rows; wanted one row per visit")
    return faults


def _split_faults(table: CsvTable, visits: pd.DataFrame) -> list[str]:
    """A split column is filled throughout or not at all, keeps each patient together, and trains and validates."""
    if SPLIT not in table.text or not (table.text[SPLIT] != "").any():
        return []
    cells, faults = table.text[SPLIT], []
    faults += value_faults(table, SPLIT, cells.index[cells == ""], "wanted a split in every row, or in none")
    if PATIENT_ID in visits:
        for patient, group in visits[visits[PATIENT_ID] != ""].groupby(PATIENT_ID, sort=False):
            found = list(group[SPLIT].dropna().unique())
            if len(found) > 1:
                faults.append(
                    f"{table.name} {rows_text(list(group.index))}, split {' and '.join(found)}: patient {patient!r}"
                    " must be in one split only"
                )
    faults += [
        f"{table.name}, split: no visit is in {name!r}" for name in ("train", "val") if name not in set(visits[SPLIT])
    ]
    return faults
