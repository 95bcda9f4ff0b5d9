"""photos.csv and views.csv: which files show a visit, and the protocol of views they follow."""

from pathlib import Path, PurePosixPath

import pandas as pd

from grasp_psonet.cohort.cells import parse_text, parse_yes, parsed
from grasp_psonet.cohort.csv_table import CsvTable, duplicate_faults, read_csv_table, value_faults
from grasp_psonet.tables.columns import BODY_REGION, CODE, PATH, PHOTO_ID, REQUIRED, SIDE, VIEW, VISIT_ID

_PHOTO_COLUMNS = (PHOTO_ID, VISIT_ID, PATH)


def read_photos(path: Path) -> tuple[CsvTable, pd.DataFrame, list[str]]:
    """The table as read, its photos (indexed by row number; view missing where not told), and the faults."""
    table = read_csv_table(path, tuple((column,) for column in _PHOTO_COLUMNS), ("view",))
    photos, faults = pd.DataFrame(index=table.text.index), list(table.faults)
    if table.text.empty:
        return table, photos, faults
    for column in _PHOTO_COLUMNS:
        if column in table.text:
            cells = table.text[column]
            photos[column] = cells.astype("string")
            faults += value_faults(table, column, cells.index[cells == ""], f"wanted the {column} of the photo")
    photos[VIEW], _ = parsed(table, VIEW, parse_text, "a view", "string")
    if PHOTO_ID in photos:
        faults += duplicate_faults(table, PHOTO_ID, "stands in several rows; photo ids are unique in a study")
    if PATH in photos:
        same_file = table.text.assign(path=table.text[PATH].map(lambda cell: cell and str(PurePosixPath(cell))))
        faults += duplicate_faults(CsvTable(table.name, same_file), PATH, "the same file in several rows")
    for column in table.text.columns:
        if column and column not in photos:
            photos[column] = table.text[column].replace("", None).astype("string")
    ordered = [column for column in (PHOTO_ID, VISIT_ID, VIEW, PATH) if column in photos]
    return table, photos[ordered + [column for column in photos if column not in ordered]], faults


def read_views(path: Path) -> tuple[CsvTable, pd.DataFrame, list[str]]:
    """The table as read, the protocol (code, body_region, side, required, further columns), and the faults."""
    table = read_csv_table(path, (("code",),), (BODY_REGION, SIDE, REQUIRED))
    views, faults = pd.DataFrame(index=table.text.index), list(table.faults)
    if table.text.empty or CODE not in table.text:
        return table, views, faults
    cells = table.text[CODE]
    views[CODE] = cells.astype("string")
    faults += value_faults(table, CODE, cells.index[cells == ""], "wanted the code that photos.csv uses")
    faults += duplicate_faults(table, CODE, "stands in several rows; wanted one row per view")
    for column in (BODY_REGION, SIDE):
        views[column], _ = parsed(table, column, parse_text, "a name", "string")
    required, messages = parsed(table, REQUIRED, parse_yes, "yes or no", "boolean")
    views[REQUIRED] = required.fillna(False).astype(bool)
    for column in table.text.columns:
        if column and column not in views:
            views[column] = table.text[column].replace("", None).astype("string")
    return table, views, faults + messages
