"""photos.csv and views.csv: which files show a visit, and the protocol of views they follow."""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd

from grasp_psonet.cohort.cells import id_faults, parse_text, parse_yes, parsed
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.sources.mapping import Wanted
from grasp_psonet.cohort.sources.read import read_text_table
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.text_table import TextTable, duplicate_faults
from grasp_psonet.tables.columns import BODY_REGION, CODE, PATH, PHOTO_ID, REQUIRED, SIDE, VIEW, VISIT_ID

_ODD = re.compile(r"(^|/)(\.?/|\.$)|.\Z(?<=/)")  # a path that can be written more plainly: ./a, a//b, a/
_PHOTO_COLUMNS = (PHOTO_ID, VISIT_ID, PATH)

Read = tuple[TextTable, pd.DataFrame, list[Fault]]


def read_photos(path: Path, form: TablesSettings) -> Read:
    """The table as read, its photos (indexed by row number; view missing where not told), and the faults."""
    wanted = Wanted("photos", tuple((column,) for column in _PHOTO_COLUMNS), (VIEW,))
    return _parse_photos(read_text_table(path, wanted, form))


def photos_of_visits(visits: TextTable, form: TablesSettings) -> Read:
    """The photos that columns of the visits table name (``tables.photo_columns``), as if they stood in photos.csv; a row of
    visits may stand for several. The id of a photo is its visit's and its view's.
    """
    faults, parts = [], []
    for title, view in form.photo_columns.items():
        if title not in visits.text:
            listed = ", ".join(repr(str(column)) for column in visits.text.columns[:30])
            problem = f"no column {title!r}, which tables.photo_columns names"
            faults.append(Fault(problem, visits.name, remedy=f"the columns are {listed}"))
        elif VISIT_ID in visits.text:
            path = visits.text[title].str.strip()
            visit = visits.text[VISIT_ID][path != ""]
            columns = {PHOTO_ID: visit + f"-{view}", VISIT_ID: visit, VIEW: view, PATH: path[path != ""]}
            parts.append(pd.DataFrame(columns, dtype=object))
    if faults or not parts:
        return TextTable(visits.name, pd.DataFrame(), tuple(faults)), pd.DataFrame(), faults
    titles = {PATH: " or ".join(form.photo_columns), VIEW: "tables.photo_columns"}
    text = pd.concat(parts).sort_index(kind="stable")
    if text.empty:
        faults.append(Fault("no cell of tables.photo_columns names a photo", visits.name))
    return _parse_photos(TextTable(visits.name, text, tuple(faults), (), titles))


def _parse_photos(table: TextTable) -> Read:
    photos, faults = pd.DataFrame(index=table.text.index), list(table.faults)
    if table.text.empty:
        return table, photos, faults
    for column in _PHOTO_COLUMNS:
        if column in table.text:
            photos[column] = table.text[column].astype("string")
            faults += id_faults(table, column, "photo")
    photos[VIEW], _ = parsed(table, VIEW, parse_text, "a view", "string")
    if PHOTO_ID in photos:
        faults += duplicate_faults(
            table, PHOTO_ID, "stands in several rows; photo ids are unique in a study", "number them anew"
        )
    if PATH in photos:
        plain = [str(PurePosixPath(cell)) if _ODD.search(cell) else cell for cell in table.text[PATH]]
        same_file = table.text.assign(path=pd.Series(plain, index=table.text.index, dtype=object))
        faults += duplicate_faults(
            replace(table, text=same_file), PATH, "the same file in several rows", "keep one row of each file"
        )
    return table, _ordered(table, photos, (PHOTO_ID, VISIT_ID, VIEW, PATH)), faults


def read_views(path: Path, form: TablesSettings) -> Read:
    """The table as read, the protocol (code, body_region, side, required, further columns), and the faults."""
    table = read_text_table(path, Wanted("views", ((CODE,),), (BODY_REGION, SIDE, REQUIRED)), form)
    views, faults = pd.DataFrame(index=table.text.index), list(table.faults)
    if table.text.empty or CODE not in table.text:
        return table, views, faults
    views[CODE] = table.text[CODE].astype("string")
    faults += id_faults(table, CODE, "view")
    faults += duplicate_faults(table, CODE, "stands in several rows; wanted one row per view")
    for column in (BODY_REGION, SIDE):
        views[column], _ = parsed(table, column, parse_text, "a name", "string")
    required, found = parsed(table, REQUIRED, parse_yes, "yes or no", "boolean")
    views[REQUIRED] = required.fillna(False).astype(bool)
    return table, _ordered(table, views, ()), faults + found


def _ordered(table: TextTable, frame: pd.DataFrame, first: tuple[str, ...]) -> pd.DataFrame:
    """Our columns, then the user's further ones as text."""
    for column in table.text.columns:
        if column and column not in frame:
            frame[column] = table.text[column].replace("", None).astype("string")
    ordered = [column for column in first if column in frame]
    return frame[ordered + [column for column in frame if column not in ordered]]
