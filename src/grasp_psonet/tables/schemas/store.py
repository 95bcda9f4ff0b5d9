"""The indexes of the photo store and of the feature store."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import FLOAT64, INT, TEXT
from grasp_psonet.tables.table import Column, Table

STORE_INDEX = Table(
    title="the index of the photo store",
    pattern="store/index.parquet",
    row="photo",
    made_by="grasp prepare",
    columns=(
        Column(c.ROW, INT, "its place in photos.npy", "from 0"),
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.VIEW, TEXT, "the view; missing where photos.csv tells none", nullable=True),
        Column(c.WIDTH_PX, INT, "width of the original", "px"),
        Column(c.HEIGHT_PX, INT, "height of the original", "px"),
        Column(c.BRIGHTNESS, FLOAT64, "mean luma", "grey levels, 0 to 255"),
        Column(c.CONTRAST, FLOAT64, "standard deviation of luma", "grey levels"),
        Column(c.SHARPNESS, FLOAT64, "variance of the Laplacian of luma; small is blurred", "grey levels squared"),
        Column(c.CAST_RED_GREEN, FLOAT64, "mean red minus mean green; compare within a study", "grey levels"),
        Column(c.CAST_YELLOW_BLUE, FLOAT64, "mean of red and green minus blue; compare within a study", "grey levels"),
        Column(c.HASH, TEXT, "difference hash of 64 bits", "16 hexadecimal digits"),
        Column(
            c.NEAR_DUPLICATE_OF,
            TEXT,
            "the first earlier photo of the visit that looks almost the same; missing where none does",
            nullable=True,
        ),
    ),
)

SKIPPED = Table(
    title="photos that could not be read and were left out (`photos.damaged skip`)",
    pattern="store/skipped.parquet",
    row="photo",
    made_by="grasp prepare",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit, which has other photos"),
        Column(c.VIEW, TEXT, "the view; missing where photos.csv tells none", nullable=True),
        Column(c.REASON, TEXT, "why it could not be read"),
    ),
)

FEATURE_INDEX = Table(
    title="the index of the feature store",
    pattern="features/index.parquet",
    row="photo",
    made_by="grasp features",
    columns=(
        Column(c.ROW, INT, "its place in features.npy", "from 0"),
        Column(c.PHOTO_ID, TEXT, "the photo; of precomputed features the vector: `VISIT-00001` or the file's own name"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.VIEW, TEXT, "the view; missing where photos.csv or features.csv tells none", nullable=True),
    ),
)
