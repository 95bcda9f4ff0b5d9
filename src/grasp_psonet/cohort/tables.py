"""The cohort of a study: its visits, photos and views, read from the user's files with every fault told at once."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.body_regions import region_faults
from grasp_psonet.cohort.cells import SPLITS
from grasp_psonet.cohort.faults import Fault, num_cells, plain, told
from grasp_psonet.cohort.feature_table import read_feature_table
from grasp_psonet.cohort.label_rules import all_readings, labels_by_rule
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.photo_table import Read, photos_of_visits, read_photos, read_views
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.sources.mapping import unknown_names
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.splits import draw_splits
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.cohort.visits import Visits, read_visits, without_columns
from grasp_psonet.errors import TableError
from grasp_psonet.tables.columns import CODE, READER_ID, REQUIRED, SPLIT, VIEW, VISIT_ID

_MOST_TOLD = 50


@dataclass(frozen=True)
class TableFiles:
    """Where a study's tables lie and how they are written. ``views`` and ``readings`` may be None or missing: then there is no
    protocol of views, and readings stand in the visits table. ``photos`` is None where columns of the visits table name them.

    ``of_features``: in place of photos.csv there is features.csv, whose rows are files of feature vectors.
    """

    visits: Path
    photos: Path | None
    views: Path | None = None
    of_features: bool = False
    readings: Path | None = None
    form: TablesSettings = field(default_factory=TablesSettings)


@dataclass(frozen=True)
class Cohort:
    """Visits, photos and (where the study has one) the protocol of views; rows in the order of the files, from 0.

    visits: visit_id, patient_id, study_day, Reader 1's score, reader1_id, Reader 2's score, reader2_id, fitzpatrick
    (I..VI), split (train, val, test), Reader 1's class (a number from 0; never missing), Reader 2's (missing where not
    read), then the user's further columns as text. ``Outcome`` names the columns of scores (where the scale has any)
    and classes, by default pasi_reader1, pasi_reader2, severity_reader1, severity_reader2.

    photos: photo_id, visit_id, view, path, further columns; read from features.csv without photo_id and with key, one row for
    each file. views: code, body_region, side, required, further columns.

    readings: where they stand in a table of their own, every one of any number of readers: visit_id, reader_id, date, score and
    class (in Reader 1's columns), place (1 for that of Reader 1, ...; missing for an adjudicator and for further readers of
    visits that have both readers beside them). Where ``severity.training_label`` is another than reader1, visits have one more
    column, ``Outcome.label_column``.

    outcome: the one that the tables were read under, with what the readings say of it (of a number: the readers' noise).
    """

    visits: pd.DataFrame
    photos: pd.DataFrame
    views: pd.DataFrame | None
    readings: pd.DataFrame | None = None
    outcome: Outcome = Outcome()


@dataclass(frozen=True)
class Examination:
    """What the files hold: faults with their rows, notes on what may surprise, and the cohort if faultless.

    ``photos`` is photos.csv as far as it could be read, indexed by row number of the file; ``columns`` are those of the visits.
    """

    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]
    photos: pd.DataFrame
    cohort: Cohort | None
    columns: tuple[str, ...] = ()

    def faultless(self) -> Cohort:
        """The cohort. Raises TableError listing every fault with its rows."""
        if self.cohort is None:
            raise TableError(message_of(self.faults))
        return self.cohort


def read_cohort(files: TableFiles, outcome: Outcome, split: SplitSettings, seed: int) -> Cohort:
    """The cohort of a study; patients are split by (split, seed) where the visits table has no split column.

    Raises TableError listing every fault with its rows.
    """
    return examine(files, outcome, split, seed).faultless()


def message_of(faults: tuple[Fault, ...]) -> str:
    """All faults in one message; what repeats is told once, and a very long list ends in a count."""
    lines = told(faults)
    hidden = len(lines) - _MOST_TOLD
    return (
        f"{num_cells(faults)} fault(s) in the tables (the header is row 1):\n  "
        + "\n  ".join(lines[:_MOST_TOLD])
        + (f"\n  and {hidden} more" if hidden > 0 else "")
        + "\n  next: correct the files and run `grasp check`"
    )


def examine(files: TableFiles, outcome: Outcome, split: SplitSettings, seed: int) -> Examination:
    """Reads all tables and looks at each and across them; raises nothing that a file can cause."""
    visits = read_visits(files.visits, files.readings, outcome, files.form)
    photo_table, photos, found = _read_photos(files, visits)
    visits = without_columns(visits, list(files.form.photo_columns))
    faults = [*visits.faults, *found, *_between(visits.table, photo_table)]
    notes = [*visits.notes, *photo_table.notes]
    views, tables = None, [visits.table, photo_table] + ([] if visits.readings is None else [visits.readings.text])
    if files.views is not None and files.views.exists():
        view_table, views, found = read_views(files.views, files.form)
        faults += found + _unknown_views(photo_table, view_table)
        notes += view_table.notes
        tables.append(view_table)
    found, said = region_faults(photo_table, photos, views) if outcome.has_regions else ([], [])
    faults, notes = [*faults, *found], [*notes, *said]
    if all(len(table.text) for table in tables):
        faults += unknown_names(files.form, {str(column) for table in tables for column in table.text})
    frame = visits.frame
    columns = tuple(str(column) for column in frame)
    if not faults:
        notes += _view_notes(visits.table, frame, photo_table, photos, views)
    readings = None if visits.readings is None else visits.readings.table
    if not faults and outcome.label_column != outcome.label_columns[0]:
        frame, found = _with_training_label(visits, readings, outcome)
        faults += found
    if not faults and frame[SPLIT].isna().all():
        try:
            frame[SPLIT] = draw_splits(frame, frame[outcome.label_column].map(outcome.stratum_of), split, seed)
        except TableError as error:
            faults.append(plain(str(error)))
    if not faults:
        try:
            outcome = outcome.among(frame)
        except TableError as error:
            faults.append(plain(str(error)))
    if faults:  # one workbook may hold several tables: what is wrong with the file is told once
        return Examination(tuple(dict.fromkeys(faults)), tuple(dict.fromkeys(notes)), photos, None, columns)
    notes += [*map(plain, outcome.notes), *_score_notes(visits, outcome), *_class_notes(frame, outcome)]
    cohort = Cohort(
        frame.reset_index(drop=True), photos.reset_index(drop=True), _renumbered(views), _renumbered(readings), outcome
    )
    return Examination((), tuple(dict.fromkeys(notes)), photos, cohort, columns)


def _read_photos(files: TableFiles, visits: Visits) -> Read:
    if files.photos is None:
        return photos_of_visits(visits.table, files.form)
    return (read_feature_table if files.of_features else read_photos)(files.photos, files.form)


def _with_training_label(
    visits: Visits, readings: pd.DataFrame | None, outcome: Outcome
) -> tuple[pd.DataFrame, list[Fault]]:
    """The visits with the label that ``severity.training_label`` gives, and a fault of those to which it gives none."""
    frame, rule = visits.frame, outcome.scale.training_label
    if outcome.label_column in frame:
        problem = (
            f"column {outcome.label_column!r} would be taken for the training label (severity.training_label {rule})"
        )
        return frame, [Fault(problem, visits.table.name, remedy="give your column another name")]
    if outcome.takes_classes:
        return frame.assign(**{outcome.label_column: outcome.labels_of(frame, 0)}), []
    label = frame[VISIT_ID].map(labels_by_rule(all_readings(frame, readings, outcome), rule, outcome))
    frame = frame.assign(**{outcome.label_column: outcome.as_labels(label)})
    if label.notna().any():
        problem = f"has no training label by severity.training_label {rule}"
        remedy = "add the reading, or choose another rule, e.g. majority"
        return frame, value_faults(visits.table, VISIT_ID, label.isna(), problem, remedy)
    known = ", ".join(sorted(set(all_readings(frame, readings, outcome)[READER_ID]))[:20])
    return frame, [plain(f"severity.training_label {rule}: no reading is by this reader; the readers are {known}")]


def _renumbered(views: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if views is None else views.reset_index(drop=True)


def _between(visits: TextTable, photos: TextTable) -> list[Fault]:
    """Photos of unknown visits, and visits without photos."""
    if VISIT_ID not in visits.text or VISIT_ID not in photos.text:
        return []
    told, shown = visits.text[VISIT_ID], photos.text[VISIT_ID]
    orphans, bare = ~shown.isin(told) & (shown != ""), ~told.isin(shown) & (told != "")
    return value_faults(
        photos, VISIT_ID, orphans, f"no such visit in {visits.name}", "correct the id, or add the visit"
    ) + value_faults(
        visits, VISIT_ID, bare, f"no photo of this visit in {photos.name}", "add its photos, or take the visit out"
    )


def _unknown_views(photos: TextTable, views: TextTable) -> list[Fault]:
    if VIEW not in photos.text or CODE not in views.text:
        return []
    used = photos.text[VIEW]
    unknown = (used != "") & ~used.isin(views.text[CODE])
    return value_faults(photos, VIEW, unknown, f"no such code in {views.name}", "correct the view, or add the code")


def _view_notes(
    table: TextTable, visits: pd.DataFrame, photo_table: TextTable, photos: pd.DataFrame, views: pd.DataFrame | None
) -> list[Fault]:
    """Required views that some visits lack, and views that a visit shows twice although there is a protocol."""
    if views is None:
        return []
    notes = []
    for code in views.loc[views[REQUIRED], CODE]:
        seen = photos.loc[(photos[VIEW] == code).fillna(False), VISIT_ID]
        lacking = ~visits[VISIT_ID].isin(seen)
        if lacking.any():
            problem = f"lacks view {code!r}, which is required"
            ids = tuple(visits.loc[lacking, VISIT_ID])
            rows = tuple(visits.index[lacking])
            notes.append(Fault(problem, table.name, table.title(VISIT_ID), rows, ids, remedy="a photo to take again"))
    double = photos.duplicated([VISIT_ID, VIEW], keep=False) & photos[VIEW].notna()
    return notes + value_faults(
        photo_table, VIEW, double, "this view stands twice in a visit", "keep it if it is meant so"
    )


def _score_notes(visits: Visits, outcome: Outcome) -> list[Fault]:
    """A scale with a score of which no table holds a column: every page would speak of it all the same."""
    table = visits.table if visits.readings is None else visits.readings.text
    score = outcome.scale.score_column
    columns = outcome.score_columns if visits.readings is None else (str(score),)
    if score is None or any(column in table.text for column in columns):
        return []
    column = columns[0]
    return [
        plain(
            f"{table.name} has no column {column!r}: classes are taken as they stand, yet the report speaks of "
            f"{outcome.score_word} and its cut-offs; set severity.score_column to null where there is no score"
        )
    ]


def _class_notes(visits: pd.DataFrame, outcome: Outcome) -> list[Fault]:
    """Splits that lack a class, and what follows: a class that trains nothing is never learned, one that validates
    nothing leaves the figure that chooses without a value, one that tests nothing has no figures."""
    what_of = {
        "train": "the network cannot learn this class, and answers with others",
        "val": "the AUC that chooses does not exist; lowest loss chooses the epoch, and no pruning can be chosen",
        "test": "figures of this class will be missing there",
    }
    problems, stratum_of = [], visits[outcome.label_column].map(outcome.stratum_of)
    for stratum, name in enumerate(outcome.strata):
        if not (stratum_of == stratum).any():
            problems.append(
                f"no visit is {name} by Reader 1: the network cannot learn this class, and AUC, which counts every class, does "
                "not exist; take the class out of severity where no visit can have it"
            )
            continue
        for split in SPLITS:
            inside = visits[SPLIT] == split
            if inside.any() and not (stratum_of[inside] == stratum).any():
                problems.append(f"no visit of split {split} is {name} by Reader 1: {what_of[split]}")
    is_alone = ~outcome.has_value(visits[outcome.label_column])
    if is_alone.any():
        listed = ", ".join(f"{int((is_alone & (visits[SPLIT] == split)).sum())} in {split}" for split in SPLITS)
        problems.append(
            f"{int(is_alone.sum())} of {len(visits)} visits have only a class ({listed}): they train as the interval of its"
            f" scores and count in figures of classes; figures of {outcome.score_word}, its intervals, the probe and the audit"
            " leave them out"
        )
    return [plain(problem) for problem in problems]
