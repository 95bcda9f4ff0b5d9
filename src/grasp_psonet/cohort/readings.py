"""readings.csv: one row per visit and reader, of any number of readers; and who is Reader 1 and Reader 2 of a visit.

Reader 1 labels a visit and Reader 2 is compared with it, so an order of readers is needed: ``tables.readers``. Two people who
entered a visit in a trial database (REDCap's double entry) are two readers of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import id_faults, number_of, parse_date, parse_day, parse_text, parse_yes, parsed
from grasp_psonet.cohort.components import components_of, percents_of, with_total
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.label_rules import ADJUDICATOR, PLACE, ROLES, counted
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import same_name
from grasp_psonet.cohort.sources.mapping import Wanted
from grasp_psonet.cohort.sources.read import read_text_table
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.tables.columns import (
    DATE,
    NOT_ASSESSABLE,
    READER1_ID,
    READER2_ID,
    READER_ID,
    REPEAT,
    ROLE,
    ROUND,
    SIGNED,
    VERSION,
    VISIT_ID,
)

OF_ROUNDS = (ROLE, ROUND, VERSION, SIGNED, REPEAT, NOT_ASSESSABLE)  # what a round of readings tells besides
_TOLD_APART = (VISIT_ID, READER_ID, ROUND, REPEAT, VERSION)


@dataclass(frozen=True)
class Readings:
    """``table``: visit_id, reader_id, date (missing where not told), the columns of Reader 1's score and class, ``place``, and
    what a round tells (``OF_ROUNDS``, as far as the table has it), one row per reading, indexed by row number of ``text``.
    ``faults`` of the table alone.
    """

    text: TextTable
    table: pd.DataFrame
    faults: tuple[Fault, ...]

    def counted(self) -> "Readings":
        """The readings that count for a label: the last one of each reader of a visit (``label_rules.counted``)."""
        if READER_ID not in self.table:
            return self
        kept = counted(self.table)
        return replace(self, text=replace(self.text, text=self.text.text.loc[kept]), table=self.table.loc[kept])


def reading_columns(outcome: Outcome) -> tuple[str, ...]:
    """Columns of a reading of which at least one is filled: the score, if there is one, and the class."""
    return tuple(column.removesuffix("_reader1") for column in outcome.columns_of_reader(0))


def wanted_readings(outcome: Outcome) -> Wanted:
    """What is looked for in readings.csv."""
    columns, parts = reading_columns(outcome), components_of(outcome)
    scores = columns[: len(outcome.score_columns) // 2]
    return Wanted(
        "readings",
        ((VISIT_ID,), (READER_ID,), columns),
        (DATE, *OF_ROUNDS, *percents_of(outcome)),
        (*scores, *parts, *percents_of(outcome)),
        {columns[0]: parts} if parts else {},
        {column: "score" if column in scores else "class" for column in columns},
    )


def read_readings(path: Path, outcome: Outcome, form: TablesSettings) -> Readings:
    """The readings in a file."""
    return parse_readings(read_text_table(path, wanted_readings(outcome), form), outcome, form)


def parse_readings(table: TextTable, outcome: Outcome, form: TablesSettings) -> Readings:
    """Cells as readings, with the faults: ids, values, a reading without any, and a visit that one reader read twice."""
    faults = list(table.faults)
    if table.text.empty or VISIT_ID not in table.text or READER_ID not in table.text:
        return Readings(table, pd.DataFrame(index=table.text.index), tuple(faults))
    table, found = with_total(table, outcome)
    faults += found
    as_first = _as_reader1(table, outcome)
    readings = pd.DataFrame({column: table.text[column].astype("string") for column in (VISIT_ID, READER_ID)})
    for column in (VISIT_ID, READER_ID):
        faults += id_faults(table, column, "reading")
    wanted = f"a day such as {pd.Timestamp('2024-03-31').strftime(form.dates)} (tables.dates)"
    readings[DATE], found = parsed(table, DATE, lambda cell: parse_date(cell, form.dates), wanted, "object")
    faults += found
    columns, found = outcome.read(as_first, 0)
    faults += found
    readings, found = _with_rounds(table, readings.assign(**columns))
    faults += found
    filled = [column for column in reading_columns(outcome) if column in table.text]
    if not filled:  # which the table's own faults tell
        return Readings(table, readings, tuple(faults))
    is_empty = pd.concat([parsed(table, column, parse_text, "", "string")[0].isna() for column in filled], axis=1).all(
        axis=1
    )
    is_assessable = readings.get(NOT_ASSESSABLE, pd.Series(None, index=readings.index, dtype="string")).isna()
    faults += value_faults(
        table,
        READER_ID,
        is_empty & is_assessable,
        f"a reading without {' or '.join(filled)}",
        "fill it, or delete the row",
    )
    if NOT_ASSESSABLE in readings:
        problem = "not assessable, and yet read"
        faults += value_faults(table, NOT_ASSESSABLE, ~is_empty & ~is_assessable, problem, "empty one of the two")
    apart = [column for column in _TOLD_APART if column in readings]
    twice = readings.duplicated(apart, keep=False) & (readings[VISIT_ID] != "")
    faults += value_faults(table, VISIT_ID, twice, "read twice by the same reader", "keep one reading of each reader")
    return Readings(table, readings, tuple(faults))


def _with_rounds(table: TextTable, readings: pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
    """The readings with what a round tells of them, as far as the table has it; a reading without a date is of the day on
    which it was signed. Faults of the cells."""
    parsers: dict[str, tuple[Callable[[str], object], str, str]] = {
        ROLE: (lambda cell: cell.lower() if cell.lower() in ROLES else None, " or ".join(ROLES), "string"),
        ROUND: (parse_text, "a name", "string"),
        VERSION: (parse_day, "a whole number", "Int64"),
        SIGNED: (_parse_moment, "a moment such as 2026-03-31T14:05:00Z", "object"),
        REPEAT: (parse_yes, "yes or no", "boolean"),
        NOT_ASSESSABLE: (_parse_reason, "a reason, or nothing", "string"),
    }
    faults: list[Fault] = []
    for column, (parse, wanted, dtype) in parsers.items():
        if column in table.text:
            readings[column], found = parsed(table, column, parse, wanted, dtype)
            faults += found
    if NOT_ASSESSABLE in readings:
        readings[NOT_ASSESSABLE] = readings[NOT_ASSESSABLE].replace("", pd.NA)
    if SIGNED in readings:
        day = readings[SIGNED].map(lambda moment: moment.date(), na_action="ignore")
        readings[DATE] = readings[DATE].where(readings[DATE].notna(), day).astype(object)
    return readings, faults


def _parse_moment(cell: str) -> datetime | None:
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        return None


def _parse_reason(cell: str) -> str:
    """The reason why a visit could not be assessed; "" for a plain no."""
    return "" if parse_yes(cell) is False else cell


def _as_reader1(table: TextTable, outcome: Outcome) -> TextTable:
    """The same cells under Reader 1's names of columns, which is how an outcome reads them."""
    names = (*reading_columns(outcome), *components_of(outcome))
    ours = {column: f"{column}_reader1" for column in names if column in table.text}
    titles = dict(table.titles) | {told: table.title(column) for column, told in ours.items()}
    return replace(table, text=table.text.rename(columns=ours), titles=titles)


def ranked(readings: Readings, readers: tuple[str, ...]) -> tuple[Readings, list[Fault], list[Fault]]:
    """The readings with the ``place`` of each among those of its visit, by the order of readers; faults, and notes.

    Without an order told there is one only with a single reader, or with two of whom one read more visits; it is said. An
    adjudicator whom the order does not name has no place.
    """
    table, name = readings.table, readings.text.name
    if READER_ID not in table:
        return readings, [], []
    decides = (table[ROLE] == ADJUDICATOR).fillna(False) if ROLE in table else pd.Series(False, index=table.index)
    decides &= ~table[READER_ID].isin(readers)
    counts = table.loc[~decides, READER_ID].value_counts()
    found = sorted(str(reader) for reader in counts.index if reader)
    order, notes = list(readers), []
    if not readers:
        order = sorted(found, key=lambda reader: -int(counts[reader]))
        if len(order) > 2 or len({int(counts[reader]) for reader in order}) < len(order):
            problem = f"{len(found)} readers: {', '.join(map(repr, found[:20]))}; whose reading is the label?"
            remedy = f"say it in tables.readers, the most trusted first: [{', '.join(order[:20])}]"
            return readings, [Fault(problem, name, readings.text.title(READER_ID), remedy=remedy)], []
        notes = [Fault(f"Reader 1 is {order[0]!r}, who read most visits (tables.readers)", name)] if order else []
    faults = value_faults(
        readings.text,
        READER_ID,
        ~table[READER_ID].isin(order) & (table[READER_ID] != "") & ~decides,
        "is not in tables.readers",
        "name every reader there",
    )
    notes += [
        Fault(f"no reading by {reader!r}, whom tables.readers names", name) for reader in order if reader not in found
    ]
    rank = table[READER_ID].map({reader: place for place, reader in enumerate(order)}).astype("Float64")
    place = rank.groupby(table[VISIT_ID]).rank(method="first").astype("Int64")
    return replace(readings, table=table.assign(**{PLACE: place})), faults, notes


def of_visits(readings: Readings, visits: pd.DataFrame, outcome: Outcome) -> dict[str, pd.Series]:
    """Columns of the visits table, by its rows: label, score and name of each visit's Reader 1 and Reader 2."""
    columns: dict[str, pd.Series] = {}
    names = dict.fromkeys((*outcome.columns_of_reader(0), *outcome.part_columns))
    first = [column for column in names if column in readings.table]
    for place, reader_id in ((1, READER1_ID), (2, READER2_ID)):
        chosen = readings.table[(readings.table[PLACE] == place).fillna(False).astype(bool)]
        chosen = chosen.drop_duplicates(VISIT_ID).set_index(VISIT_ID)
        for column in first:
            own = column.removesuffix("_reader1") + f"_reader{place}"
            columns[own] = visits[VISIT_ID].map(chosen[column]).astype(readings.table[column].dtype)
        columns[reader_id] = visits[VISIT_ID].map(chosen[READER_ID]).astype("string")
    return columns


def beside(readings: Readings, visits: TextTable, outcome: Outcome) -> tuple[Readings, list[Fault]]:
    """Readings of visits whose first two stand with the visits as well: ``place`` is 1 or 2 where the reader is that one by
    reader1_id or reader2_id, and missing else. Faults: readings of unknown visits, and one told otherwise there.

    ``visits``: the table with reader1_id, reader2_id and the columns of both readers, as text.
    """
    table = readings.table
    if VISIT_ID not in table or VISIT_ID not in visits.text:
        return readings, []
    faults = _orphans(readings, visits)
    rows = visits.text.drop_duplicates(VISIT_ID).set_index(VISIT_ID)
    place = pd.Series(pd.NA, index=table.index, dtype="Int64")
    for number, reader_id in ((1, READER1_ID), (2, READER2_ID)):
        if reader_id not in rows:
            continue
        is_own = (table[READER_ID] != "") & (table[VISIT_ID].map(rows[reader_id]) == table[READER_ID]).fillna(False)
        place[is_own.to_numpy(dtype=bool)] = number
        for column in reading_columns(outcome):
            own = f"{column}_reader{number}"
            if own in rows and column in readings.text.text:
                here = readings.text.text[column]
                there = table[VISIT_ID].map(rows[own]).fillna("").astype(str)
                differs = is_own & (here != "") & (there != "") & ~_same(here, there, readings.text, visits)
                problem = f"{visits.name} says otherwise of this visit and reader ({visits.title(own)})"
                faults += value_faults(readings.text, column, differs, problem, "correct one of the two")
    return replace(readings, table=table.assign(**{PLACE: place})), faults


def _same(here: pd.Series, there: pd.Series, table: TextTable, visits: TextTable) -> "pd.Series[bool]":
    """Whether two cells say the same, be it 9 and 9.0 or one name in two cases."""
    one = here.map(partial(number_of, decimal=table.decimal))
    other = there.map(partial(number_of, decimal=visits.decimal))
    return (one == other) | (here.map(same_name) == there.map(same_name))


def _orphans(readings: Readings, visits: TextTable) -> list[Fault]:
    read = readings.table[VISIT_ID]
    unknown = ~read.isin(visits.text[VISIT_ID]) & (read != "")
    return value_faults(
        readings.text, VISIT_ID, unknown, f"no such visit in {visits.name}", "correct the id, or add the visit"
    )


def faults_between(readings: Readings, visits: TextTable) -> list[Fault]:
    """Readings of unknown visits, and visits that nobody read."""
    if VISIT_ID not in readings.table or VISIT_ID not in visits.text:
        return []
    told, read = visits.text[VISIT_ID], readings.table[VISIT_ID]
    bare = ~told.isin(read) & (told != "")
    return _orphans(readings, visits) + value_faults(
        visits,
        VISIT_ID,
        bare,
        f"no reading of this visit in {readings.text.name}",
        "add a reading, or take the visit out",
    )


def too_early(readings: Readings, visits: TextTable, date_of: pd.Series) -> list[Fault]:
    """Readings dated before their visit; ``date_of``: the day of each row of the visits table, where it tells days."""
    if DATE not in readings.table:
        return []
    by_visit = date_of.set_axis(visits.text[VISIT_ID]).dropna()
    visited = readings.table[VISIT_ID].map(by_visit[~by_visit.index.duplicated()])
    both = visited.notna() & readings.table[DATE].notna()
    early = both & (pd.to_datetime(readings.table[DATE]) < pd.to_datetime(visited))
    problem = "read before the visit: dates go backwards"
    return (
        value_faults(readings.text, DATE, early, problem, f"correct it, or the date in {visits.name}")
        if early.any()
        else []
    )
