"""Tables of a small study in any form: text, workbooks, Parquet."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import openpyxl
import pandas as pd

Rows = list[list[Any]]

VISITS: Rows = [
    ["visit_id", "patient_id", "pasi_reader1", "pasi_reader2", "fitzpatrick", "site"],
    ["v1", "a", 2.5, 5.1, "IV", "Köln"],
    ["v2", "a", 12, None, "4", "Köln"],
    ["v3", "b", 5, None, "ii", "Bonn"],
    ["v4", "c", 10.1, 10, None, "Bonn"],
]
PHOTOS: Rows = [
    ["photo_id", "visit_id", "view", "path"],
    *([f"p{number}", f"v{number}", "front", f"x/{number}.jpg"] for number in range(1, 5)),
]


def as_cells(rows: Rows, decimal: str = ".") -> list[list[str]]:
    """Values as a spreadsheet program writes them into text."""
    return [
        [
            "" if cell is None else str(cell).replace(".", decimal) if isinstance(cell, float) else str(cell)
            for cell in row
        ]
        for row in rows
    ]


def as_csv(rows: Rows, delimiter: str = ",", decimal: str = ".") -> str:
    """Rows as text; cells that hold the delimiter are quoted."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\r\n").writerows(as_cells(rows, decimal))
    return written.getvalue()


def write_xlsx(path: Path, sheets: dict[str, Rows], first_row: int = 1) -> Path:
    """A workbook of these sheets, numbers as numbers and dates as dates."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for r, row in enumerate(rows, start=first_row):
            for c, cell in enumerate(row, start=1):
                sheet.cell(r, c, cell)
    book.save(path)
    book.close()
    return path


def write_ods(path: Path, sheets: dict[str, Rows]) -> Path:
    """The same as an OpenDocument spreadsheet, written by hand."""
    names = "urn:oasis:names:tc:opendocument:xmlns:"
    body = ""
    for name, rows in sheets.items():
        body += f'<table:table table:name="{escape(name)}">'
        for row in rows:
            body += "<table:table-row>" + "".join(map(_ods_cell, row)) + "</table:table-row>"
        body += "</table:table>"
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><office:document-content '
        f'xmlns:office="{names}office:1.0" xmlns:table="{names}table:1.0" xmlns:text="{names}text:1.0" office:version="1.2">'
        f"<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        parts.writestr("content.xml", content)
        parts.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest xmlns:manifest="{names}manifest:1.0"><manifest:file-entry manifest:full-path="/" '
            'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>',
        )
    return path


def _ods_cell(cell: Any) -> str:
    if cell is None:
        return "<table:table-cell/>"
    if isinstance(cell, int | float):
        return f'<table:table-cell office:value-type="float" office:value="{cell}"><text:p>{cell}</text:p></table:table-cell>'
    return f'<table:table-cell office:value-type="string"><text:p>{escape(str(cell))}</text:p></table:table-cell>'


def write_parquet(path: Path, rows: Rows) -> Path:
    """The same as Parquet, each column of its own type."""
    pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(path)
    return path
