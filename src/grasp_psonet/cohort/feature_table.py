"""features.csv: which files hold the feature vectors of a visit."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import id_faults, parse_text, parsed
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.sources.mapping import Wanted
from grasp_psonet.cohort.sources.read import read_text_table
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.text_table import TextTable, duplicate_faults
from grasp_psonet.tables.columns import KEY, PATH, VIEW, VISIT_ID

_NEEDED = (VISIT_ID, PATH)


def read_feature_table(path: Path, form: TablesSettings) -> tuple[TextTable, pd.DataFrame, list[Fault]]:
    """The table as read, its files (indexed by row number; view and key missing where not told), and the faults."""
    table = read_text_table(path, Wanted("features", tuple((column,) for column in _NEEDED), (VIEW, KEY)), form)
    files, faults = pd.DataFrame(index=table.text.index), list(table.faults)
    if table.text.empty:
        return table, files, faults
    for column in _NEEDED:
        if column in table.text:
            files[column] = table.text[column].astype("string")
            faults += id_faults(table, column, "file")
    for column in (VIEW, KEY):
        files[column], _ = parsed(table, column, parse_text, f"a {column}", "string")
    if PATH in files:
        array = table.text[PATH] + files[KEY].fillna("").map(lambda key: key and f" ({key})")
        same = replace(table, text=table.text.assign(path=array.astype(str).astype(object)))
        faults += duplicate_faults(same, PATH, "the same vectors in several rows")
    for column in table.text.columns:
        if column and column not in files:
            files[column] = table.text[column].replace("", None).astype("string")
    ordered = [column for column in (VISIT_ID, VIEW, PATH, KEY) if column in files]
    return table, files[ordered + [column for column in files if column not in ordered]], faults
