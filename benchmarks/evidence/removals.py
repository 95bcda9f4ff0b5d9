"""How often a removal is warned of that takes from nobody in particular, and from a group that it does take from.

Drawn tables of 90 training patients; photos leave by a weight that the photos of a patient and of a visit share, as harm does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.evidence.scope import Scope
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.pruning.fairness import removal_by_group

NUM_PATIENTS, NUM_REMOVALS, NUM_QUICK = 90, 200, 5
PHOTOS_EACH = 12
NUM_TAKEN = (40, 160)
TIMES = 4.0  # as likely as others: a photo of the group that is taken from
_PATIENT_SD, _VISIT_SD = 0.8, 0.5  # of the logarithm of a photo's weight
_SKIN, _SKIN_SHARES = ("I", "II", "III", "IV", "V", "VI"), (0.1, 0.35, 0.3, 0.12, 0.1, 0.03)


@dataclass(frozen=True)
class _Cohort:
    photos: pd.DataFrame
    visits: pd.DataFrame


def removals(scope: Scope) -> dict[str, Any]:
    """Shares of removals with a warning: of any group where none is taken from, and of the group that is."""
    num = NUM_QUICK if scope.is_quick else NUM_REMOVALS
    found: dict[str, Any] = {"removal_cases": num}
    for taken in NUM_TAKEN:
        rng = np.random.default_rng([23, taken])
        fair = [_warned(rng, taken, "") for _ in range(num)]
        found[f"removal_false_alarms_{taken}"] = float(np.mean([bool(groups) for groups in fair]))
        for column, group in (("fitzpatrick", "IV-VI"), ("device", "phone 2"), ("sex", "female")):
            unfair = [_warned(rng, taken, column, group) for _ in range(num)]
            found[f"removal_warned_{column}_{taken}"] = float(np.mean([(column, group) in groups for groups in unfair]))
    return found


def _warned(rng: np.random.Generator, taken: int, column: str, group: str = "") -> set[tuple[str, str]]:
    """The groups warned of in one removal that takes from one group more often, or (no column) from none."""
    cohort = _drawn(rng)
    table = cohort.photos.merge(cohort.visits, on="visit_id")
    weight = np.exp(
        _PATIENT_SD * rng.standard_normal(NUM_PATIENTS)[pd.factorize(table["patient_id"])[0]]
        + _VISIT_SD * rng.standard_normal(len(cohort.visits))[pd.factorize(table["visit_id"])[0]]
    )
    if column:
        is_in = table[column].isin(_SKIN[3:]) if group == "IV-VI" else table[column] == group
        weight = weight * np.where(is_in, TIMES, 1.0)
    removed = rng.choice(len(table), size=taken, replace=False, p=weight / weight.sum())
    keep = table[["photo_id", "visit_id"]].assign(kept=True)
    keep.loc[removed, "kept"] = False
    by_group = removal_by_group(keep, cohort.photos, cohort.visits, Outcome(), EvaluateSettings(), 0)
    warned = by_group[by_group["warning"] != ""]
    return set(zip(warned["group_column"], warned["group"], strict=True))


def _drawn(rng: np.random.Generator) -> _Cohort:
    each = rng.integers(1, 5, size=NUM_PATIENTS)
    patient = np.repeat(np.arange(NUM_PATIENTS), each)
    skin = rng.choice(_SKIN, NUM_PATIENTS, p=_SKIN_SHARES)
    visits = pd.DataFrame(
        {
            "visit_id": [f"v{number:03d}" for number in range(len(patient))],
            "patient_id": [f"p{number:03d}" for number in patient],
            "severity_reader1": pd.array(rng.integers(0, 3, len(patient)), dtype="Int64"),
            "fitzpatrick": skin[patient],
            "sex": rng.choice(["female", "male"], NUM_PATIENTS)[patient],
            "age": rng.integers(18, 80, NUM_PATIENTS).astype(str)[patient],
            "site": rng.choice(["site 1", "site 2", "site 3"], NUM_PATIENTS)[patient],
            "device": rng.choice([f"phone {number}" for number in range(4)], len(patient)),
        }
    )
    photos = pd.DataFrame(
        {
            "photo_id": [f"{visit}-{number:02d}" for visit in visits["visit_id"] for number in range(PHOTOS_EACH)],
            "visit_id": visits["visit_id"].repeat(PHOTOS_EACH).to_numpy(),
            "view": [f"view {number:02d}" for _ in range(len(visits)) for number in range(PHOTOS_EACH)],
        }
    )
    return _Cohort(photos, visits)
