"""The tables of a synthetic cohort, without drawing any photo: what a study would have, and the truth behind it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from grasp_psonet import chance
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic.drawing.photo import OBJECT
from grasp_psonet.cohort.synthetic.faults import CARRIES_SECOND, assign_faults, shortcut_visits
from grasp_psonet.cohort.synthetic.pasi import PASI_MAX, SUB_SCORES
from grasp_psonet.cohort.synthetic.patients import Disease, draw_disease, draw_visits, split_patients
from grasp_psonet.cohort.synthetic.protocol import REGIONS, VIEW_OF, View, chosen_views
from grasp_psonet.cohort.synthetic.readers import (
    READER1_IDS,
    SECOND_READER,
    Imperfection,
    keep_read,
    parts_read,
    readings_of,
)
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings
from grasp_psonet.setting import refuse_unless
from grasp_psonet.tables.columns import (
    AGE,
    AREA_FRACTION,
    BODY_REGION,
    CARRIES_SHORTCUT,
    DEVICE,
    DRAWN_VIEW,
    DUPLICATE_OF,
    FAULT,
    FITZPATRICK,
    IS_SHORTCUT,
    PASI_READER1,
    PASI_READER2,
    PATH,
    PATIENT_ID,
    PHOTO_ID,
    READER1_ID,
    READER2_ID,
    SEVERITY_READER1,
    SEX,
    SITE,
    SPLIT,
    STUDY_DAY,
    VIEW,
    VISIT_ID,
)

_AREA_MAX = 0.97
_VISIT_COLUMNS = [
    *(VISIT_ID, PATIENT_ID, STUDY_DAY, PASI_READER1, READER1_ID, PASI_READER2, READER2_ID),
    *(FITZPATRICK, SPLIT, SEX, AGE, SITE, DEVICE),
]


@dataclass(frozen=True)
class SyntheticTables:
    """visits, photos and views as a study has them; truth (per photo) and truth_visits as only a synthetic one has.

    ``strengths``: of the planted faults, by fault; a fault that is not there shows at strength 1.
    """

    visits: pd.DataFrame
    photos: pd.DataFrame
    views: pd.DataFrame
    truth: pd.DataFrame
    truth_visits: pd.DataFrame
    strengths: Mapping[str, float] = field(default_factory=dict)


def draw_tables(settings: SyntheticSettings, outcome: Outcome, seed: int) -> SyntheticTables:
    """Every table of the cohort of this seed. Raises SettingsError for an outcome that is no scale of PASI."""
    _refuse_other_scale(settings, outcome)
    visits = draw_visits(settings, seed)
    disease = draw_disease(visits, seed)
    visits[SPLIT] = split_patients(visits, settings.val_visits, settings.test_visits, seed)
    imperfection = Imperfection(settings.reader_noise, settings.gross_errors)
    readings = readings_of(visits, disease.scores_VRS, outcome, seed, imperfection)
    rng = chance.generator("who reads", seed)
    is_read_twice = (visits[SPLIT] != "train") | (rng.random(len(visits)) < settings.doubly_read)
    visits[READER1_ID] = rng.choice(READER1_IDS, len(visits))
    visits[READER2_ID] = np.where(is_read_twice, SECOND_READER, "")
    readings = keep_read(readings, is_read_twice)
    visits[[PASI_READER1, PASI_READER2]] = readings[[PASI_READER1, PASI_READER2]]
    visits[SEVERITY_READER1] = readings[SEVERITY_READER1]
    if outcome.has_regions:
        parts = parts_read(visits, disease.scores_VRS, seed, imperfection)
        visits = visits.join(parts)
    first, second = settings.shortcut, settings.second_shortcut
    visits[CARRIES_SHORTCUT] = shortcut_visits(visits, first, outcome.classes, seed)
    visits[CARRIES_SECOND] = shortcut_visits(visits, second, outcome.classes, seed, "second shortcut")
    for shortcut, carries in ((first, CARRIES_SHORTCUT), (second, CARRIES_SECOND)):
        _refuse_unplanted(shortcut, visits.loc[visits[SPLIT] == "train", carries])

    views = chosen_views(settings.num_views)
    photos = _taken(visits, views, settings.missing_views, seed)
    faults = assign_faults(photos, visits, settings, seed)
    shown = _shown(photos.join(faults), visits, disease, seed)
    truth_visits = pd.concat([readings, _score_columns(disease)], axis=1)
    truth_visits.insert(1, PATIENT_ID, visits[PATIENT_ID])
    truth_visits[CARRIES_SHORTCUT] = visits[CARRIES_SHORTCUT] | visits[CARRIES_SECOND]
    return SyntheticTables(
        visits=visits[[*_VISIT_COLUMNS, *(parts if outcome.has_regions else [])]],
        photos=photos,
        views=pd.DataFrame([asdict(view) for view in views]).drop(columns="shape"),
        truth=shown,
        truth_visits=truth_visits,
        strengths={first.fault: first.strength, second.fault: second.strength},
    )


def _refuse_other_scale(settings: SyntheticSettings, outcome: Outcome) -> None:
    """The drawn cohort has PASI scores; its classes may be any that cut-offs on PASI make."""
    scale = outcome.scale
    is_pasi = scale.score_column == "pasi" and scale.score_range == (0.0, PASI_MAX)
    refuse_unless(
        is_pasi,
        "severity.score_column, severity.score_range",
        (scale.score_column, scale.score_range),
        f"('pasi', (0.0, {PASI_MAX:g})) for a drawn cohort",
    )
    for shortcut in (settings.shortcut, settings.second_shortcut):
        refuse_unless(
            shortcut.fault == "none" or shortcut.severity in outcome.classes,
            f"{shortcut.path}.severity",
            shortcut.severity,
            f"one of severity.classes: {', '.join(outcome.classes)}",
        )


def _refuse_unplanted(shortcut: ShortcutSettings, carries: "pd.Series[bool]") -> None:
    """A shortcut of certain skin types that no training visit has would be none at all."""
    is_wanted = shortcut.fault != "none" and shortcut.train_visits > 0 and bool(shortcut.fitzpatrick)
    wanted = f"skin types that enough {shortcut.severity} training visits have; here none came to carry the fault"
    refuse_unless(not is_wanted or bool(carries.any()), f"{shortcut.path}.fitzpatrick", shortcut.fitzpatrick, wanted)


def _taken(visits: pd.DataFrame, views: tuple[View, ...], missing: float, seed: int) -> pd.DataFrame:
    """One row per photo that was taken; every visit has at least one."""
    rows = []
    for visit_id in visits[VISIT_ID]:
        rng = chance.generator("views", seed, str(visit_id))
        is_taken = rng.random(len(views)) >= missing
        is_taken[rng.integers(len(views))] |= not is_taken.any()
        for number, view in enumerate(views, start=1):
            if is_taken[number - 1]:
                photo_id = f"{visit_id}-{number:02d}"
                rows.append((photo_id, visit_id, view.code, f"photos/{visit_id}/{photo_id}.jpg"))
    return pd.DataFrame(rows, columns=[PHOTO_ID, VISIT_ID, VIEW, PATH])


def _shown(photos: pd.DataFrame, visits: pd.DataFrame, disease: Disease, seed: int) -> pd.DataFrame:
    """The truth per photo: its fault, and the grades and covered fraction that it shows.

    The fractions of the photos of a region scatter around the region's; a duplicate shows what its source shows.
    """
    row_of = dict(zip(visits[VISIT_ID], range(len(visits)), strict=True))
    region_N = np.array([_region(view) for view in photos[DRAWN_VIEW]])
    photo_id = photos[PHOTO_ID].to_numpy(dtype=object)
    shown_of: dict[str, tuple[float, float, float, float]] = {}
    for visit_id, rows in photos.groupby(VISIT_ID, sort=False).indices.items():
        visit = row_of[visit_id]
        spread = chance.generator("areas", seed, str(visit_id)).lognormal(0, 0.35, len(rows))
        for region in range(len(REGIONS)):
            in_region = region_N[rows] == region
            spread[in_region] /= spread[in_region].mean() if in_region.any() else 1
        for row, times in zip(rows, spread, strict=True):
            if region_N[row] < 0:
                shown_of[photo_id[row]] = (0.0, 0.0, 0.0, 0.0)
                continue
            erythema, induration, desquamation = disease.scores_VRS[visit, region_N[row], :3].astype(float).tolist()
            area = min(float(disease.fraction_VR[visit, region_N[row]] * times), _AREA_MAX)
            shown_of[photo_id[row]] = (erythema, induration, desquamation, round(area, 5))
    source = photos[DUPLICATE_OF].fillna(photos[PHOTO_ID])
    shown = pd.DataFrame(
        [shown_of[photo_id] for photo_id in source], columns=[*SUB_SCORES[:3], AREA_FRACTION], index=photos.index
    )
    columns = [PHOTO_ID, VISIT_ID, VIEW, DRAWN_VIEW, FAULT, IS_SHORTCUT, DUPLICATE_OF]
    truth = photos[columns].join(shown)
    truth[BODY_REGION] = [VIEW_OF[view].body_region for view in photos[VIEW]]
    return truth


def _region(drawn_view: str) -> int:
    return -1 if drawn_view == OBJECT else REGIONS.index(VIEW_OF[drawn_view].body_region)


def _score_columns(disease: Disease) -> pd.DataFrame:
    """The true sub-scores and fractions as columns, e.g. trunk_erythema, trunk_area, trunk_area_fraction."""
    columns: dict[str, np.ndarray] = {}
    for index, region in enumerate(REGIONS):
        for column, name in enumerate(SUB_SCORES):
            columns[f"{region}_{name}"] = disease.scores_VRS[:, index, column]
        columns[f"{region}_area_fraction"] = disease.fraction_VR[:, index].round(5)
    return pd.DataFrame(columns)
