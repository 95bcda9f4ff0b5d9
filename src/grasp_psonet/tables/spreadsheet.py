"""CSV files that a person opens in a spreadsheet."""

from pathlib import Path

import pandas as pd

from grasp_psonet.files import write_whole

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the begin of a formula


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Writes the frame as UTF-8 CSV, whole or not at all; text that a spreadsheet would run as a formula gets a ' before it."""
    safe = harmless(frame)
    write_whole(path, lambda beside: safe.to_csv(beside, index=False))


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a ' before every text, and every name of a column, that begins like a formula."""
    safe = frame.rename(columns=_harmless)
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]) and not pd.api.types.is_bool_dtype(safe[name]):
            safe[name] = safe[name].map(_harmless, na_action="ignore")
    return safe


def _harmless(cell: object) -> object:
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
