"""Cells of text as values: PASI, days, classes, skin types, splits. What cannot be read becomes a letter."""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from grasp_psonet.cohort.csv_table import CsvTable, value_faults
from grasp_psonet.cohort.severity import PASI_MAX, SEVERITIES

SPLITS = ("train", "val", "test")
SKIN_TYPES = ("I", "II", "III", "IV", "V", "VI")
_MISSING = ("", "na", "n/a", "nan")  # how spreadsheets, R and pandas write a missing value
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Parse = Callable[[str], Any]


def parsed(table: CsvTable, column: str, parse: Parse, wanted: str, dtype: str) -> tuple[pd.Series, list[str]]:
    """The column as ``dtype``, missing where a cell is empty or NA, and a letter per value that ``parse`` refuses.

    ``parse`` refuses by returning None. A column that the table lacks is missing throughout.
    """
    if column not in table.text:
        return pd.Series(None, index=table.text.index, dtype=dtype), []
    cells = table.text[column]
    value_of = {cell: parse(cell) for cell in cells.unique() if cell.lower() not in _MISSING}
    refused = [cell for cell, value in value_of.items() if value is None]
    messages = value_faults(table, column, cells.index[cells.isin(refused)], f"wanted {wanted}")
    return pd.Series([value_of.get(cell) for cell in cells], index=cells.index, dtype=dtype), messages


def parse_text(cell: str) -> str:
    return cell


def parse_pasi(cell: str) -> float | None:
    """A PASI between 0 and 72 with a decimal point."""
    value = float(cell) if _NUMBER.fullmatch(cell) else -1.0
    return value if 0 <= value <= PASI_MAX else None


def parse_day(cell: str) -> int | None:
    """A whole number of days, also where a program wrote it as 14.0."""
    return int(float(cell)) if _NUMBER.fullmatch(cell) and float(cell).is_integer() else None


def parse_severity(cell: str) -> int | None:
    """Class 0, 1 or 2 from its name in any case."""
    return SEVERITIES.index(cell.lower()) if cell.lower() in SEVERITIES else None


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
