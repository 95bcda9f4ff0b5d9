"""features.csv: which files hold the feature vectors of a visit."""

from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import parse_text, parsed
from grasp_psonet.cohort.csv_table import CsvTable, duplicate_faults, read_csv_table, value_faults
from grasp_psonet.tables.columns import KEY, PATH, VIEW, VISIT_ID

_NEEDED = (VISIT_ID, PATH)


def read_feature_table(path: Path) -> tuple[CsvTable, pd.DataFrame, list[str]]:
    """The table as read, its files (indexed by row number; view and key missing where not told), and the faults."""
    table = read_csv_table(path, tuple((column,) for column in _NEEDED), (VIEW, KEY))
    files, faults = pd.DataFrame(index=table.text.index), list(table.faults)
    if table.text.empty:
        return table, files, faults
    for column in _NEEDED:
        if column in table.text:
            cells = table.text[column]
            files[column] = cells.astype("string")
            faults += value_faults(table, column, cells.index[cells == ""], f"wanted the {column} of the file")
    for column in (VIEW, KEY):
        files[column], _ = parsed(table, column, parse_text, f"a {column}", "string")
    if PATH in files:
        array = table.text[PATH] + files[KEY].fillna("").map(lambda key: key and f" ({key})")
        same = CsvTable(table.name, table.text.assign(path=array.astype(str)))
        faults += duplicate_faults(same, PATH, "the same vectors in several rows")
    for column in table.text.columns:
        if column and column not in files:
            files[column] = table.text[column].replace("", None).astype("string")
    ordered = [column for column in (VISIT_ID, VIEW, PATH, KEY) if column in files]
    return table, files[ordered + [column for column in files if column not in ordered]], faults
