"""visits.csv: one row per visit, with what each reader made of it."""

from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import (
    parse_day,
    parse_pasi,
    parse_severity,
    parse_skin_type,
    parse_split,
    parse_text,
    parsed,
)
from grasp_psonet.cohort.csv_table import CsvTable, duplicate_faults, read_csv_table, rows_text, value_faults
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.cohort.severity import SEVERITIES, severity_of

_REQUIRED = (("visit_id",), ("patient_id",), ("pasi_reader1", "severity_reader1"))
_OPTIONAL = (
    "study_day",
    "reader1_id",
    "pasi_reader2",
    "severity_reader2",
    "reader2_id",
    "fitzpatrick",
    "split",
)
_ORDER = (
    "visit_id",
    "patient_id",
    "study_day",
    "pasi_reader1",
    "reader1_id",
    "pasi_reader2",
    "reader2_id",
    "fitzpatrick",
    "split",
    "severity_reader1",
    "severity_reader2",
)


def read_visits(path: Path, severity: SeveritySettings) -> tuple[CsvTable, pd.DataFrame, list[str]]:
    """The table as read, its visits (indexed by row number; split missing where not given), and the faults."""
    table = read_csv_table(path, _REQUIRED, _OPTIONAL)
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
    for reader in (1, 2):
        faults += _add_reading(table, visits, reader, severity)
    if {"pasi_reader1", "severity_reader1"} & set(table.text.columns):
        faults += _label_faults(table)
    faults += _id_faults(table, visits)
    faults += _split_faults(table, visits)

    further = [column for column in table.text.columns if column and column not in visits]
    for column in further:
        visits[column] = table.text[column].replace("", None).astype("string")
    ordered = [column for column in _ORDER if column in visits]
    return table, visits[ordered + [column for column in visits if column not in ordered]], faults


def _add_reading(table: CsvTable, visits: pd.DataFrame, reader: int, severity: SeveritySettings) -> list[str]:
    """Adds a reader's PASI and class to ``visits``; PASI gives the class where there is one."""
    pasi_name, class_name = f"pasi_reader{reader}", f"severity_reader{reader}"
    wanted = "a number from 0 to 72 (decimal point)"
    pasi, faults = parsed(table, pasi_name, parse_pasi, wanted, "float64")
    named, messages = parsed(table, class_name, parse_severity, ", ".join(SEVERITIES), "Int64")
    faults += messages
    derived = pasi.dropna().map(lambda value: severity_of(value, severity)).reindex(pasi.index).astype("Int64")
    against = (named != derived).fillna(False).astype(bool)
    for row in pasi.index[against]:
        faults.append(
            f"{table.name} row {row}, {class_name} {SEVERITIES[named[row]]!r}: {pasi_name} {pasi[row]:g} is"
            f" {SEVERITIES[derived[row]]} by severity.cutoffs and severity.ties; correct one of them"
        )
    visits[pasi_name], visits[class_name] = pasi, derived.fillna(named)
    return faults


def _label_faults(table: CsvTable) -> list[str]:
    """Reader 1 labels every visit; a cell that is there but cannot be read has its own letter already."""
    pasi, _ = parsed(table, "pasi_reader1", parse_text, "", "string")
    named, _ = parsed(table, "severity_reader1", parse_text, "", "string")
    unlabelled = table.text.index[pasi.isna() & named.isna()]
    columns = " and ".join(c for c in ("pasi_reader1", "severity_reader1") if c in table.text)
    if unlabelled.empty:
        return []
    return [f"{table.name} {rows_text(list(unlabelled))}, {columns}: empty; Reader 1 must have read every visit"]


def _id_faults(table: CsvTable, visits: pd.DataFrame) -> list[str]:
    """Adds both ids to ``visits``; finds empty ids and visits told twice."""
    faults = []
    for column in ("visit_id", "patient_id"):
        if column in table.text:
            cells = table.text[column]
            visits[column] = cells.astype("string")
            faults += value_faults(table, column, cells.index[cells == ""], f"wanted the {column} of the row")
    if "visit_id" in table.text:
        faults += duplicate_faults(table, "visit_id", "stands in several rows; wanted one row per visit")
    return faults


def _split_faults(table: CsvTable, visits: pd.DataFrame) -> list[str]:
    """A split column is filled throughout or not at all, keeps each patient together, and trains and validates."""
    if "split" not in table.text or not (table.text["split"] != "").any():
        return []
    cells, faults = table.text["split"], []
    faults += value_faults(table, "split", cells.index[cells == ""], "wanted a split in every row, or in none")
    if "patient_id" in visits:
        for patient, group in visits[visits["patient_id"] != ""].groupby("patient_id", sort=False):
            found = list(group["split"].dropna().unique())
            if len(found) > 1:
                faults.append(
                    f"{table.name} {rows_text(list(group.index))}, split {' and '.join(found)}: patient {patient!r}"
                    " must be in one split only"
                )
    faults += [
        f"{table.name}, split: no visit is in {name!r}" for name in ("train", "val") if name not in set(visits["split"])
    ]
    return faults
