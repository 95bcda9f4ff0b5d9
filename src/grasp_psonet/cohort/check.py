"""What `grasp check` says about the tables: faults, notes, and a summary of a faultless cohort."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from grasp_psonet.cohort.cells import SPLITS
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.tables import Cohort, Examination, TableFiles, examine
from grasp_psonet.tables.columns import FITZPATRICK, PATIENT_ID, SPLIT, VISIT_ID


@dataclass(frozen=True)
class CheckResult:
    """``faults`` stop every other command, ``notes`` do not; ``summary`` is empty where there are faults. ``photos`` is
    photos.csv as far as it could be read, indexed by row number of the file, for looking at the files themselves."""

    faults: list[Fault]
    notes: list[Fault]
    photos: pd.DataFrame
    summary: dict[str, Any] = field(default_factory=dict)


def check_tables(files: TableFiles, outcome: Outcome, split: SplitSettings, seed: int) -> CheckResult:
    """Every fault of the tables at once; the files of the photos are not opened here."""
    return result_of(examine(files, outcome, split, seed))


def result_of(examination: Examination) -> CheckResult:
    """What is said of tables that were examined."""
    summary = {} if examination.cohort is None else summary_of(examination.cohort)
    return CheckResult(list(examination.faults), list(examination.notes), examination.photos, summary)


def summary_of(cohort: Cohort) -> dict[str, Any]:
    """Counts of a cohort: patients, visits, photos; visits by split and class, by skin type, and read twice."""
    visits, outcome = cohort.visits, cohort.outcome
    photos_per_visit = cohort.photos.groupby(VISIT_ID).size()
    stratum_of, disagree = visits[outcome.label_column].map(outcome.stratum_of), outcome.readers_disagree(visits)
    return {
        "num_patients": int(visits[PATIENT_ID].nunique()),
        "num_visits": len(visits),
        "num_photos": len(cohort.photos),
        "photos_per_visit": [
            int(photos_per_visit.min()),
            float(photos_per_visit.median()),
            int(photos_per_visit.max()),
        ],
        "visits_by_split_and_class": {
            split: {
                name: int(((visits[SPLIT] == split) & (stratum_of == stratum)).sum())
                for stratum, name in enumerate(outcome.strata)
            }
            for split in SPLITS
        },
        "visits_by_fitzpatrick": {str(k): int(n) for k, n in visits[FITZPATRICK].value_counts().sort_index().items()},
        "num_read_twice": int(disagree.notna().sum()),
        "num_readers_differ": int(disagree.sum()),
    }
