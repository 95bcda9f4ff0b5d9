"""visits.csv: one row per visit, with what each reader made of it, there or in readings.csv."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import (
    SPLITS,
    id_faults,
    parse_date,
    parse_day,
    parse_skin_type,
    parse_split,
    parse_text,
    parsed,
)
from grasp_psonet.cohort.components import components_of, percents_of, with_total
from grasp_psonet.cohort.double_entry import split_entries, with_entries
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.readings import (
    Readings,
    beside,
    faults_between,
    of_visits,
    parse_readings,
    ranked,
    read_readings,
    reading_columns,
    too_early,
)
from grasp_psonet.cohort.settings import READERS, same_name
from grasp_psonet.cohort.sources.mapping import Wanted
from grasp_psonet.cohort.sources.read import read_text_table
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.text_table import TextTable, duplicate_faults, value_faults
from grasp_psonet.tables.columns import FITZPATRICK, PATIENT_ID, READER1_ID, READER2_ID, SPLIT, STUDY_DAY, VISIT_ID

_OPTIONAL = (STUDY_DAY, FITZPATRICK, SPLIT)
_ENTRIES = ("1", "2")


@dataclass(frozen=True)
class Visits:
    """``table`` as read; ``frame``: its visits, indexed by row number (split missing where not given); ``readings`` where they
    stand in a table of their own, or were entered twice."""

    table: TextTable
    frame: pd.DataFrame
    faults: tuple[Fault, ...]
    readings: Readings | None = None
    notes: tuple[Fault, ...] = ()


def read_visits(path: Path, readings_path: Path | None, outcome: Outcome, form: TablesSettings) -> Visits:
    """The visits, their readings, and every fault of both tables and between them."""
    if form.double_entry is not None:
        change = partial(with_entries, column=form.double_entry)
        table, entries = split_entries(read_text_table(path, _wanted_entries(outcome), form, change), outcome)
        return _with_readings(table, parse_readings(entries, outcome, form), outcome, form)
    if readings_path is not None:
        readings = read_readings(readings_path, outcome, form)
        table = read_text_table(path, Wanted("visits", ((VISIT_ID,), (PATIENT_ID,)), _OPTIONAL, (STUDY_DAY,)), form)
        whole = read_text_table(path, _wanted(outcome), form)
        if any(column in whole.text for column in outcome.columns_of_reader(0)):
            return _with_more_readings(_read_twice_at_most(whole, outcome, form), readings, outcome)
        return _with_readings(table, readings, outcome, form)
    return _read_twice_at_most(read_text_table(path, _wanted(outcome), form), outcome, form)


def _wanted(outcome: Outcome) -> Wanted:
    """What is looked for where the readers' columns stand in visits.csv."""
    first, second = outcome.columns_of_reader(0), outcome.columns_of_reader(1)
    parts = {
        outcome.score_columns[reader]: names
        for reader, suffix in enumerate(READERS)
        if (names := components_of(outcome, f"_{suffix}"))
    }
    percents = [name for suffix in READERS for name in percents_of(outcome, f"_{suffix}")]
    optional = (STUDY_DAY, READER1_ID, READER2_ID, FITZPATRICK, SPLIT, *second, *percents)
    numbers = (STUDY_DAY, *outcome.score_columns, *(name for names in parts.values() for name in names), *percents)
    return Wanted("visits", ((VISIT_ID,), (PATIENT_ID,), first), optional, numbers, parts)


def _wanted_entries(outcome: Outcome) -> Wanted:
    """What is looked for where two rows are the two entries of a visit."""
    columns, parts = reading_columns(outcome), components_of(outcome)
    numbers = (STUDY_DAY, *columns[: len(outcome.score_columns) // 2], *parts, *percents_of(outcome))
    required = ((VISIT_ID,), (PATIENT_ID,), columns)
    return Wanted(
        "visits", required, (*_OPTIONAL, *percents_of(outcome)), numbers, {columns[0]: parts} if parts else {}
    )


def _read_twice_at_most(table: TextTable, outcome: Outcome, form: TablesSettings) -> Visits:
    """Visits with the readers' columns beside them."""
    faults: list[Fault] = []
    if not table.text.empty:
        for suffix in READERS:
            table, found = with_total(table, outcome, f"_{suffix}")
            faults += found
    frame, found, _ = _parsed(table, form)
    faults = [*table.faults, *found, *faults]
    if table.text.empty:
        return Visits(table, frame, tuple(faults), notes=table.notes)
    for column in (READER1_ID, READER2_ID):
        frame[column], _ = parsed(table, column, parse_text, "a name", "string")
    for reader in (0, 1):
        columns, found = outcome.read(table, reader)
        for column, values in columns.items():
            frame[column] = values
        faults += found
    faults += _label_faults(table, outcome.columns_of_reader(0))
    faults += _id_faults(table, frame) + _split_faults(table, frame)
    suffixes = [f"_{suffix}" for suffix in READERS]
    parts = [name for suffix in suffixes for of in (components_of, percents_of) for name in of(outcome, suffix)]
    return Visits(
        table, _in_order(table, frame, outcome, parts), tuple(faults), notes=(*table.notes, *_backwards(table, frame))
    )


def _with_readings(table: TextTable, readings: Readings, outcome: Outcome, form: TablesSettings) -> Visits:
    """Visits whose readings stand in rows of their own."""
    frame, found, date_of = _parsed(table, form)
    faults = [*table.faults, *found, *readings.faults]
    notes = [*table.notes, *readings.text.notes]
    if table.text.empty:
        return Visits(table, frame, tuple(faults), readings, tuple(notes))
    faults += _id_faults(table, frame) + _split_faults(table, frame)
    second = [column for column in outcome.columns_of_reader(1) if column in table.text]
    if second:
        remedy = f"add Reader 1's, or keep all readings in {readings.text.name} alone"
        faults.append(
            Fault(f"a second reading stands here without a first ({', '.join(second)})", table.name, remedy=remedy)
        )
    readings = readings.counted()
    readings, found, said = ranked(readings, form.readers or (_ENTRIES if form.double_entry is not None else ()))
    faults, notes = faults + found, notes + said
    faults += faults_between(readings, table) + too_early(readings, table, date_of)
    if not faults:
        frame = frame.assign(**of_visits(readings, frame, outcome))
        unread = outcome.labels_of(frame, 0).isna()
        faults += value_faults(table, VISIT_ID, unread, f"no reader read this visit ({readings.text.name})")
    return Visits(
        table, _in_order(table, frame, outcome, []), tuple(faults), readings, (*notes, *_backwards(table, frame))
    )


def _with_more_readings(visits: Visits, readings: Readings, outcome: Outcome) -> Visits:
    """Visits with the columns of Reader 1 and Reader 2, and readings of any number of readers beside: the columns count."""
    readings, found = beside(readings.counted(), visits.table, outcome)
    told = f"Reader 1 and Reader 2 are those of {visits.table.name}; further readings are kept"
    return replace(
        visits,
        faults=(*visits.faults, *readings.faults, *found),
        readings=readings,
        notes=(*visits.notes, *readings.text.notes, Fault(told, readings.text.name)),
    )


def _parsed(table: TextTable, form: TablesSettings) -> tuple[pd.DataFrame, list[Fault], pd.Series]:
    """Day, skin type and split of each row with their faults, and its date where the table tells dates."""
    frame = pd.DataFrame(index=table.text.index)
    frame[STUDY_DAY], faults, date_of = _days(table, form)
    frame[FITZPATRICK], found = parsed(table, FITZPATRICK, parse_skin_type, "I to VI or 1 to 6", "string")
    faults += found
    frame[SPLIT], found = parsed(table, SPLIT, parse_split, "train, val or test", "string")
    return frame, faults + found, date_of


def _days(table: TextTable, form: TablesSettings) -> tuple[pd.Series, list[Fault], pd.Series]:
    """Days since the patient's first visit, told so or as dates, the faults, and the dates where there are such."""
    days, faults = parsed(
        table, STUDY_DAY, partial(parse_day, decimal=table.decimal), "a whole number of days", "Int64"
    )
    no_dates = pd.Series(None, index=table.text.index, dtype=object)
    if not faults or days.notna().any() or PATIENT_ID not in table.text:
        return days, faults, no_dates
    example = pd.Timestamp("2024-03-31").strftime(form.dates)
    wanted = f"a whole number of days, or in all rows a day such as {example} (tables.dates)"
    dates, of_dates = parsed(table, STUDY_DAY, partial(parse_date, form=form.dates), wanted, "object")
    if dates.notna().sum() == 0:
        return days, faults, no_dates
    moment = pd.to_datetime(dates)
    first = moment.groupby(table.text[PATIENT_ID]).transform("min")
    return (moment - first).dt.days.astype("Int64"), of_dates, dates


def _backwards(table: TextTable, frame: pd.DataFrame) -> list[Fault]:
    """A note on patients whose rows are not in the order of their days, which may be a slip in a date."""
    if PATIENT_ID not in frame or frame[STUDY_DAY].isna().all():
        return []
    days = frame[STUDY_DAY].astype("Float64").astype(float)
    before = days.groupby(frame[PATIENT_ID]).ffill().groupby(frame[PATIENT_ID]).shift()
    problem = "dates go backwards: earlier than the patient's row above"
    return value_faults(table, STUDY_DAY, (days < before) & (frame[PATIENT_ID] != ""), problem, "check the date")


def _in_order(table: TextTable, frame: pd.DataFrame, outcome: Outcome, parts: list[str]) -> pd.DataFrame:
    """The columns that every study has in their order, then the user's further ones as text."""
    left_out = {*parts, "", *frame.columns, *outcome.columns_of_reader(0), *outcome.columns_of_reader(1)}
    for column in table.text.columns:
        if column not in left_out:
            frame[column] = table.text[column].replace("", None).astype("string")
    score1, score2 = outcome.score_columns[:1], outcome.score_columns[1:]
    head = (VISIT_ID, PATIENT_ID, STUDY_DAY, *score1, READER1_ID, *score2, READER2_ID)
    order = tuple(dict.fromkeys((*head, FITZPATRICK, SPLIT, *outcome.label_columns)))
    ordered = [column for column in order if column in frame]
    return frame[ordered + [column for column in frame if column not in ordered]]


def _label_faults(table: TextTable, columns: tuple[str, ...]) -> list[Fault]:
    """Reader 1 labels every visit; a cell that is there but cannot be read has its own message already."""
    told = [column for column in columns if column in table.text]
    if not told:
        return []
    is_empty = pd.concat([parsed(table, column, parse_text, "", "string")[0].isna() for column in told], axis=1).all(
        axis=1
    )
    rows = tuple(table.text.index[is_empty])
    if not rows:
        return []
    titles = " and ".join(map(table.title, told))
    return [
        Fault("empty; Reader 1 must have read every visit", table.name, titles, rows, remedy="read it, or take it out")
    ]


def _id_faults(table: TextTable, frame: pd.DataFrame) -> list[Fault]:
    """Adds both ids to ``frame``; finds those that are none, and visits told twice."""
    faults = []
    for column in (VISIT_ID, PATIENT_ID):
        if column in table.text:
            frame[column] = table.text[column].astype("string")
            faults += id_faults(table, column, "row") + _spelt_twice(table, column)
    if VISIT_ID in table.text:
        problem = "stands in several rows; wanted one row per visit"
        faults += duplicate_faults(table, VISIT_ID, problem, "give each visit an id of its own")
    return faults


def _spelt_twice(table: TextTable, column: str) -> list[Fault]:
    """Ids that differ by case or by the encoding of a letter alone: one patient under both could train and test."""
    ids = table.text[column]
    known = pd.Series({text: same_name(text) for text in ids[ids != ""].unique()}, dtype="string")
    alike = known[known.duplicated(keep=False)]
    problem = "is spelt in several ways (upper and lower case, or an umlaut in two encodings)"
    return [
        Fault(
            f"{sorted(group.index)[0]!r} {problem}",
            table.name,
            table.title(column),
            tuple(ids.index[ids.isin(list(group.index))]),
            seen=", ".join(map(ascii, sorted(group.index))),
            remedy="write it one way, or give the other one another id",
        )
        for _, group in alike.groupby(alike)
    ]


def _split_faults(table: TextTable, frame: pd.DataFrame) -> list[Fault]:
    """A split column is filled throughout or not at all, keeps each patient together, and trains, validates and tests."""
    if SPLIT not in table.text or not (table.text[SPLIT] != "").any():
        return []
    title = table.title(SPLIT)
    faults = value_faults(table, SPLIT, table.text[SPLIT] == "", "wanted a split in every row, or in none")
    if PATIENT_ID in frame:
        known = frame[frame[PATIENT_ID] != ""]
        torn = known.groupby(PATIENT_ID)[SPLIT].transform("nunique") > 1
        for patient, group in known[torn].groupby(PATIENT_ID, sort=False):
            seen = " and ".join(group[SPLIT].dropna().unique())
            problem = f"patient {patient!r} must be in one split only"
            remedy = "move all visits of the patient into one split"
            faults.append(Fault(problem, table.name, title, tuple(group.index), seen=seen, remedy=remedy))
    visits_in = frame[SPLIT].value_counts()
    seen = ", ".join(f"{visits_in.get(name, 0)} in {name}" for name in SPLITS)
    remedy = "put visits of other patients into it, or take the column out and let splits be drawn"
    faults += [
        Fault(f"no visit is in {name!r} ({seen})", table.name, title, remedy=remedy)
        for name in SPLITS
        if name not in visits_in and frame[SPLIT].notna().all()
    ]
    return faults


def without_columns(visits: Visits, columns: list[str]) -> Visits:
    """The same visits without these further columns."""
    there = [column for column in columns if column in visits.frame]
    return replace(visits, frame=visits.frame.drop(columns=there))
