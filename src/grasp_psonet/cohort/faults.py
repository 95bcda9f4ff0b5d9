"""What is wrong in a table, as values: where, what was seen, what is wanted; on the screen in short, in check.csv in full."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from grasp_psonet.tables.schemas.study import CHECK

_MOST_RANGES = 12
_MOST_VALUES = 10  # of one problem, each in a line of its own
_EXAMPLES = 3  # where there are more
_LONGEST = 80  # letters of a value that are shown


@dataclass(frozen=True)
class Fault:
    """One problem of one table, with all of its rows.

    ``problem`` says what is wrong or wanted. ``values`` are the cells of ``column`` in ``rows``, one a row, or what stands in
    no row; ``seen`` stands in their place where it is no single cell. ``remedy``: what to do, where ``problem`` does not say.
    """

    problem: str
    file: str = ""
    column: str = ""
    rows: tuple[int, ...] = ()
    values: tuple[str, ...] = ()
    seen: str = ""
    remedy: str = ""
    line: int = 0  # of a text file, where it could not be parted into rows

    @property
    def num_cells(self) -> int:
        """How many rows are at fault; 1 of the whole table."""
        return max(1, len(self.rows), len(self.values))

    def messages(self) -> list[str]:
        """One line per distinct value, or one for all of them where they are many."""
        if not self.values:
            return [self._message(self.rows, self.seen)]
        rows_of: dict[str, list[int]] = {value: [] for value in self.values}
        if len(rows_of) > _MOST_VALUES:
            shown = ", ".join(_shown(value) for value in list(rows_of)[:_EXAMPLES])
            return [self._message(self.rows, f"{shown} and {len(rows_of) - _EXAMPLES} more values")]
        for row, value in zip(self.rows, self.values, strict=False):  # what stands in no row has no rows
            rows_of[value].append(row)
        return [self._message(rows, _shown(value) if value else "is empty") for value, rows in rows_of.items()]

    def _message(self, rows: Sequence[int], seen: str) -> str:
        where = f"{self.file} {rows_text(rows)}" if rows else self.file + f" line {self.line}" * bool(self.line)
        what = f", {self.column}" if self.column else ""
        return f"{where}{what}{' ' + seen if seen else ''}{': ' if where or what else ''}{self.problem}"


def plain(problem: str) -> Fault:
    """A fault whose message says where it is."""
    return Fault(problem)


def told(faults: Iterable[Fault]) -> list[str]:
    """The messages of all faults, in their order."""
    return [message for fault in faults for message in fault.messages()]


def num_cells(faults: Iterable[Fault]) -> int:
    """Rows at fault, counted once per problem."""
    return sum(fault.num_cells for fault in faults)


def as_table(faults: Sequence[Fault], notes: Sequence[Fault]) -> pd.DataFrame:
    """One row per cell at fault or noted, as check.csv holds them."""
    parts = [_frame(kind, one) for kind, found in (("fault", faults), ("note", notes)) for one in found]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=CHECK.names)


def _frame(kind: str, fault: Fault) -> pd.DataFrame:
    problem, _, following = fault.problem.partition("\n  next: ")
    rows: list[int | None] = list(fault.rows) or [fault.line or None] * max(1, len(fault.values))
    seen: list[str] = list(fault.values) or [fault.seen] * len(rows)
    columns = (
        *([kind] * len(rows), [fault.file] * len(rows), pd.array(rows, dtype="Int64"), [fault.column] * len(rows)),
        *(seen, [problem] * len(rows), [fault.remedy or following] * len(rows)),
    )
    return pd.DataFrame(dict(zip(CHECK.names, columns, strict=True)))


def rows_text(rows: Sequence[int]) -> str:
    """``row 3`` or ``rows 3, 7-9``; long lists end in a count."""
    ordered = sorted(set(rows))
    runs = [[row for _, row in run] for _, run in groupby(enumerate(ordered), key=lambda pair: pair[1] - pair[0])]
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:_MOST_RANGES]]
    hidden = sum(len(run) for run in runs[_MOST_RANGES:])
    return ("row " if len(ordered) == 1 else "rows ") + ", ".join(shown) + (f" and {hidden} more" if hidden else "")


def _shown(value: str) -> str:
    """A cell in quotes; control characters and those that turn the line around are written as their codes."""
    short = value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
    return repr(short)
