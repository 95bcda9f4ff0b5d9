"""One reader of tables: the file as the user has it -> own names and values -> cells of text under our names."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.sources.delimited import read_delimited
from grasp_psonet.cohort.sources.endings import ENDINGS, PARQUET, WORKBOOKS
from grasp_psonet.cohort.sources.header import header_faults
from grasp_psonet.cohort.sources.mapping import (
    Renaming,
    Wanted,
    decimal_mark,
    meant,
    renamed,
    renamed_header,
    renaming,
    unused_values,
)
from grasp_psonet.cohort.sources.parquet import read_parquet
from grasp_psonet.cohort.sources.raw import RawTable, why_no_file
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.sources.workbook import read_workbook
from grasp_psonet.cohort.text_table import TextTable

Change = Callable[[RawTable], RawTable]


def read_text_table(path: Path, wanted: Wanted, form: TablesSettings, change: Change | None = None) -> TextTable:
    """The table in a file; blank rows are passed over. ``change`` is made to it as it was read, before columns are renamed.

    Of each tuple in ``wanted.required`` at least one column must be there. A column that is neither required nor optional is
    kept as it is, unless its name looks like a slip of a known one that the file lacks.
    """
    form = form.of_table(wanted.table)
    raw = _read(path, wanted, form)
    if not raw.header:
        return TextTable(raw.name, pd.DataFrame(), raw.faults, raw.notes)
    if change is not None:
        raw = change(raw)
    names = renaming(raw.name, raw.header, wanted, form)
    decimal, faults, is_found = decimal_mark(raw, renamed_header(raw.header, names), wanted, form)
    notes = list(raw.notes)
    if is_found:
        notes.append(Fault("fractions have a decimal comma (tables.decimal)", raw.name))
    faults = [*raw.faults, *names.faults, *faults, *_faults_of_names(raw, names, wanted)]
    if not raw.rows:
        faults.append(Fault("no rows below the header", raw.name))
    raw = renamed(raw, names, decimal, form.dates)
    notes += unused_values(raw, names.titles, form)
    return TextTable(raw.name, _text(raw, wanted, form), tuple(faults), tuple(notes), names.titles, decimal)


def _read(path: Path, wanted: Wanted, form: TablesSettings) -> RawTable:
    """The file's own columns, by the ending of its name."""
    name, ending = path.name, path.suffix.lower()
    if why := why_no_file(path):
        return RawTable(name, faults=(Fault(why, name),))
    if ending not in ENDINGS:
        return RawTable(name, faults=(Fault(f"is of no known kind; wanted one of {', '.join(ENDINGS)}", name),))
    try:
        if ending in WORKBOOKS:
            return read_workbook(path, form.sheets.get(wanted.table, ""), wanted.table)
        if ending in PARQUET:
            return read_parquet(path)
        return read_delimited(path, form, lambda header: _has_required(name, header, wanted, form))
    except OSError as error:
        return RawTable(name, faults=(Fault(f"cannot be read ({error.strerror})", name),))


def _has_required(name: str, header: list[str], wanted: Wanted, form: TablesSettings) -> bool:
    cells = [cell.strip() for cell in header]
    names = renaming(name, cells, wanted, form)
    return not wanted.lacks([*renamed_header(cells, names), *names.places])


def _faults_of_names(raw: RawTable, names: Renaming, wanted: Wanted) -> list[Fault]:
    header = renamed_header(raw.header, names)
    return header_faults(raw.name, [*header, *(name for name in names.places if name not in header)], wanted)


def _text(raw: RawTable, wanted: Wanted, form: TablesSettings) -> pd.DataFrame:
    """The cells, those of known columns stripped, and values put as told."""
    columns = {}
    for column, cells in zip(raw.header, raw.columns, strict=True):
        told = meant(cells, form.values_of(column))
        columns[column] = [cell.strip() for cell in told] if column in wanted.known else told
    return pd.DataFrame(columns, index=list(raw.rows), dtype=object)
