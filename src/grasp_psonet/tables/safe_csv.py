"""CSV that a person may open in a spreadsheet program without harm: no cell is taken for a formula."""

from pathlib import Path

import pandas as pd

from grasp_psonet.files import write_whole

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # the last four: as wide letters


def write_safe_csv(frame: pd.DataFrame, path: Path) -> None:
    """Writes a frame as UTF-8 with a byte order mark, by which spreadsheet programs know it, whole or not at all.

    Raises FileError where it cannot be written.
    """
    safe = safe_frame(frame)
    write_whole(path, lambda beside: safe.to_csv(beside, index=False, encoding="utf-8-sig"))


def safe_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, a ' before every text, title or cell, that a spreadsheet program would take for a formula."""
    safe = frame.rename(columns={title: safe_cell(str(title)) for title in frame.columns})
    for title, values in safe.items():
        if not pd.api.types.is_numeric_dtype(values):
            codes, distinct = pd.factorize(values.astype(object))
            told = [safe_cell(value) if isinstance(value, str) else value for value in distinct]
            safe[title] = pd.Series([*told, None], dtype=object).take(codes).to_numpy()  # -1, the last, is missing
    return safe


def safe_cell(text: str) -> str:
    """Text as a cell. Numbers stay as they are, also negative ones."""
    is_formula = text.startswith(_BEGINS_FORMULA) or text.lstrip().startswith(_BEGINS_FORMULA)
    return f"'{text}" if is_formula and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and text == text.strip()
