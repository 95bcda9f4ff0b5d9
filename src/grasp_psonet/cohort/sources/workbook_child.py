"""Reads one sheet of a workbook in a process of its own, whose memory and time are bounded: a cell far out, or a file made to
do harm, ends this process and nothing else.

Called as a script with the file, the sheet's name and the table's; it writes JSON, line by line: first what the workbook
holds, then every row. Nothing of a workbook is run: macros and links are passed over, formulas give the values that stand in
the file. Loads nothing of this project.
"""

import datetime
import json
import re
import resource
import sys
import zipfile
from typing import Any

MOST_BYTES = 2 * 2**30
MOST_SECONDS = 120
_ERROR = re.compile(rb'<c r="([A-Z]{1,3})(\d{1,7})"[^>]*\bt="e"[^>]*>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)?<v>([^<]{1,20})')
_UNSOLVED = re.compile(
    rb'<c r="([A-Z]{1,3})(\d{1,7})"(?![^>]*\bt="str")[^>]*>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)(?:<v\s*/>|<v></v>)?</c>'
)


def main(file: str, told_sheet: str, table: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    import python_calamine as calamine

    try:
        book = calamine.load_workbook(file)
        sheet, fault = _choose(book, told_sheet, table)
        if fault:
            _say({"fault": fault})
            return
        rows = book.get_sheet_by_name(sheet)
        first = (rows.start or (0, 0))[0]
        _say({"sheet": sheet, "sheets": book.sheet_names, "left": (rows.start or (0, 0))[1], "first": first + 1})
        for place, text in _odd_cells(file, sheet, book.sheet_names):
            _say({"odd": place, "text": text})
        _say({"rows": rows.height if rows.start is not None else 0})
        if rows.start is not None:
            for row in rows.to_python(skip_empty_area=True):
                _say([_plain(cell) for cell in row])
    except calamine.PasswordError:
        _say({"fault": "is protected by a password; save it without"})
    except (calamine.CalamineError, OSError, ValueError) as error:
        _say({"fault": f"cannot be read as a workbook ({str(error).splitlines()[0] if str(error) else 'damaged'})"})


def _choose(book: Any, told: str, table: str) -> tuple[str, str]:
    """The sheet to read, or why it cannot be known: the one that is told, the only one, or the one of the table's name."""
    names: list[str] = list(book.sheet_names)
    listed = ", ".join(map(repr, names[:12]))
    if told:
        return (told, "") if told in names else ("", f"has no sheet {told!r} (tables.sheets), but {listed}")
    if not names:
        return "", "has no sheet"
    named = [name for name in names if name.strip().lower() == table]
    if len(names) == 1 or named:
        return (named or names)[0], ""
    return "", f"has several sheets: {listed}; say which in tables.sheets.{table}"


def _odd_cells(file: str, sheet: str, names: list[str]) -> list[tuple[list[int], str]]:
    """Cells ([row, column] from 1) of an .xlsx that hold an error, or a formula whose value was never worked out. The reader
    gives both as empty, and empty means missing."""
    if not zipfile.is_zipfile(file):
        return []
    with zipfile.ZipFile(file) as parts:
        if "content.xml" in parts.namelist():
            is_error = b'value-type="error"' in parts.read("content.xml")
            return [([0, 0], "an error of the spreadsheet program, such as #REF!")] * is_error
        part = _part_of(parts, sheet, names)
        if part is None:
            return []
        xml = parts.read(part)
    found = []
    if b't="e"' in xml:
        found += [([int(row), _number(letters)], text.decode()) for letters, row, text in _ERROR.findall(xml)]
    if b"<f" in xml:
        found += [([int(row), _number(letters)], "=") for letters, row in _UNSOLVED.findall(xml)]
    return found


def _part_of(parts: zipfile.ZipFile, sheet: str, names: list[str]) -> str | None:
    """The file of a sheet within an .xlsx; None where it is laid out in another way."""
    try:
        book, links = parts.read("xl/workbook.xml").decode(), parts.read("xl/_rels/workbook.xml.rels").decode()
    except (KeyError, UnicodeDecodeError):
        return None
    ids = re.findall(r"<(?:\w+:)?sheet\s[^>]*?\br?:?id=\"([^\"]+)\"", book)
    targets: dict[str, str] = {}
    for link in re.findall(r"<Relationship\s[^>]*>", links):
        name, target = re.search(r'\bId="([^"]+)"', link), re.search(r'\bTarget="([^"]+)"', link)
        if name and target:
            targets[name[1]] = target[1]
    if len(ids) != len(names) or ids[names.index(sheet)] not in targets:
        return None
    place = targets[ids[names.index(sheet)]]
    part = place.lstrip("/") if place.startswith("/") else f"xl/{place}"
    return part if part in parts.namelist() else None


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters.decode():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _plain(cell: Any) -> Any:
    """Dates as {"date": ...}; durations and times of day as text."""
    if isinstance(cell, datetime.datetime | datetime.date):
        return {"date": cell.isoformat()}
    return cell if isinstance(cell, str | bool | int | float) else str(cell)


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
