"""Patients into train, val and test, where visits.csv does not say."""

import pandas as pd

from grasp_psonet.chance import seed_of
from grasp_psonet.cohort.cells import SPLITS
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.errors import TableError
from grasp_psonet.tables.columns import FITZPATRICK, PATIENT_ID

_ALL_DRAWS = 2**64


def draw_splits(visits: pd.DataFrame, strata: "pd.Series[int]", split: SplitSettings, seed: int) -> pd.Series:
    """The split of each visit (index of ``visits``; needs patient_id, and reads fitzpatrick). ``strata``: the stratum of each
    visit, from 0.

    All visits of a patient share a split, every split gets at least one patient, and the draw is keyed by (seed, patient): the
    order of the rows and of the file plays no part. ``split.draw`` exact: each stratum of patients (their most frequent one,
    the higher of equals), and within it each skin type, is spread over the splits in proportion. Stable: a patient's split is a
    function of the seed and of the patient alone, so that nobody changes it when patients or visits are added; proportions are
    those of chance. ``split.folds``: the patients in so many parts, of which ``fold`` tests and the next validates.

    Raises TableError below three patients, with fewer patients than folds, and where a stable draw leaves a split empty.
    """
    patients = _in_strata(visits, strata, seed)
    if len(patients) < len(SPLITS):
        raise TableError(
            f"visits.csv has {len(patients)} patient(s) and no split column; drawing splits takes at least 3"
        )
    if split.folds is not None and len(patients) < split.folds:
        raise TableError(
            f"{len(patients)} patients cannot be parted into split.folds {split.folds}\n  next: fewer folds"
        )
    if split.draw == "stable":
        split_of = {patient: _drawn_alone(patient, split, seed) for patient in patients}
        if empty := [name for name in SPLITS if name not in split_of.values()]:
            raise TableError(
                f"by split.draw stable no patient of {len(patients)} falls to {' or '.join(empty)}"
                "\n  next: set split.draw to exact, or another seed"
            )
    else:
        split_of = dict(zip(patients, _spread_splits(len(patients), split), strict=True))
    return visits[PATIENT_ID].map(split_of).astype("string")


def _in_strata(visits: pd.DataFrame, strata: "pd.Series[int]", seed: int) -> list[str]:
    """The patients, stratum by stratum and in it skin type by skin type, those of one in an order drawn by the seed."""
    patient = visits[PATIENT_ID].astype(str)
    stratum_of = most_frequent(strata.astype(int), patient)
    skin = visits[FITZPATRICK].fillna("").astype(str) if FITZPATRICK in visits else pd.Series("", index=visits.index)
    skin_of = most_frequent(skin[skin != ""], patient[skin != ""])
    return sorted(stratum_of, key=lambda one: (stratum_of[one], skin_of.get(one, ""), seed_of(seed, "split", one)))


def most_frequent(values: pd.Series, of: "pd.Series[str]") -> dict[str, object]:
    """By name in ``of`` its most frequent value, the higher of equals."""
    counts = pd.DataFrame({"of": of, "value": values}).value_counts().rename("count").reset_index()
    last = counts.sort_values(["of", "count", "value"]).drop_duplicates("of", keep="last")
    return dict(zip(last["of"], last["value"], strict=True))


def _spread_splits(num_patients: int, split: SplitSettings) -> list[str]:
    """The splits of patients in order, each stretch holding them in about their proportions."""
    if split.folds is None:
        return _spread(_counts(num_patients, {name: getattr(split, name) for name in SPLITS}))
    parts = {str(part): 1 / split.folds for part in range(split.folds)}
    return [_split_of_part(int(part), split) for part in _spread(_counts(num_patients, parts))]


def _drawn_alone(patient: str, split: SplitSettings, seed: int) -> str:
    drawn = seed_of(seed, "stable split", patient)
    if split.folds is not None:
        return _split_of_part(drawn % split.folds, split)
    place = drawn / _ALL_DRAWS
    if place < split.test:
        return "test"
    return "val" if place < split.test + split.val else "train"


def _split_of_part(part: int, split: SplitSettings) -> str:
    assert split.folds is not None
    return {0: "test", 1: "val"}.get((part - split.fold) % split.folds, "train")


def _counts(num_patients: int, fraction_of: dict[str, float]) -> dict[str, int]:
    """Whole numbers nearest to the fractions (largest remainders), none of them 0."""
    exact = {name: fraction * num_patients for name, fraction in fraction_of.items()}
    counts = {name: int(share) for name, share in exact.items()}
    for name in sorted(counts, key=lambda name: counts[name] - exact[name])[: num_patients - sum(counts.values())]:
        counts[name] += 1
    for name in counts:
        if counts[name] == 0:
            counts[max(counts, key=lambda other: counts[other])] -= 1
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
