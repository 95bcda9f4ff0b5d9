"""What only a drawn cohort has: the truth behind its photos and its readings."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import BOOL, FLOAT64, INT, TEXT
from grasp_psonet.tables.table import Column, Table

BODY_REGIONS = ("head", "upper_limbs", "trunk", "lower_limbs")


def _of_region(region: str) -> tuple[Column, ...]:
    """The true sub-scores of one region of the body."""
    name = region.replace("_", " ")
    return (
        Column(f"{region}_{c.ERYTHEMA}", INT, f"true redness of the plaques, {name}", "grade, 0 to 4"),
        Column(f"{region}_{c.INDURATION}", INT, f"true thickness of the plaques, {name}", "grade, 0 to 4"),
        Column(f"{region}_{c.DESQUAMATION}", INT, f"true scaling of the plaques, {name}", "grade, 0 to 4"),
        Column(f"{region}_{c.AREA}", INT, f"true area score, {name}", "0 to 6"),
        Column(f"{region}_{c.AREA_FRACTION}", FLOAT64, f"part of the skin that plaques cover, {name}", "0 to 1"),
    )


TRUTH = Table(
    title="the truth of drawn photos",
    pattern="truth.parquet",
    row="photo",
    made_by="grasp cohort",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.VIEW, TEXT, "the view that photos.csv says it shows"),
        Column(c.DRAWN_VIEW, TEXT, "the view that it really shows; another one where its fault is wrong_part"),
        Column(c.FAULT, TEXT, "the planted fault", "none, or the name of a fault"),
        Column(c.IS_SHORTCUT, BOOL, "whether the fault is the planted shortcut"),
        Column(c.DUPLICATE_OF, TEXT, "the photo it repeats; missing where it repeats none", nullable=True),
        Column(c.ERYTHEMA, FLOAT64, "redness of the plaques shown", "grade, 0 to 4"),
        Column(c.INDURATION, FLOAT64, "thickness of the plaques shown", "grade, 0 to 4"),
        Column(c.DESQUAMATION, FLOAT64, "scaling of the plaques shown", "grade, 0 to 4"),
        Column(c.AREA_FRACTION, FLOAT64, "part of the skin shown that plaques cover", "0 to 1"),
        Column(c.BODY_REGION, TEXT, "the region of the body that the view belongs to"),
    ),
)

TRUTH_VISITS = Table(
    title="the truth of drawn visits",
    pattern="truth_visits.parquet",
    row="visit",
    made_by="grasp cohort",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        Column(c.PATIENT_ID, TEXT, "its patient"),
        Column(c.PASI_TRUE, FLOAT64, "the PASI of the true sub-scores", "PASI points, 0 to 72"),
        Column(c.SEVERITY_TRUE, INT, "its class", "class, from 0"),
        Column(c.PASI_READER1, FLOAT64, "PASI as the first reader scored it", "PASI points, 0 to 72"),
        Column(c.SEVERITY_READER1, INT, "its class", "class, from 0"),
        Column(c.GROSS_ERROR_READER1, TEXT, "the first reader's gross error; empty for none"),
        Column(
            c.PASI_READER2,
            FLOAT64,
            "PASI as the second reader scored it; missing where not read twice",
            "PASI points, 0 to 72",
            nullable=True,
        ),
        Column(c.SEVERITY_READER2, INT, "its class; missing where not read twice", "class, from 0", nullable=True),
        Column(c.GROSS_ERROR_READER2, TEXT, "the second reader's gross error; empty for none"),
        Column(c.DISAGREE, BOOL, "whether the readers' classes differ; false where not read twice"),
        Column(c.CAUSE, TEXT, "why they differ", "none, not read twice, noise, noise near cut-off, gross error ..."),
        *(column for region in BODY_REGIONS for column in _of_region(region)),
        Column(c.CARRIES_SHORTCUT, BOOL, "whether photos of the visit carry the planted shortcut"),
    ),
)
