"""Revisions: what readers decided beside what stood before, and what training on it changed."""

from dataclasses import replace

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import BOOL, FLOAT64, INT, NUMBER, TEXT
from grasp_psonet.tables.schemas.evaluation import DIFFERENCES, FIGURES
from grasp_psonet.tables.table import Column, Table

_VISIT = Column(c.VISIT_ID, TEXT, "the visit")
_SPLIT = Column(c.SPLIT, TEXT, "its split", "train, val, test")
_DATE = Column(c.DATE, TEXT, "when; missing where not told", "YYYY-MM-DD", nullable=True)
_WHY_NOT = Column(c.WHY_NOT, TEXT, "why it changes nothing; empty where it does")

REVISED_LABELS = Table(
    title="the labels of a revision",
    pattern="revisions/*/labels.parquet",
    row="visit that was read anew and may be changed",
    made_by="grasp revise",
    columns=(
        _VISIT,
        _SPLIT,
        Column(c.OLD_LABEL, NUMBER, "the training label before", "class, from 0"),
        Column(
            c.NEW_LABEL,
            NUMBER,
            "the training label that the rule gives; missing where it does not decide, and the old one stays",
            "class, from 0",
            nullable=True,
        ),
        Column(c.IS_CHANGED, BOOL, "whether the two differ"),
        Column(c.OLD_SCORE, FLOAT64, "Reader 1's score; missing where there is none", "points", nullable=True),
        Column(
            c.NEW_SCORE,
            FLOAT64,
            "median score of the readings that count; missing where one of them has none",
            "points",
            nullable=True,
        ),
        Column(c.RULE, TEXT, "how readings became the label", "`revise.rule`"),
        Column(c.READERS, TEXT, "who read, in alphabetical order, parted by commas"),
        Column(c.NUM_READINGS, INT, "readings that count", "from 1"),
        Column(c.ROUND, TEXT, "the rounds that they are of, parted by commas"),
        Column(
            c.DATE, TEXT, "the latest day on which it was read; missing where not told", "YYYY-MM-DD", nullable=True
        ),
    ),
)

REVISED_PHOTOS = Table(
    title="the photos that readers flagged in a revision",
    pattern="revisions/*/photos.parquet",
    row="flagged photo",
    made_by="grasp revise",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        _VISIT,
        _SPLIT,
        Column(c.KINDS, TEXT, "the kinds of its flags, parted by commas"),
        Column(c.READERS, TEXT, "who flagged it, parted by commas"),
        Column(c.IS_EXCLUDED, BOOL, "whether it is left out of training"),
        _WHY_NOT,
    ),
)

REVISED_READINGS = Table(
    title="the readings that a revision was made from",
    pattern="revisions/*/readings.parquet",
    row="reading, as it stood in the table of new readings",
    made_by="grasp revise",
    columns=(
        _VISIT,
        _SPLIT,
        Column(c.READER_ID, TEXT, "who read"),
        Column(c.ROLE, TEXT, "whether the reader read or adjudicated", "reader, adjudicator"),
        Column(c.ROUND, TEXT, "the round that it is of"),
        _DATE,
        Column(c.SCORE, FLOAT64, "the score; missing where there is none", "points", nullable=True),
        Column(
            c.LABEL, NUMBER, "the label; missing where the visit was not assessable", "class, from 0", nullable=True
        ),
        Column(c.IS_USED, BOOL, "whether it counts"),
        _WHY_NOT,
    ),
)

REVISION_FIGURES = replace(
    FIGURES,
    title="the figures of the unrevised and the revised runs on test",
    pattern="revised/*/figures.parquet",
)
REVISION_DIFFERENCES = replace(
    DIFFERENCES,
    title="the differences of the revised runs to the others on test",
    pattern="revised/*/differences.parquet",
)
