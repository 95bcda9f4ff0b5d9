"""Cells of text as values: scores, days, skin types, splits. What cannot be read becomes a message."""

import math
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from grasp_psonet.cohort.csv_table import CsvTable, value_faults
from grasp_psonet.cohort.settings import MISSING

SPLITS = ("train", "val", "test")
SKIN_TYPES = ("I", "II", "III", "IV", "V", "VI")
_MOST_DAYS = 365_250
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Parse = Callable[[str], Any]


def parsed(table: CsvTable, column: str, parse: Parse, wanted: str, dtype: str) -> tuple[pd.Series, list[str]]:
    """The column as ``dtype``, missing where a cell is empty or NA, and a message per value that ``parse`` refuses.

    ``parse`` refuses by returning None. A column that the table lacks is missing throughout.
    """
    if column not in table.text:
        return pd.Series(None, index=table.text.index, dtype=dtype), []
    cells = table.text[column]
    value_of = {cell: parse(cell) for cell in cells.unique() if cell.lower() not in MISSING}
    refused = [cell for cell, value in value_of.items() if value is None]
    messages = value_faults(table, column, cells.index[cells.isin(refused)], f"wanted {wanted}")
    return pd.Series([value_of.get(cell) for cell in cells], index=cells.index, dtype=dtype), messages


def parse_text(cell: str) -> str:
    return cell


def parse_score(cell: str, least: float, most: float) -> float | None:
    """A number from ``least`` to ``most`` with a decimal point."""
    value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    return value if least <= value <= most else None


def parse_day(cell: str) -> int | None:
    """A whole number of days, also where a program wrote it as 14.0; None beyond a thousand years."""
    value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    return int(value) if value.is_integer() and abs(value) <= _MOST_DAYS else None


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
