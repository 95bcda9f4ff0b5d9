"""A table of a study as cells of text that keep their row number, whatever file it came from.

Rows are counted as a spreadsheet counts them: the header is row 1. Faults are gathered, never raised: the caller puts
the faults of all tables into one message. (A schema library would check the columns as well, but it neither knows the
row of the file nor looks across tables, and both are what a person needs to correct them.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from grasp_psonet.cohort.faults import Fault


@dataclass(frozen=True)
class TextTable:
    """``text`` holds cells under our names of columns (stripped where we know the column; an empty cell is ""), indexed by row
    number; one row may stand several times. ``titles``: what the file calls a column, where that is something else.
    ``decimal``: the decimal mark of its numbers.
    """

    name: str
    text: pd.DataFrame
    faults: tuple[Fault, ...] = ()
    notes: tuple[Fault, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "."

    def title(self, column: str) -> str:
        """What the file calls one of our columns."""
        return self.titles.get(column, column)


def value_faults(
    table: TextTable, column: str, at_fault: "pd.Series[bool]", problem: str, remedy: str = ""
) -> list[Fault]:
    """A fault of the cells of ``column`` in the rows that are at fault, if any. ``at_fault`` has the table's rows."""
    cells = table.text.loc[at_fault.to_numpy(bool), column]
    if cells.empty:
        return []
    return [Fault(problem, table.name, table.title(column), tuple(cells.index), tuple(cells), remedy=remedy)]


def duplicate_faults(table: TextTable, column: str, problem: str, remedy: str = "") -> list[Fault]:
    """A fault of values that stand in more than one row; empty cells are another fault."""
    cells = table.text[column]
    return value_faults(table, column, cells.duplicated(keep=False) & (cells != ""), problem, remedy)
