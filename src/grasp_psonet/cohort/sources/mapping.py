"""The user's own names of columns and values, put into ours, and cells of every type into text."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal as ExactNumber
from typing import Any

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.settings import READERS, same_name
from grasp_psonet.cohort.sources.raw import RawTable
from grasp_psonet.cohort.sources.settings import AUTO, TableName, TablesSettings, as_cell

_JOINED = "-"  # between the parts of an id that several columns make
_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """What is looked for in a table: its name, sets of columns of each of which one must be there, further known columns, and
    which hold numbers. ``parts``: by column those that it can be worked out from, if it is not there. ``aliases``: by column a
    general word that stands for it where neither it nor ``tables.columns`` does.
    """

    table: TableName
    required: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> tuple[str, ...]:
        """All columns that mean something here, without the parts of any."""
        return tuple(dict.fromkeys([*(name for names in self.required for name in names), *self.optional]))

    @property
    def all_parts(self) -> tuple[str, ...]:
        """The columns from which others can be worked out."""
        return tuple(part for parts in self.parts.values() for part in parts)

    @property
    def known(self) -> frozenset[str]:
        """All columns that mean something here."""
        return frozenset((*self.whole, *self.all_parts))

    def lacks(self, header: Iterable[str]) -> list[tuple[str, ...]]:
        """The required sets of columns of which a header has none, and no part of any."""
        there = set(header)
        return [
            names
            for names in self.required
            if not there.intersection(names) and not any(there.intersection(self.parts.get(name, ())) for name in names)
        ]


@dataclass(frozen=True)
class Renaming:
    """By our name of a column its places in a header, with the titles there; and what does not fit."""

    places: dict[str, list[int]]
    titles: dict[str, str]
    faults: tuple[Fault, ...] = ()


def renaming(name: str, header: Iterable[str], wanted: Wanted, form: TablesSettings) -> Renaming:
    """Which columns of a header are called otherwise by ``tables.columns``.

    What was said of all tables counts where this one knows the column or has the title; where a title is not there the column
    may go by our own name already.
    """
    cells = list(header)
    at_title = {same_name(title): place for place, title in reversed(list(enumerate(cells)))}
    places: dict[str, list[int]] = {}
    faults = []
    for column, (titles, is_own) in form.titles_of(wanted.table).items():
        found = [at_title.get(same_name(title.strip())) for title in titles]
        lacking = [title for title, place in zip(titles, found, strict=True) if place is None]
        there = [place for place in found if place is not None]
        if not lacking:
            places[column] = there
            if column in cells and cells.index(column) not in there:
                problem = f"column {column!r} stands beside {' and '.join(map(repr, titles))}, which tables.columns says is it"
                faults.append(Fault(problem, name, remedy="take one of them out"))
        elif (is_own or column in wanted.known) and column not in cells:
            problem = f"no column {lacking[0]!r}, which tables.columns says is {column}"
            faults.append(Fault(problem, name, remedy=f"the columns are {', '.join(map(repr, cells[:30]))}"))
    for column, word in wanted.aliases.items():
        if column not in cells and column not in places and word in cells:
            places[column] = [cells.index(word)]
    titles_of = {column: " and ".join(cells[place] for place in there) for column, there in places.items()}
    return Renaming(places, titles_of, tuple(faults))


def renamed_header(header: Iterable[str], names: Renaming) -> list[str]:
    """The header under our names; a title that serves several columns, or part of one, stays for itself too."""
    cells = list(header)
    single = {there[0]: column for column, there in names.places.items() if len(there) == 1}
    return [single.get(place, title) for place, title in enumerate(cells)]


def renamed(table: RawTable, names: Renaming, decimal: str, dates: str) -> RawTable:
    """The table under our names, every cell as text; the first of columns of the same name is kept."""
    taken = {place for there in names.places.values() for place in there if len(there) == 1}
    text = {}
    for column, there in names.places.items():
        parts = [as_text(table.columns[place], decimal, dates) for place in there]
        text[column] = parts[0] if len(parts) == 1 else _join(parts)
    for place, (title, cells) in enumerate(zip(table.header, table.columns, strict=True)):
        if place not in taken and title not in text:
            text[title] = as_text(cells, decimal, dates)
    return table.with_columns(text)


def _join(parts: list[list[str]]) -> list[str]:
    """Parts of an id in one; empty where all are."""
    stripped = ([cell.strip() for cell in cells] for cells in zip(*parts, strict=True))
    return [_JOINED.join(filter(None, cells)) for cells in stripped]


def as_text(cells: list[Any], decimal: str, dates: str) -> list[str]:
    """Cells of any type as the user reads them: 12 for 12.0, numbers with this decimal mark, days as ``dates`` writes them."""
    if all(type(cell) is str for cell in cells):
        return cells
    return [cell if type(cell) is str else _text(cell, decimal, dates) for cell in cells]


def _text(cell: Any, decimal: str, dates: str) -> str:
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer() and abs(cell) < 2**53:
            return str(int(cell))
        case float() | ExactNumber():
            return str(cell).replace(".", decimal)
        case date():
            return cell.strftime(dates)
        case _:
            return str(cell)


def decimal_mark(
    table: RawTable, header: list[str], wanted: Wanted, form: TablesSettings
) -> tuple[str, list[Fault], bool]:
    """The decimal mark of a table's numbers, faults where it cannot be known, and whether it was found to be a comma.

    Cells that the file itself holds as numbers do not ask.
    """
    if form.decimal != AUTO:
        return form.decimal, [], False
    cells = {
        cell.strip()
        for column, values in zip(header, table.columns, strict=True)
        if column in wanted.numbers
        for cell in values
        if type(cell) is str
    }
    commas = {cell for cell in cells if _COMMA.fullmatch(cell)}
    if not commas or any(_POINT.fullmatch(cell) for cell in cells):
        return ".", [], False
    if all(_THOUSANDS.fullmatch(cell) for cell in commas):
        problem = f"numbers such as {min(commas)!r}: is the comma a decimal mark, or does it part thousands?"
        return ",", [Fault(problem, table.name, remedy="say so in tables.decimal, or take the commas out")], False
    return ",", [], True


def meant(cells: list[str], meaning: dict[str, str]) -> list[str]:
    """Cells with the values that ``tables.values`` gives for them; others as they are."""
    if not meaning:
        return cells
    known = {cell: meaning.get(same_name(cell.strip()), cell) for cell in set(cells)}
    return [known[cell] for cell in cells]


def unused_values(table: RawTable, titles: Mapping[str, str], form: TablesSettings) -> list[Fault]:
    """Notes on values that were given a meaning and stand nowhere in their columns: they may be misspelt."""
    notes = []
    for name, mapping in form.values.items():
        columns = [column for column in (name, *(f"{name}_{reader}" for reader in READERS)) if column in table.header]
        there = {
            same_name(cell.strip()) for column in columns for cell in set(table.columns[table.header.index(column)])
        }
        unused = [as_cell(value) for value in mapping if same_name(as_cell(value)) not in there]
        if columns and unused:
            title = " and ".join(titles.get(column, column) for column in columns)
            listed = ", ".join(map(repr, unused[:10]))
            notes.append(Fault(f"no cell holds {listed}, which tables.values.{name} names", table.name, title))
    return notes


def unknown_names(form: TablesSettings, columns: set[str]) -> list[Fault]:
    """Faults of names in ``tables.columns`` and ``tables.values`` that no table has, neither under our name nor under its own.

    ``columns``: those of all tables, under our names.
    """
    with_readers = columns | {column.rpartition("_reader")[0] for column in columns}
    faults = [
        Fault(f"tables.columns.{name}: no table has a column {_listed(told)}")
        for name, told in form.columns.items()
        if not isinstance(told, dict) and name not in columns
    ]
    return faults + [
        Fault(f"tables.values.{name}: no table has a column {name!r}")
        for name in form.values
        if name not in with_readers
    ]


def _listed(told: str | list[str]) -> str:
    return repr(told) if isinstance(told, str) else " and ".join(map(repr, told))
