"""Patients into train, val and test, where visits.csv does not say."""

import pandas as pd

from grasp_psonet.chance import seed_of
from grasp_psonet.cohort.cells import SPLITS
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.errors import TableError
from grasp_psonet.tables.columns import PATIENT_ID


def draw_splits(visits: pd.DataFrame, strata: "pd.Series[int]", split: SplitSettings, seed: int) -> pd.Series:
    """The split of each visit (index of ``visits``; needs patient_id). ``strata``: the stratum of each visit, from 0.

    All visits of a patient share a split, every split gets at least one patient, and each stratum of patients (their most
    frequent one, the higher of equals) is spread over the splits in proportion. The draw is keyed by
    (seed, patient): the order of the rows and of the file plays no part. Raises TableError below three patients.
    """
    stratum_of = strata.groupby(visits[PATIENT_ID]).agg(lambda found: int(found.mode().max()))
    if len(stratum_of) < len(SPLITS):
        raise TableError(
            f"visits.csv has {len(stratum_of)} patient(s) and no split column; drawing splits takes at least 3"
        )
    drawn = sorted(stratum_of.index, key=lambda patient: (stratum_of[patient], seed_of(seed, "split", str(patient))))
    order = _spread(_patients_per_split(len(drawn), split))
    split_of = dict(zip(drawn, order, strict=True))
    return visits[PATIENT_ID].map(split_of).astype("string")


def _patients_per_split(num_patients: int, split: SplitSettings) -> dict[str, int]:
    """Whole numbers nearest to the fractions (largest remainders), none of them 0."""
    exact = {name: getattr(split, name) * num_patients for name in SPLITS}
    counts = {name: int(share) for name, share in exact.items()}
    for name in sorted(SPLITS, key=lambda name: counts[name] - exact[name])[: num_patients - sum(counts.values())]:
        counts[name] += 1
    for name in SPLITS:
        if counts[name] == 0:
            counts[max(SPLITS, key=lambda other: counts[other])] -= 1
            counts[name] = 1
    return counts


def _spread(counts: dict[str, int]) -> list[str]:
    """A sequence with these counts in which every stretch holds the splits in about their proportions."""
    total, placed, order = sum(counts.values()), dict.fromkeys(counts, 0), []
    for position in range(1, total + 1):
        owed = {name: counts[name] * position / total - placed[name] for name in counts if placed[name] < counts[name]}
        name = max(owed, key=lambda name: owed[name])
        placed[name] += 1
        order.append(name)
    return order
