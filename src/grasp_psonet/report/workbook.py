"""A list as an Excel workbook: one sheet, its head fixed and filtered, thumbnails beside the rows, no cell a formula."""

import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.drawing.image import Image
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from grasp_psonet.tables.safe_csv import safe_frame

THUMBNAIL_PX = 72
_WIDEST = 60  # characters
_DAY = datetime(2000, 1, 1)
_POINTS_A_PIXEL = 0.75


def write_workbook(frame: pd.DataFrame, path: Path, thumbnails: Mapping[int, bytes] | None = None) -> None:
    """Writes the frame; ``thumbnails``: JPEG bytes by the row's place, in a first column of their own.

    The same list gives the same bytes: the file does not say when it was made.
    """
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    safe = safe_frame(frame)
    first = 2 if thumbnails else 1
    for column, name in enumerate(safe.columns, start=first):
        sheet.cell(1, column, str(name)).font = Font(bold=True)
        texts = [_plain(value) for value in safe[name]]
        for row, value in enumerate(texts, start=2):
            cell = sheet.cell(row, column, value)
            if isinstance(value, str):
                cell.data_type = "s"  # text, whatever it begins with
                cell.alignment = Alignment(wrap_text=True, vertical="top")
        widest = max([len(str(name)), *(len(str(value)) for value in texts if value is not None)])
        sheet.column_dimensions[get_column_letter(column)].width = min(_WIDEST, widest + 2)
    for place, picture in (thumbnails or {}).items():
        image = Image(io.BytesIO(picture))
        image.width = image.height = THUMBNAIL_PX
        sheet.add_image(image, f"A{place + 2}")
        sheet.row_dimensions[place + 2].height = (THUMBNAIL_PX + 4) * _POINTS_A_PIXEL
    sheet.freeze_panes = sheet.cell(2, first + 1)
    sheet.auto_filter.ref = sheet.dimensions
    book.properties.creator = "grasp_psonet"
    book.properties.created = book.properties.modified = _DAY
    written = io.BytesIO()
    book.save(written)
    path.write_bytes(_without_times(written))


def _plain(value: Any) -> Any:
    """A value as a cell holds it: a missing one as an empty cell, text without characters that a workbook cannot hold."""
    if isinstance(value, str):
        return str(ILLEGAL_CHARACTERS_RE.sub("", value))
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _without_times(written: io.BytesIO) -> bytes:
    """The same archive with one date for all of its parts."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _with_one_time(content)
            target.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return fixed.getvalue()


def _with_one_time(core: bytes) -> bytes:
    """openpyxl writes when it saved, whatever the properties say."""
    opening, closing = b"<dcterms:modified", b"</dcterms:modified>"
    head, _, rest = core.partition(opening)
    kind, _, tail = rest.partition(b">")
    _, _, end = tail.partition(closing)
    return head + opening + kind + b">" + _DAY.strftime("%Y-%m-%dT%H:%M:%SZ").encode() + closing + end
