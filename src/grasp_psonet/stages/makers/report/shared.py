"""The diagnosis as the report shows it: the first findings with their galleries."""

from typing import Any

import pandas as pd

from grasp_psonet.files import read_json
from grasp_psonet.report.diagnosed import Diagnosis, SharedTrait, ShownPhoto
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.diagnose import DIAGNOSIS
from grasp_psonet.stages.makers.report.gallery import number_or_none, thumbnails_of
from grasp_psonet.tables.columns import (
    CLASS_NAME,
    CLASS_SHARE_TRAIN,
    CLASS_SHARE_VAL,
    EXPECTED_SHARE,
    FINDING,
    KIND,
    NEIGHBOUR_OF,
    NUM_FLAGGED,
    NUM_PATIENTS,
    ODDS_RATIO,
    OTHER_SHARE_TRAIN,
    OTHER_SHARE_VAL,
    P_CORRECTED,
    PHOTO_ID,
    RANK,
    RATIO,
    SHARE,
    STANDARDISED_DIFFERENCE,
    STRENGTH,
    TRAIT,
    TRAIT_VALUE,
    VISIT_ID,
    WORDS,
)
from grasp_psonet.tables.schemas.diagnosis import FINDING_PHOTOS, FINDINGS, FLAGGED

_MOST_TRAITS = 10


def diagnosis_of(job: Job) -> Diagnosis:
    """The diagnosis with the first findings, and the pictures of those that have a gallery."""
    folder = job.study.diagnosis
    told = read_json(folder / DIAGNOSIS)
    found = FINDINGS.read(folder / "findings.parquet")
    photos = FINDING_PHOTOS.read(folder / "photos.parquet")
    thumbnails = thumbnails_of(job, photos[PHOTO_ID])
    return Diagnosis(
        diagnosis=told["diagnosis"],
        in_words=told["in_words"],
        evidence=tuple(told["evidence"]),
        verdict=told["verdict"],
        num_flagged=len(FLAGGED.read(folder / "flagged.parquet", columns=[PHOTO_ID])),
        num_traits=len(found),
        traits=tuple(
            _trait(row, photos[photos[FINDING] == row[RANK]], thumbnails)
            for row in found.head(_MOST_TRAITS).to_dict("records")
        ),
    )


def _trait(row: dict[Any, Any], photos: pd.DataFrame, thumbnails: dict[str, bytes]) -> SharedTrait:
    return SharedTrait(
        words=row[WORDS],
        strength=row[STRENGTH],
        kind=row[KIND],
        trait=row[TRAIT],
        value=row[TRAIT_VALUE],
        num_flagged=int(row[NUM_FLAGGED]),
        num_patients=int(row[NUM_PATIENTS]),
        share=float(row[SHARE]),
        expected_share=float(row[EXPECTED_SHARE]),
        ratio=float(row[RATIO]),
        odds_ratio=number_or_none(row[ODDS_RATIO]),
        standardised_difference=number_or_none(row[STANDARDISED_DIFFERENCE]),
        p_corrected=float(row[P_CORRECTED]),
        class_name=row[CLASS_NAME],
        class_share_train=number_or_none(row[CLASS_SHARE_TRAIN]),
        other_share_train=number_or_none(row[OTHER_SHARE_TRAIN]),
        class_share_val=number_or_none(row[CLASS_SHARE_VAL]),
        other_share_val=number_or_none(row[OTHER_SHARE_VAL]),
        photos=tuple(
            ShownPhoto(
                photo[PHOTO_ID],
                photo[VISIT_ID],
                thumbnails.get(photo[PHOTO_ID]),
                None if pd.isna(photo[NEIGHBOUR_OF]) else str(photo[NEIGHBOUR_OF]),
            )
            for photo in photos.to_dict("records")
        ),
    )
