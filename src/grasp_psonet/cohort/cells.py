"""Cells of text as values: scores, days, skin types, splits. What cannot be read becomes a message."""

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pandas as pd

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.settings import MISSING
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.tables.columns import PATH, PATIENT_ID, PHOTO_ID, VISIT_ID

SPLITS = ("train", "val", "test")
SKIN_TYPES = ("I", "II", "III", "IV", "V", "VI")
_MOST_DAYS = 365_250
_MOST_LETTERS, _MOST_LETTERS_OF_PATH = 200, 1024
_NAMES_IN_PATHS = (VISIT_ID, PATIENT_ID, PHOTO_ID)
DECIMAL_WORDS = {".": "decimal point", ",": "decimal comma"}
# control characters, marks of writing direction, and spaces of no width; joiners within words of some scripts are letters
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Parse = Callable[[str], Any]


def parsed(table: TextTable, column: str, parse: Parse, wanted: str, dtype: str) -> tuple[pd.Series, list[Fault]]:
    """The column as ``dtype``, missing where a cell is empty or NA, and a fault of the values that ``parse`` refuses.

    ``parse`` refuses by returning None. A column that the table lacks is missing throughout.
    """
    if column not in table.text:
        return pd.Series(None, index=table.text.index, dtype=dtype), []
    cells = table.text[column]
    value_of = {cell: parse(cell) for cell in cells.unique() if cell.lower() not in MISSING}
    refused = [cell for cell, value in value_of.items() if value is None]
    faults = value_faults(table, column, cells.isin(refused), f"wanted {wanted}", "correct the cell, or empty it")
    return pd.Series([value_of.get(cell) for cell in cells], index=cells.index, dtype=dtype), faults


def id_faults(table: TextTable, column: str, what: str) -> list[Fault]:
    """Faults of ids and paths: empty ones, too long ones, those that hold a character which cannot be seen, such as one that
    turns the direction of writing, and ids with a slash. ``what``: of which thing it is."""
    cells = table.text[column]
    faults = value_faults(table, column, cells == "", f"wanted the {column} of the {what}", "fill the cell")
    unseen = [cell for cell in cells.unique() if not cell.isprintable() and _UNSEEN.search(cell)]
    faults += value_faults(
        table,
        column,
        cells.isin(unseen),
        "holds a character that cannot be seen",
        "write the cell anew; control characters and marks of writing direction are not allowed",
    )
    most = _MOST_LETTERS_OF_PATH if column == PATH else _MOST_LETTERS
    faults += value_faults(
        table,
        column,
        cells.str.len() > most,
        f"holds more than {most} letters",
        "write a shorter one; no text belongs here",
    )
    if column not in _NAMES_IN_PATHS:
        return faults
    leads = [cell for cell in cells.unique() if "/" in cell or "\\" in cell or cell in (".", "..")]
    remedy = "write another letter, such as a hyphen, in every table"
    return faults + value_faults(table, column, cells.isin(leads), "holds a slash, or is a path; an id is none", remedy)


def parse_text(cell: str) -> str:
    return cell


def number_of(cell: str, decimal: str = ".") -> float:
    """The number in a cell with this decimal mark; NaN where it is none."""
    if decimal != "." and "." in cell:
        return math.nan
    plain = cell.replace(decimal, ".", 1)
    return float(plain) if _NUMBER.fullmatch(plain) else math.nan


def parse_score(cell: str, least: float, most: float, decimal: str = ".") -> float | None:
    """A number from ``least`` to ``most``."""
    value = number_of(cell, decimal)
    return value if least <= value <= most else None


def parse_day(cell: str, decimal: str = ".") -> int | None:
    """A whole number of days, also where a program wrote it as 14.0; None beyond a thousand years."""
    value = number_of(cell, decimal)
    return int(value) if value.is_integer() and abs(value) <= _MOST_DAYS else None


def parse_date(cell: str, form: str) -> date | None:
    """A day as ``form`` writes it."""
    try:
        return datetime.strptime(cell, form).date()
    except ValueError:
        return None


def parse_skin_type(cell: str) -> str | None:
    """Fitzpatrick I to VI, also written 1 to 6 (or 1.0 to 6.0)."""
    roman = cell.upper()
    if roman in SKIN_TYPES:
        return roman
    number = parse_day(cell)
    return SKIN_TYPES[number - 1] if number is not None and 1 <= number <= 6 else None


def parse_split(cell: str) -> str | None:
    return cell.lower() if cell.lower() in SPLITS else None


def parse_yes(cell: str) -> bool | None:
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(cell.lower())
