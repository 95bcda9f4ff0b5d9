"""The cohort of a study: its visits, photos and views, read from csv files with every fault told at once."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import SPLITS
from grasp_psonet.cohort.csv_table import CsvTable, rows_text, value_faults
from grasp_psonet.cohort.feature_table import read_feature_table
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.photo_table import read_photos, read_views
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.splits import draw_splits
from grasp_psonet.cohort.visits import read_visits
from grasp_psonet.errors import TableError
from grasp_psonet.tables.columns import CODE, REQUIRED, SPLIT, VIEW, VISIT_ID

_MOST_TOLD = 50


@dataclass(frozen=True)
class TableFiles:
    """Where a study's tables lie; ``views`` may be None or missing: then no protocol of views was given.

    ``of_features``: in place of photos.csv there is features.csv, whose rows are files of feature vectors.
    """

    visits: Path
    photos: Path
    views: Path | None = None
    of_features: bool = False


@dataclass(frozen=True)
class Cohort:
    """Visits, photos and (where the study has one) the protocol of views; rows in the order of the files, from 0.

    visits: visit_id, patient_id, study_day, Reader 1's score, reader1_id, Reader 2's score, reader2_id, fitzpatrick
    (I..VI), split (train, val, test), Reader 1's class (a number from 0; never missing), Reader 2's (missing where not
    read), then the user's further columns as text. ``Outcome`` names the columns of scores (where the scale has any)
    and classes, by default pasi_reader1, pasi_reader2, severity_reader1, severity_reader2.

    photos: photo_id, visit_id, view, path, further columns; read from features.csv without photo_id and with key, one row for
    each file. views: code, body_region, side, required, further columns.
    """

    visits: pd.DataFrame
    photos: pd.DataFrame
    views: pd.DataFrame | None


@dataclass(frozen=True)
class Examination:
    """What the files hold: faults (messages with row numbers), notes on what may surprise, and the cohort if faultless.

    ``photos`` is photos.csv as far as it could be read, indexed by row number of the file.
    """

    faults: tuple[str, ...]
    notes: tuple[str, ...]
    photos: pd.DataFrame
    cohort: Cohort | None


def read_cohort(files: TableFiles, outcome: Outcome, split: SplitSettings, seed: int) -> Cohort:
    """The cohort of a study; patients are split by (split, seed) where visits.csv has no split column.

    Raises TableError listing every fault with its rows.
    """
    examination = examine(files, outcome, split, seed)
    if examination.cohort is None:
        raise TableError(message_of(examination.faults))
    return examination.cohort


def message_of(faults: tuple[str, ...]) -> str:
    """All faults in one message; a very long list ends in a count."""
    hidden = len(faults) - _MOST_TOLD
    return (
        f"{len(faults)} fault(s) in the tables (the header is row 1):\n  "
        + "\n  ".join(faults[:_MOST_TOLD])
        + (f"\n  and {hidden} more" if hidden > 0 else "")
        + "\n  next: correct the files and run `grasp check`"
    )


def examine(files: TableFiles, outcome: Outcome, split: SplitSettings, seed: int) -> Examination:
    """Reads all tables and looks at each and across them; raises nothing that a file can cause."""
    visit_table, visits, faults = read_visits(files.visits, outcome)
    photo_table, photos, messages = (read_feature_table if files.of_features else read_photos)(files.photos)
    faults += messages + _between(visit_table, photo_table)
    views = None
    if files.views is not None and files.views.exists():
        view_table, views, messages = read_views(files.views)
        faults += messages + _unknown_views(photo_table, view_table)
    notes = [] if faults else _view_notes(visits, photos, views)
    if not faults and visits[SPLIT].isna().all():
        try:
            visits[SPLIT] = draw_splits(visits, visits[outcome.label_column].map(outcome.stratum_of), split, seed)
        except TableError as error:
            faults.append(str(error))
    if faults:
        return Examination(tuple(faults), tuple(notes), photos, None)
    notes += _score_notes(visit_table, outcome) + _class_notes(visits, outcome)
    cohort = Cohort(visits.reset_index(drop=True), photos.reset_index(drop=True), _renumbered(views))
    return Examination((), tuple(notes), photos, cohort)


def _renumbered(views: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if views is None else views.reset_index(drop=True)


def _between(visits: CsvTable, photos: CsvTable) -> list[str]:
    """Photos of unknown visits, and visits without photos."""
    if VISIT_ID not in visits.text or VISIT_ID not in photos.text:
        return []
    told, shown = visits.text[VISIT_ID], photos.text[VISIT_ID]
    orphans = shown.index[~shown.isin(told) & (shown != "")]
    bare = told.index[~told.isin(shown) & (told != "")]
    return value_faults(photos, VISIT_ID, orphans, f"no such visit in {visits.name}") + value_faults(
        visits, VISIT_ID, bare, f"no photo of this visit in {photos.name}"
    )


def _unknown_views(photos: CsvTable, views: CsvTable) -> list[str]:
    if VIEW not in photos.text or CODE not in views.text:
        return []
    used = photos.text[VIEW]
    return value_faults(
        photos, VIEW, used.index[(used != "") & ~used.isin(views.text[CODE])], f"no such code in {views.name}"
    )


def _view_notes(visits: pd.DataFrame, photos: pd.DataFrame, views: pd.DataFrame | None) -> list[str]:
    """Required views that some visits lack."""
    if views is None:
        return []
    notes = []
    for code in views.loc[views[REQUIRED], CODE]:
        seen = photos.loc[(photos[VIEW] == code).fillna(False), VISIT_ID]
        lacking = visits.index[~visits[VISIT_ID].isin(seen)]
        if len(lacking):
            notes.append(f"view {code!r} is required; {len(lacking)} visit(s) lack it: {rows_text(list(lacking))}")
    return notes


def _score_notes(table: CsvTable, outcome: Outcome) -> list[str]:
    """A scale with a score of which the table holds no column: every page would speak of it all the same."""
    if not outcome.score_columns or any(column in table.text for column in outcome.score_columns):
        return []
    return [
        f"{table.name} has no column {outcome.score_columns[0]!r}: classes are taken as they stand, yet the report speaks of "
        f"{outcome.score_word} and its cut-offs; set severity.score_column to null where there is no score"
    ]


def _class_notes(visits: pd.DataFrame, outcome: Outcome) -> list[str]:
    """Splits that are empty or lack a class: figures about that class cannot be estimated there."""
    notes, stratum_of = [], visits[outcome.label_column].map(outcome.stratum_of)
    for stratum, name in enumerate(outcome.strata):
        if not (stratum_of == stratum).any():
            notes.append(f"no visit is {name} by Reader 1: the network cannot learn this class")
            continue
        for split in SPLITS:
            inside = visits[SPLIT] == split
            if inside.any() and not (stratum_of[inside] == stratum).any():
                notes.append(
                    f"no visit of split {split} is {name} by Reader 1: figures of this class will be missing there"
                )
    if not (visits[SPLIT] == "test").any():
        notes.append("no visit is in test: there will be no final evaluation")
    return notes
