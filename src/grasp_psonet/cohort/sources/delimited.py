"""Text files as raw tables: comma, semicolon, tab or bar; any encoding. What is not told is found where only one answer fits.

Python's csv module reads them record by record: a quoted cell may hold a line break, and rows are counted as a spreadsheet
counts them.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.sources.raw import RawTable, unreadable, with_size_of
from grasp_psonet.cohort.sources.settings import AUTO, DELIMITERS, TablesSettings

_MARKS = (  # the longer ones first: UTF-32 begins as UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES = (  # what is no text at all, by its first bytes
    (b"PK\x03\x04", "a workbook or another zip file; name it by its kind (.xlsx, .ods)"),
    (b"\xd0\xcf\x11\xe0", "a workbook of the old kind; name it .xls"),
    (b"PAR1", "a Parquet file; name it .parquet"),
    (b"\x1f\x8b", "compressed with gzip; unpack it"),
    (b"%PDF", "a PDF; export the table as CSV"),
    (b"[{", "JSON; export the table as CSV"),
    (b"{", "JSON; export the table as CSV"),
)
_HEAD_BYTES = 1 << 20
_NAMES = {"\t": "tab"}

Fits = Callable[[list[str]], bool]


def read_delimited(path: Path, form: TablesSettings, fits: Fits) -> RawTable:
    """The table in a text file. ``fits`` says whether a header has the columns that are wanted.

    Everything that is wrong with its form is a fault of the table; nothing is raised that a file can cause.
    """
    name = path.name
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for start, kind in _OTHER_FILES:
        if head.startswith(start):
            return unreadable(name, f"is {kind}")
    encoding, fault = _encoding(head, form.encoding)
    if fault:
        return unreadable(name, fault)
    if not encoding.startswith(("utf-16", "utf-32")) and (line := _line_of_nul(path)):
        remedy = "if the file is UTF-16, say so in tables.encoding"
        return unreadable(name, "a NUL character, which no text has", remedy, line)
    try:
        first, delimiter, why_unknown = _form(path, encoding, form.told_delimiter, fits)
        if why_unknown:
            return unreadable(name, *why_unknown)
        return _with_notes(_records(path, encoding, delimiter, first), encoding, delimiter, form)
    except UnicodeDecodeError:
        return _badly_encoded(path, encoding)
    except UnicodeError as error:  # UTF-16 without its mark
        return unreadable(name, f"is not {encoding} ({error})")
    except csv.Error as error:
        return unreadable(name, *_why_not_csv(str(error)), line=_line_of_error(path, encoding, delimiter))


def _encoding(head: bytes, told: str) -> tuple[str, str]:
    """The encoding to read in, or why there is none."""
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
    if told == AUTO:
        return marked or "utf-8", ""
    wanted = codecs.lookup(told).name
    if marked is None and wanted not in ("utf-8", "ascii") and not wanted.startswith("utf-") and _is_utf8(head):
        return "utf-8", ""
    if marked is None or wanted.startswith(marked.removesuffix("-sig")):
        return marked if marked is not None and wanted in ("utf-8", "utf-8-sig") else wanted, ""
    return "", f"begins with the byte order mark of {marked.removesuffix('-sig')}; tables.encoding says {told}"


def _is_utf8(head: bytes) -> bool:
    """Whether bytes hold letters beyond ASCII, all of them in UTF-8: hardly ever so in text of one byte a letter."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not head.isascii()


def _line_of_nul(path: Path) -> int:
    """The line of the first NUL byte; 0 where there is none."""
    line = 1
    with path.open("rb") as file:
        while block := file.read(_HEAD_BYTES):
            place = block.find(b"\0")
            if place >= 0:
                return line + block.count(b"\n", 0, place)
            line += block.count(b"\n")
    return 0


def _lines(path: Path, encoding: str) -> io.TextIOWrapper:
    return path.open(encoding=encoding, newline="")


def _form(path: Path, encoding: str, told: str | None, fits: Fits) -> tuple[int, str, tuple[str, str] | None]:
    """How many lines stand before the header, the delimiter, and why it cannot be known."""
    with _lines(path, encoding) as lines:
        start = lines.readline(_HEAD_BYTES)
        said = re.fullmatch(r"sep=(.)\r?\n?", start)  # Excel's own line, which it does not show
        first = 1 if said else 0
        header = lines.readline(_HEAD_BYTES) if said else start
    split = {mark: _split(header, mark) for mark in DELIMITERS}
    parted = [mark for mark, cells in split.items() if len(cells) > 1]
    if told is not None:
        others = [mark for mark in parted if mark != told and fits(split[mark])]
        if len(split[told]) == 1 and others:
            return first, told, (f"cells are separated by {others[0]!r}; tables.delimiter says {told!r}", "")
        return first, told, None
    if said:
        return first, said[1], None
    fitting = [mark for mark in DELIMITERS if fits(split[mark])]
    if "," in fitting or not parted:
        return first, ",", None
    likely = fitting or parted
    if len(likely) > 1:
        listed = " or ".join(repr(mark) for mark in likely)
        return first, "", (f"cells may be separated by {listed}", "say which in tables.delimiter")
    return first, likely[0], None


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return []


def _rows(path: Path, encoding: str, delimiter: str, skipped: int) -> Generator[list[str], None, None]:
    with _lines(path, encoding) as lines:
        for _ in range(skipped):
            lines.readline()
        yield from csv.reader(lines, delimiter=delimiter, strict=True)


def _records(path: Path, encoding: str, delimiter: str, skipped: int) -> RawTable:
    with closing(_rows(path, encoding, delimiter, skipped)) as records:
        header = [cell.strip() for cell in next(records, [])]
        if (refused := with_size_of(header, path.name)) is not None:
            return refused
        width = len(header)
        columns: list[list[str]] = [[] for _ in header]
        rows: list[int] = []
        ragged: list[int] = []
        for row, cells in enumerate(records, start=2):
            if not any(cells) or not "".join(cells).strip():
                continue
            if len(cells) != width:
                ragged.append(row)
            rows.append(row)
            padded = cells if len(cells) == width else [*cells, *[""] * width][:width]
            for column, cell in zip(columns, padded, strict=True):
                column.append(cell)
    faults = []
    if ragged:
        faults.append(
            Fault(
                f"more or fewer cells than the {width} columns of the header",
                path.name,
                rows=tuple(ragged),
                remedy="put quotes around a cell that holds the delimiter",
            )
        )
    return RawTable(path.name, tuple(header), tuple(columns), tuple(rows), tuple(faults))


def _with_notes(table: RawTable, encoding: str, delimiter: str, form: TablesSettings) -> RawTable:
    """What was found without being told is said; commas and UTF-8 are what is expected."""
    notes = []
    if form.told_delimiter is None and delimiter != ",":
        shown = _NAMES.get(delimiter, repr(delimiter))
        notes.append(Fault(f"read with cells separated by {shown} (tables.delimiter)", table.name))
    if form.encoding == AUTO and encoding not in ("utf-8", "utf-8-sig"):
        notes.append(Fault(f"read as {encoding}, which its byte order mark says (tables.encoding)", table.name))
    if encoding == "utf-8" and form.encoding != AUTO and codecs.lookup(form.encoding).name != "utf-8":
        notes.append(Fault(f"is UTF-8 and read so; tables.encoding says {form.encoding}", table.name))
    return replace(table, notes=(*table.notes, *notes))


def _badly_encoded(path: Path, encoding: str) -> RawTable:
    """Names the first byte that is not of this encoding."""
    raw = path.read_bytes()
    try:
        raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        byte = f"byte 0x{raw[error.start]:02x}"
        if not encoding.startswith("utf-8"):
            return unreadable(path.name, f"{byte} is not {encoding} (tables.encoding)", line=line)
        remedy = "or say its encoding in tables.encoding, e.g. cp1252"
        return unreadable(path.name, f"{byte} is not UTF-8; save the table as CSV UTF-8", remedy, line)
    raise AssertionError("the file changed while it was read")


def _why_not_csv(told: str) -> tuple[str, str]:
    """What the csv module says, in our words, and what to do."""
    if "field limit" in told:
        return (
            f"a cell of more than {csv.field_size_limit():,} letters, or a quote that is never closed",
            "close the quote, or shorten the cell; a table holds no documents or pictures",
        )
    if "unexpected end of data" in told:
        return "a quote is opened and never closed: the file ends in it", "close the quote, or double it within a cell"
    if "expected after" in told:
        return "letters follow a closed quote", "double a quote that stands within a cell"
    return f"not CSV ({told})", "save the table as CSV UTF-8 anew"


def _line_of_error(path: Path, encoding: str, delimiter: str) -> int:
    """The line in which the row begins that cannot be read."""
    begins = 1
    with _lines(path, encoding) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for _ in reader:
                begins = reader.line_num + 1
        except (csv.Error, UnicodeError):
            pass
    return begins
