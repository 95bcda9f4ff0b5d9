"""``grasp evaluate``: agreement of all readers of the study, and of each with itself."""

from collections.abc import Sequence
from pathlib import Path

from grasp_psonet.cohort.label_rules import all_readings
from grasp_psonet.cohort.readings import Readings, read_readings
from grasp_psonet.cohort.repeats import hidden_repeats
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.tables import Cohort, message_of
from grasp_psonet.errors import TableError
from grasp_psonet.evidence.readers import agreement_of_readers
from grasp_psonet.stages.declared.needs import LearningNeeds
from grasp_psonet.tables.schemas.evaluation import READER_AGREEMENT


def make_reader_agreement(
    folder: Path, own: LearningNeeds, cohort: Cohort, sources: Sequence[tuple[Path, TablesSettings]]
) -> None:
    """The table of agreement among all readings of the visits.

    ``sources``: tables of readings with their form, in which visits may stand that a reader was given twice. Raises TableError
    with every fault of one.
    """
    outcome = cohort.outcome
    readings = all_readings(cohort.visits, cohort.readings, outcome)
    tables = [_faultless(read_readings(path, outcome, form)).table for path, form in sources]
    repeats = hidden_repeats(tables, outcome)
    found = agreement_of_readers(readings, repeats, cohort.visits, outcome, own.evaluate, own.seed)
    READER_AGREEMENT.write(found, folder / "agreement.parquet")


def _faultless(readings: Readings) -> Readings:
    if readings.faults:
        raise TableError(message_of(readings.faults))
    return readings
