"""CSV that a person may open in a spreadsheet program without harm: no cell is taken for a formula.

Programs part the columns of a file by the list separator of their language, which is a semicolon in much of Europe, and then a
quote within a cell quotes nothing. So what follows a separator or a line break inside a text is looked at like its beginning.
"""

import re
from pathlib import Path

import pandas as pd

from grasp_psonet.files import write_whole

_BEGINS_FORMULA = "=+@＝＋－＠-"  # the middle four: as wide letters; the hyphen last, for it stands in a set of letters
_NUMBER = r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_FORMULA = re.compile(rf"(^|[,;|\t\r\n])(?=[\s\"\ufeff\u200b]*[{_BEGINS_FORMULA}])(?!{_NUMBER}(?:$|[,;|\t\r\n]))")
_BEGINS_A_COLUMN = ("\t", "\r")


def write_safe_csv(frame: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Writes a frame as UTF-8 with a byte order mark, by which spreadsheet programs know it, whole or not at all.

    Raises FileError where it cannot be written.
    """
    safe = safe_frame(frame)
    write_whole(path, lambda beside: safe.to_csv(beside, index=False, encoding="utf-8-sig", float_format=float_format))


def safe_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, a ' before every text, title or cell, that a spreadsheet program would take for a formula, and before every
    part of one that a separator or a line break begins."""
    safe = frame.rename(columns={title: safe_cell(str(title)) for title in frame.columns})
    for title, values in safe.items():
        if not pd.api.types.is_numeric_dtype(values):
            codes, distinct = pd.factorize(values.astype(object))
            told = [safe_cell(value) if isinstance(value, str) else value for value in distinct]
            safe[title] = pd.Series([*told, None], dtype=object).take(codes).to_numpy()  # -1, the last, is missing
    return safe


def safe_cell(text: str) -> str:
    """Text as a cell. Numbers stay as they are, also negative ones."""
    safe = _FORMULA.sub(r"\1'", text)
    return f"'{safe}" if safe.startswith(_BEGINS_A_COLUMN) else safe
