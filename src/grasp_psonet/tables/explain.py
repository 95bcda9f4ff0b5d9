"""The index of the maps."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import FLOAT64, NUMBER, TEXT
from grasp_psonet.tables.table import Column, Table

MAPS = Table(
    title="the index of the maps",
    pattern="explain/index.parquet",
    row="map",
    made_by="grasp explain",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.REASON, TEXT, "why it has a map", "flagged, error"),
        Column(
            c.TARGET,
            NUMBER,
            "the label that the map speaks for: of classes, the one whose logit it explains",
            "class, from 0",
        ),
        Column(
            c.CAM_LARGEST,
            FLOAT64,
            "the map's largest value before it is scaled to 1; missing where it is no number",
            nullable=True,
        ),
        Column(c.FILE, TEXT, "the picture beside this table; missing where there is no photo to map", nullable=True),
    ),
)
