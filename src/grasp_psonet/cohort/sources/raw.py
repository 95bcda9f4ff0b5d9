"""What a file holds before anything is made of it: a header, and columns of cells with their row numbers."""

import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grasp_psonet.cohort.faults import Fault

MOST_COLUMNS = 16_384  # of an Excel sheet
_MOST_BYTES = 2**30


@dataclass(frozen=True)
class RawTable:
    """``columns`` run beside ``header``; their cells are text, or numbers, truths and dates where the file knows types.
    ``rows`` are the row numbers; blank rows are left out. With a fault that leaves nothing to read the header is empty.
    """

    name: str
    header: tuple[str, ...] = ()
    columns: tuple[list[Any], ...] = ()
    rows: tuple[int, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[Fault, ...] = ()

    def with_columns(self, named: dict[str, list[Any]]) -> "RawTable":
        """The same rows with other columns."""
        return replace(self, header=tuple(named), columns=tuple(named.values()))


def unreadable(name: str, problem: str, remedy: str = "", line: int = 0) -> RawTable:
    """A table of which nothing can be read, and why (in this line of text)."""
    return RawTable(name, faults=(Fault(problem, name, remedy=remedy, line=line),))


def with_size_of(header: list[str], name: str) -> RawTable | None:
    """Why a header is none: no names in it, or more than any table has; None where it is one."""
    if not any(cell.strip() for cell in header):
        return unreadable(name, "no header in row 1; wanted the names of the columns")
    if len(header) > MOST_COLUMNS:
        return unreadable(name, f"{len(header)} columns; a table has at most {MOST_COLUMNS}")
    return None


def why_no_file(path: Path) -> str:
    """Why a path is no file to read from (a folder, a pipe, a device, far too large); empty where it is one.

    Nothing is opened: a pipe that nobody fills would be waited for.
    """
    try:
        about = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        return f"cannot be read ({reason})"
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    if not stat.S_ISREG(about.st_mode):
        return f"is {kinds.get(stat.S_IFMT(about.st_mode), 'no regular file')}; wanted a file that holds a table"
    if about.st_size > _MOST_BYTES:
        return f"holds {about.st_size / 2**30:.1f} GiB; a table has at most {_MOST_BYTES // 2**30} GiB"
    return ""
