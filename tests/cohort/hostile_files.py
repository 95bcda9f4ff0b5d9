"""Files made to do harm, or damaged, in the place of a table."""

import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.cohort.made_tables import VISITS, write_ods, write_xlsx

Make = Callable[[Path], object]


def no_regular_files() -> dict[str, tuple[Make, str]]:
    """By name how it is put in the place of a table, and what is said of it."""

    def loop(path: Path) -> None:
        path.symlink_to(path.with_name("other"))
        path.with_name("other").symlink_to(path)

    def listening(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as one:
            os.chdir(path.parent)  # the path of a socket is short
            one.bind(path.name)

    def sparse(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(5 * 2**30)

    return {
        "folder": (lambda path: path.mkdir(), "is a folder"),
        "pipe": (os.mkfifo, "is a pipe"),
        "socket": (listening, "is no regular file"),
        "link to nothing": (lambda path: path.symlink_to("nothing"), "cannot be read (No such file or directory)"),
        "loop of links": (loop, "cannot be read (Too many levels of symbolic links)"),
        "endless device": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
        "empty device": (lambda path: path.symlink_to("/dev/null"), "is a device"),
        "five GiB of nothing": (sparse, "holds 5.0 GiB; a table has at most 1 GiB"),
    }


def texts() -> dict[str, tuple[bytes, str]]:
    """Bytes of a visits.csv, and what is said of them."""
    head = b"visit_id,patient_id,pasi_reader1\n"
    return {
        "empty": (b"", "no header in row 1"),
        "byte order mark alone": (b"\xef\xbb\xbf", "no header in row 1"),
        "blank lines": (b"\n\n\n", "no header in row 1"),
        "header alone": (head, "no rows below the header"),
        "one column": (b"visit_id\nv1\n", "no column 'patient_id'"),
        "one column without a name": (b'""\nv1\n', "no header in row 1"),
        "NUL in an id": (head + b"v\x001,a,3\n", "line 2: a NUL character"),
        "NUL bytes": (b"\0" * 2**20, "line 1: a NUL character"),
        "quote never closed": (head + b'v1,"a,3\n' * 3, "letters follow a closed quote"),
        "text after a quote": (head + b'v1,"a"b,3\n', "line 2: letters follow a closed quote"),
        "quote never closed, in the last cell": (head + b'v1,a,"3\n', "line 2: a quote is opened and never closed"),
        "a cell of 300 kB": (
            head + b'v1,"' + b"a\n" * 150_000 + b'",3\n',
            "line 2: a cell of more than 131,072 letters",
        ),
        "a cell of a MiB": (head + b"v1," + b"a" * 2**20 + b",3\n", "line 2: a cell of more than 131,072 letters"),
        "a line of 8 MiB": (b"a" * 2**23, "a cell of more than 131,072 letters"),
        "half a million columns": (b"c," * 500_000 + b"c\n", "columns; a table has at most 16384"),
        "ragged": (head + b"v1,a,3,4,5\nv2\n", "rows 2-3: more or fewer cells than the 3 columns"),
        "columns twice": (
            b"visit_id,patient_id,pasi_reader1,visit_id\nv1,a,3,v2\n",
            "column 'visit_id' stands 2 times",
        ),
        "not UTF-8": (head + b"v\xe91,a,3\n", "line 2: byte 0xe9 is not UTF-8"),
        "UTF-16 cut off": (b"\xff\xfe" + head.decode().encode("utf-16-le")[:-1], "is not utf-16"),
        "half a letter of UTF-16": (b"\xff\xfe\x00\xd8a\x00", "is not utf-16"),
        "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "NUL character"),
        "a workbook": (b"PK\x03\x04" + b"a" * 90, "is a workbook or another zip file"),
        "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"a" * 90, "is a workbook of the old kind"),
        "gzip": (b"\x1f\x8b\x08\0abc", "is compressed with gzip"),
        "a PDF": (b"%PDF-1.7\n1 0 obj\n", "is a PDF"),
        "Parquet": (b"PAR1abcPAR1", "is a Parquet file"),
        "a web page": (b"<!doctype html>\n<table><tr><td>visit_id</td></tr></table>\n", "no column 'visit_id'"),
        "JSON": (b'[{"visit_id": "v1",\n"patient_id": "a"}]\n', "is JSON; export the table as CSV"),
        "bytes at random": (np.random.default_rng(0).bytes(10_000), ""),
        "Excel's line alone": (b"sep=;\n", "no header in row 1"),
        "a separator of its own": (b"sep=v\n" + head, "no column"),
    }


def damaged(whole: bytes, how: str, seed: int) -> bytes:
    """A file cut off, or with a few bits turned."""
    rng = np.random.default_rng(seed)
    if how == "cut":
        return whole[: int(rng.integers(1, len(whole)))]
    raw = bytearray(whole)
    for place in rng.integers(0, len(raw), 8):
        raw[place] ^= 1 << int(rng.integers(8))
    return bytes(raw)


def with_part(path: Path, name: str, text: str | bytes) -> Path:
    """The workbook with one of its parts replaced, or another beside them."""
    with zipfile.ZipFile(path) as parts:
        held = {part: parts.read(part) for part in parts.namelist()}
    held[name] = text.encode() if isinstance(text, str) else text
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        for part, data in held.items():
            parts.writestr(part, data)
    return path


def part_of(path: Path, name: str) -> str:
    """The text of one part of a workbook."""
    with zipfile.ZipFile(path) as parts:
        return parts.read(name).decode()


SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY j SYSTEM "file:///etc/passwd">]>'


def _plain(path: Path) -> Path:
    return write_xlsx(path, {"visits": VISITS})


def _with_entity(path: Path, doctype: str) -> None:
    xml = part_of(_plain(path), SHEET)
    begin, start = xml.index("<worksheet"), xml.index('<c r="B2"')
    cell = '<c r="B2" t="inlineStr"><is><t>&j;</t></is></c>'
    with_part(path, SHEET, xml[:begin] + doctype + xml[begin:start] + cell + xml[xml.index("</c>", start) + 4 :])


def _far_cell(path: Path) -> None:
    row = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    with_part(_plain(path), SHEET, part_of(path, SHEET).replace("</sheetData>", row))


def _endless_strings(path: Path, told_bytes: int) -> None:
    """Shared strings that unpack to 4 GiB, and say that they hold so many bytes."""
    with zipfile.ZipFile(_plain(path)) as parts:
        held = {part: parts.read(part) for part in parts.namelist() if part != STRINGS}
    with zipfile.ZipFile(path, "w") as parts:
        for part, data in held.items():
            parts.writestr(part, data)
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = press.compress(b" " * 2**20) + press.flush(zlib.Z_FULL_FLUSH)
    stored = block * 4096 + press.flush()
    name, sizes = STRINGS.encode(), struct.pack("<III", 0, len(stored), told_bytes)
    local = (
        b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", len(name), 0) + name + stored
    )
    whole = path.read_bytes()
    count, size, start = struct.unpack("<HII", whole[whole.rindex(b"PK\x05\x06") + 10 :][:10])
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
    entry += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, start) + name
    directory = whole[start : start + size] + entry
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count + 1, count + 1, len(directory), start + len(local), 0)
    path.write_bytes(whole[:start] + local + directory + end)


def _linked(path: Path) -> None:
    _plain(path)
    with_part(
        path, "xl/externalLinks/externalLink1.xml", '<externalLink xmlns="x"><ddeLink ddeService="cmd"/></externalLink>'
    )
    with_part(path, "xl/vbaProject.bin", b"\xd0\xcf\x11\xe0 Sub Auto_Open() Shell")


def _ods_without_end(path: Path) -> None:
    xml = part_of(write_ods(path, {"visits": VISITS}), "content.xml")
    row = (
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" '
        'office:value-type="float" office:value="1"/></table:table-row></table:table>'
    )
    with_part(path, "content.xml", xml.replace("</table:table>", row))


def workbooks() -> dict[str, tuple[Make, str]]:
    """By name how a visits.xlsx is made, and what is said of it; "" where it is read as if nothing were there, "?" where it
    may be read or refused."""
    unread = "cannot be read as a workbook"
    return {
        "visits.xlsx, no zip": (lambda path: path.write_bytes(b"visit_id,patient_id\n"), unread),
        "visits.xlsx, empty": (lambda path: path.write_bytes(b""), unread),
        "visits.xlsx, empty zip": (lambda path: zipfile.ZipFile(path, "w").close(), unread),
        "visits.xls, a web page": (lambda path: path.write_bytes(b"<html><table></table>"), unread),
        "visits.xls, of zeros": (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(4096)), unread),
        "visits.xlsb, text": (lambda path: path.write_bytes(b"visit_id"), unread),
        "visits.xlsx, an empty sheet": (lambda path: write_xlsx(path, {"visits": []}), "is empty"),
        "visits.xlsx, entities of entities": (lambda path: _with_entity(path, LAUGHS), "?"),
        "visits.xlsx, a file from outside": (lambda path: _with_entity(path, OUTSIDE), "?"),
        "visits.xlsx, a cell far out": (_far_cell, "cannot be read"),
        "visits.xlsx, unpacks to 4 GiB": (lambda path: _endless_strings(path, 2**32 - 1), "unpacks to 4.0 GiB"),
        "visits.xlsx, says it is small": (lambda path: _endless_strings(path, 100), "cannot be read"),
        "visits.xlsx, links and macros": (_linked, ""),
        "visits.ods, cells without end": (_ods_without_end, "Cell limit exceeded"),
        "visits.ods, no zip": (lambda path: path.write_bytes(b"a;b"), unread),
        "visits.xlsx, three blank rows first": (lambda path: write_xlsx(path, {"v": VISITS}, first_row=4), ""),
    }
