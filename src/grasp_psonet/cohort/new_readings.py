"""What readers said of visits of a study after it was made: a table of readings, and of the photos that they flagged."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.cells import id_faults
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.readings import Readings, read_readings
from grasp_psonet.cohort.sources.mapping import Wanted
from grasp_psonet.cohort.sources.read import read_text_table
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.tables.columns import KIND, PHOTO_ID, READER_ID, VISIT_ID

FLAGS = (PHOTO_ID, READER_ID, KIND)


@dataclass(frozen=True)
class NewReadings:
    """``readings`` as a table of readings; ``flags``: photo_id, reader_id and kind, one row each; every fault of both tables
    and between them and the study; ``name``: what the round is called where no column tells it.
    """

    readings: Readings
    flags: pd.DataFrame
    faults: tuple[Fault, ...]
    name: str


def read_new_readings(
    readings: Path, flags: Path | None, cohort: Cohort, outcome: Outcome, form: TablesSettings
) -> NewReadings:
    """The tables in these files, checked against the study's visits and photos."""
    table = read_readings(readings, outcome, form)
    faults = [*table.faults, *_unknown(table.text, VISIT_ID, cohort.visits[VISIT_ID], "visit")]
    flagged = pd.DataFrame(columns=list(FLAGS), dtype="string")
    if flags is not None:
        flagged, found = _read_flags(flags, cohort, form)
        faults += found
    name = readings.parent.name if readings.stem == "readings" else readings.stem
    return NewReadings(table, flagged, tuple(faults), name)


def _read_flags(path: Path, cohort: Cohort, form: TablesSettings) -> tuple[pd.DataFrame, list[Fault]]:
    table = read_text_table(path, Wanted("flags", tuple((column,) for column in FLAGS)), form)
    if table.text.empty and all(column in table.text for column in FLAGS):
        return table.text[list(FLAGS)].astype("string"), []  # nobody flagged a photo
    faults = list(table.faults)
    for column in FLAGS:
        if column in table.text:
            faults += id_faults(table, column, "flag")
    faults += _unknown(table, PHOTO_ID, cohort.photos[PHOTO_ID], "photo") if PHOTO_ID in cohort.photos else []
    if faults:
        return pd.DataFrame(columns=list(FLAGS)), faults
    flags = table.text[list(FLAGS)].astype("string")
    return flags.assign(**{KIND: flags[KIND].map(kind_of)}).drop_duplicates(ignore_index=True), faults


def kind_of(text: str) -> str:
    """A kind of flag as settings write it: not_skin for "Not skin"."""
    return "_".join(text.lower().replace("-", " ").replace("_", " ").split())


def _unknown(table: TextTable, column: str, known: "pd.Series[str]", what: str) -> list[Fault]:
    """Faults of ids that the study does not have; empty ones are another fault."""
    if column not in table.text:
        return []
    cells = table.text[column]
    problem = f"no such {what} in the study"
    return value_faults(
        table, column, ~cells.isin(known) & (cells != ""), problem, "correct the id, or take the row out"
    )
