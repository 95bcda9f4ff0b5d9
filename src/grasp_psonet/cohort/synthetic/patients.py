"""Patients, their visits, and the disease at each visit. Axes: P patients, V visits, Q candidates, R regions, S sub-scores."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic.drawing.camera import DEVICES
from grasp_psonet.cohort.synthetic.drawing.skin import FITZPATRICK
from grasp_psonet.cohort.synthetic.pasi import GRADE_MAX, Fractions, Scores, area_score, pasi_of
from grasp_psonet.cohort.synthetic.settings import SyntheticSettings
from grasp_psonet.tables.columns import NUM_VISITS, PATIENT_ID, VISIT_ID

VISIT_DAYS = (0, 14, 28, 56)
# Types I to VI of the paper's 344 patients.
PAPER_FITZPATRICK = (60, 163, 85, 22, 12, 2)
_PAPER_SEX = (220 / 344, 124 / 344)  # female, male
_SPLITS_TRIED = 40
_MIN_DARK = 3  # patients of types IV-VI, one of each type, in a cohort of at least 12
# PASI at fractions of the visits ordered by severity: 37.5 % up to 5, 32.5 % up to 10, 30 % above.
_PASI_AT = ((0.0, 0.10, 0.375, 0.70, 0.85, 0.95, 1.0), (0.8, 2.0, 5.0, 10.0, 17.0, 27.0, 42.0))


@dataclass(frozen=True)
class Disease:
    """The true sub-scores [V, R, S] and covered fractions [V, R] of every visit."""

    scores_VRS: Scores
    fraction_VR: Fractions


def fitzpatrick_counts(num_patients: int) -> dict[str, int]:
    """Patients per skin type in the paper's proportions (largest remainders), with one of each of IV-VI from 12 on."""
    share = np.array(PAPER_FITZPATRICK) / sum(PAPER_FITZPATRICK) * num_patients
    counts = np.floor(share).astype(int)
    for index in np.argsort(-(share - counts), kind="stable")[: num_patients - counts.sum()]:
        counts[index] += 1
    if num_patients >= 4 * _MIN_DARK:
        for index in (3, 4, 5):
            if counts[index] == 0:
                counts[index] += 1
                counts[1] -= 1  # type II is the largest group
    return dict(zip(FITZPATRICK, counts.tolist(), strict=True))


def draw_visits(settings: SyntheticSettings, seed: int) -> pd.DataFrame:
    """One row per visit: ids, day, skin type, sex, age, site, device, and ``burden``, the wanted order of severity."""
    rng = chance.generator("patients", seed)
    num_patients = settings.num_patients
    types = [name for name, count in fitzpatrick_counts(num_patients).items() for _ in range(count)]
    fitzpatrick_P = rng.permutation(np.array(types))
    visits_P = _visits_per_patient(rng, num_patients, settings.num_visits)
    level_P = rng.normal(0, 0.8, num_patients)
    response_P = rng.beta(2.0, 1.8, num_patients)
    sex_P = rng.choice(["female", "male"], num_patients, p=_PAPER_SEX)
    age_P = np.clip(np.round(rng.normal(47, 14, num_patients)), 18, 85).astype(int)
    site_P = rng.integers(1, 7, num_patients)
    device_P = rng.integers(0, len(DEVICES), num_patients)
    rows = []
    for patient in range(num_patients):
        for day in VISIT_DAYS[: visits_P[patient]]:
            improvement = 1 - 0.9 * response_P[patient] * (1 - np.exp(-day / 25))
            rows.append(
                {
                    "patient_id": f"p-{patient + 1:03d}",
                    "study_day": day,
                    "fitzpatrick": str(fitzpatrick_P[patient]),
                    "sex": str(sex_P[patient]),
                    "age": int(age_P[patient]),
                    "site": f"site-{site_P[patient]}",
                    "device": DEVICES[device_P[patient]],
                    "burden": level_P[patient] + np.log(improvement) + rng.normal(0, 0.08),
                }
            )
    visits = pd.DataFrame(rows)
    visits.insert(0, VISIT_ID, [f"v-{number:04d}" for number in range(1, len(visits) + 1)])
    return visits


def draw_disease(visits: pd.DataFrame, seed: int) -> Disease:
    """Sub-scores whose PASI follows the visits' burden; a patient's plaques keep their regions and their look."""
    rank_V = visits["burden"].rank(method="first").to_numpy(dtype=np.float64)
    wanted_V = np.interp((rank_V - 0.5) / len(visits), *_PASI_AT)
    chosen = [
        _nearest(float(wanted), *_courses(seed, str(patient), str(visit)))
        for wanted, patient, visit in zip(wanted_V, visits[PATIENT_ID], visits[VISIT_ID], strict=True)
    ]
    return Disease(np.stack([scores for scores, _ in chosen]), np.stack([fraction for _, fraction in chosen]))


def split_patients(visits: pd.DataFrame, val_visits: int, test_visits: int, seed: int) -> npt.NDArray[np.str_]:
    """The split of each visit: whole patients, spread evenly over skin types, about as many visits as asked.

    Of several such splits, the one whose parts are nearest in size and in severity: small cohorts keep every class.
    """
    patients = visits.groupby(PATIENT_ID, sort=False).agg(
        skin=("fitzpatrick", "first"), num_visits=("visit_id", "size")
    )
    skin_P = patients["skin"].map(FITZPATRICK.index).to_numpy()
    share = {"train": 1 - (val_visits + test_visits) / len(visits)}
    share |= {"val": val_visits / len(visits), "test": test_visits / len(visits)}
    wanted = visits["burden"].rank(pct=True).to_numpy()
    class_V = np.searchsorted(_PASI_AT[0][2:4], wanted)
    rng = chance.generator("split", seed)
    best, least = np.empty(0, dtype=np.str_), np.inf
    for _ in range(_SPLITS_TRIED):
        shuffled = patients.iloc[np.argsort(skin_P + rng.normal(0, 0.5, len(patients)), kind="stable")[::-1]]
        split_V = visits[PATIENT_ID].map(_dealt(shuffled[NUM_VISITS], share)).to_numpy(dtype=np.str_)
        counts = np.array([[np.sum((split_V == name) & (class_V == kind)) for kind in range(3)] for name in share])
        ideal = np.outer(list(share.values()), np.bincount(class_V, minlength=3))
        distance = float((np.abs(counts - ideal) / ideal).sum())
        if distance < least:
            best, least = split_V, distance
    return best


def _dealt(num_visits: "pd.Series[int]", share: dict[str, float]) -> dict[str, str]:
    """Patients dealt to the splits in the order given, each to the split that lags most behind its share of the visits."""
    given, seen, split_of = dict.fromkeys(share, 0), 0, {}
    for patient, count in zip(num_visits.index.tolist(), num_visits.tolist(), strict=True):
        seen += count
        lagging = max(share, key=lambda name: share[name] * seen - given[name])
        given[lagging] += count
        split_of[patient] = lagging
    return split_of


def _visits_per_patient(rng: np.random.Generator, num_patients: int, num_visits: int) -> npt.NDArray[np.int64]:
    counts_P = np.ones(num_patients, np.int64)
    for _ in range(num_visits - num_patients):
        counts_P[rng.choice(np.flatnonzero(counts_P < len(VISIT_DAYS)))] += 1
    return counts_P


def _courses(seed: int, patient: str, visit: str) -> tuple[Scores, Fractions]:
    """Candidates from clear to very severe: sub-scores [Q, R, S] and fractions [Q, R] of one patient at one visit."""
    person, today = chance.generator("disease", seed, patient), chance.generator("disease", seed, patient, visit)
    level_Q = np.linspace(0.02, 1.1, 160)
    reach_R = person.lognormal(0, 0.35, 4) * today.lognormal(0, 0.06, 4)
    look_RS = person.lognormal(0, 0.16, (4, 3)) * today.lognormal(0, 0.05, (4, 3)) * np.array([1.0, 0.95, 0.92])
    fraction_QR = np.clip(0.9 * (level_Q[:, None] * reach_R) ** 1.6, 0, 0.97)
    fraction_QR[fraction_QR < 0.004] = 0
    grades_QRS = np.clip(np.round(4.3 * level_Q[:, None, None] ** 0.55 * look_RS), 0, GRADE_MAX)
    grades_QRS[..., 0] = np.maximum(grades_QRS[..., 0], 1)  # a plaque is never without any redness
    scores_QRS = np.concatenate([grades_QRS, area_score(fraction_QR)[..., None]], axis=-1).astype(np.int64)
    scores_QRS[scores_QRS[..., 3] == 0] = 0
    return scores_QRS, fraction_QR


def _nearest(wanted_pasi: float, scores_QRS: Scores, fraction_QR: Fractions) -> tuple[Scores, Fractions]:
    best = int(np.abs(pasi_of(scores_QRS) - wanted_pasi).argmin())
    return scores_QRS[best], fraction_QR[best]
