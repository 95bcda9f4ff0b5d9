"""Which files a study's tables are: those that ``tables.files`` names, or those that lie there under the usual names."""

import csv
from contextlib import suppress
from pathlib import Path

from grasp_psonet.cohort.sources.endings import ENDINGS
from grasp_psonet.cohort.sources.settings import FileName, TablesSettings
from grasp_psonet.errors import StudyError
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import FITZPATRICK, SPLIT


def table_file(study: Study, form: TablesSettings, table: FileName) -> Path:
    """The file of a table: the one that is told, NAME.csv, or the only one of that name and another ending; NAME.csv where
    there is none. Raises StudyError where several lie there.
    """
    if (told := form.files.get(table)) is not None:
        return study.folder / told
    usual = study.folder / f"{table}.csv"
    if usual.exists():
        return usual
    found = [file for ending in ENDINGS if (file := usual.with_suffix(ending)).exists()]
    if len(found) > 1:
        raise StudyError(
            f"{study.folder} holds {' and '.join(file.name for file in found)}\n"
            f"  next: keep one, or say which in tables.files.{table}"
        )
    return found[0] if found else usual


def passed_over(study: Study, form: TablesSettings, table: FileName) -> list[str]:
    """Names of files beside NAME.csv that would be read if it were not there."""
    usual = study.folder / f"{table}.csv"
    if table in form.files or not usual.exists():
        return []
    others = (usual.with_suffix(ending) for ending in ENDINGS if ending != usual.suffix)
    return [file.name for file in others if file.exists()]


def draws_by_skin_type(visits: Path) -> bool:
    """Whether patients of a plain visits.csv are drawn into splits and have skin types, by which they were not always drawn:
    what was made of the splits of before is not what would be made now.
    """
    if visits.suffix.lower() != ".csv" or not visits.is_file():
        return False
    with suppress(OSError, csv.Error), visits.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.reader(file)
        header = [title.strip().lstrip("\ufeff") for title in next(rows, [])]
        if FITZPATRICK not in header:
            return False
        if SPLIT not in header:
            return True
        place = header.index(SPLIT)
        return not any(row[place].strip() for row in rows if len(row) > place)
    return False
