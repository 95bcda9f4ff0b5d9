"""The tables that a person brings, and check.csv, which says what is wrong with them. ``cohort`` reads them."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import BOOL, FLOAT64, INT, TEXT
from grasp_psonet.tables.table import Column, Table

_KEPT = "Further columns are kept as text."

VISITS = Table(
    title="the visits of a study",
    pattern="visits.csv",
    row="visit",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit; unique in the study"),
        Column(c.PATIENT_ID, TEXT, "a pseudonym; all visits of a patient stay in one split"),
        Column(c.STUDY_DAY, INT, "day of the visit since the patient's first", "days", nullable=True, optional=True),
        Column(
            "<score>_reader1",
            FLOAT64,
            "the first reader's score (`pasi_reader1` by default); it gives the label",
            "0 to 72 for PASI",
            nullable=True,
            optional=True,
        ),
        Column(c.READER1_ID, TEXT, "who gave the first reading", nullable=True, optional=True),
        Column(
            "<score>_reader2",
            FLOAT64,
            "the second reader's score; missing where the visit was read once",
            "0 to 72 for PASI",
            nullable=True,
            optional=True,
        ),
        Column(c.READER2_ID, TEXT, "who gave the second reading", nullable=True, optional=True),
        Column(c.FITZPATRICK, TEXT, "skin type", "I to VI, or 1 to 6", nullable=True, optional=True),
        Column(
            c.SPLIT,
            TEXT,
            "what the visit is for, in every row or in none; without it patients are drawn into splits",
            "train, val, test",
            optional=True,
        ),
        Column(
            "<grade>_reader1",
            TEXT,
            "the first reader's class by name (`severity_reader1`), where there is no score, or agreeing with it; it gives "
            "the label; one of the two must be there in every row",
            "a name of a class",
            nullable=True,
            optional=True,
        ),
        Column(
            "<grade>_reader2",
            TEXT,
            "the second reader's class; missing where the visit was read once",
            "a name of a class",
            nullable=True,
            optional=True,
        ),
    ),
    further=_KEPT + " They can be named in `evaluate.subgroups` and `prune.cap_column`.",
)

PHOTOS = Table(
    title="the photos of a study",
    pattern="photos.csv",
    row="photo",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo; unique in the study"),
        Column(c.VISIT_ID, TEXT, "the visit it shows; every visit has at least one photo"),
        Column(c.VIEW, TEXT, "what it shows, e.g. a code of views.csv", nullable=True, optional=True),
        Column(c.PATH, TEXT, "its file, from the study folder or from `photos.root`; each file once"),
    ),
    further=_KEPT,
)

FEATURES = Table(
    title="the files of precomputed features of a study, in place of photos.csv",
    pattern="features.csv",
    row="file",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit whose bag it fills, or a part of it; every visit has at least one file"),
        Column(c.VIEW, TEXT, "what it shows, e.g. a code of views.csv", nullable=True, optional=True),
        Column(c.PATH, TEXT, "the file, from the study folder or from `photos.root`"),
        Column(c.KEY, TEXT, "the array to read; missing: `features`, or the only one", nullable=True, optional=True),
    ),
    further=_KEPT,
)

VIEWS = Table(
    title="the protocol of views",
    pattern="views.csv",
    row="view",
    columns=(
        Column(c.CODE, TEXT, "what photos.csv calls the view; unique"),
        Column(c.BODY_REGION, TEXT, "the part of the body it shows", nullable=True, optional=True),
        Column(c.SIDE, TEXT, "side of the body", "left, right, middle", nullable=True, optional=True),
        Column(c.REQUIRED, BOOL, "whether a visit without it is noted", "yes or no", nullable=True, optional=True),
    ),
    further=_KEPT,
)

READINGS = Table(
    title="the readings of a study, in place of the readers' columns of visits.csv",
    pattern="readings.csv",
    row="visit and reader",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit that was read"),
        Column(c.READER_ID, TEXT, "who read it; each reader reads a visit once, or once a round and version"),
        Column("<score>", FLOAT64, "the score (`pasi` by default)", "0 to 72 for PASI", nullable=True, optional=True),
        Column("<grade>", TEXT, "the class by name (`severity`)", "a name of a class", nullable=True, optional=True),
        Column(
            c.DATE, TEXT, "when it was read; never before the visit", "`tables.dates`", nullable=True, optional=True
        ),
        Column(
            c.ROLE, TEXT, "whether the reader read or adjudicated", "reader, adjudicator", nullable=True, optional=True
        ),
        Column(c.ROUND, TEXT, "the round of readings that it is of", nullable=True, optional=True),
        Column(
            c.VERSION, INT, "which answer of the reader it is; the last counts", "from 1", nullable=True, optional=True
        ),
        Column(
            c.SIGNED, TEXT, "when it was signed; its day stands for the date", "ISO 8601", nullable=True, optional=True
        ),
        Column(
            c.REPEAT,
            BOOL,
            "whether it is a hidden repeat, which is no reading for a label",
            "yes or no",
            nullable=True,
            optional=True,
        ),
        Column(
            c.NOT_ASSESSABLE,
            TEXT,
            "why the reader could not assess the visit, in place of a score or class",
            nullable=True,
            optional=True,
        ),
    ),
    further=_KEPT + " Regions of PASI can stand in place of its total.",
)

CHECK = Table(
    title="what `grasp check` found, in full",
    pattern="check.csv",
    row="cell at fault or noted",
    columns=(
        Column(c.KIND, TEXT, "whether it stops the study", "fault, note"),
        Column(c.FILE, TEXT, "the file", nullable=True),
        Column(c.ROW, INT, "its row as a spreadsheet counts it; the header is row 1", nullable=True),
        Column(c.COLUMN, TEXT, "the column, as the file calls it", nullable=True),
        Column(c.VALUE, TEXT, "what stands there", nullable=True),
        Column(c.PROBLEM, TEXT, "what is wrong, or what is wanted"),
        Column(c.REMEDY, TEXT, "what to do, where the problem does not say it", nullable=True),
    ),
    made_by="grasp check",
)
