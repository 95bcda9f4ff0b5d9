"""``grasp evaluate``: agreement of all readers of the study."""

from pathlib import Path

from grasp_psonet.cohort.label_rules import all_readings
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.evidence.readers import agreement_of_readers
from grasp_psonet.stages.declared.needs import LearningNeeds
from grasp_psonet.tables.schemas.evaluation import READER_AGREEMENT


def make_reader_agreement(folder: Path, own: LearningNeeds, cohort: Cohort) -> None:
    """The table of agreement among all readings of the visits."""
    readings = all_readings(cohort.visits, cohort.readings, cohort.outcome)
    found = agreement_of_readers(readings, cohort.visits, cohort.outcome, own.evaluate, own.seed)
    READER_AGREEMENT.write(found, folder / "agreement.parquet")
