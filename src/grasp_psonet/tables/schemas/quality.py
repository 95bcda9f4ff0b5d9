"""The tables of ``grasp prepare`` that inform about photos: their quality, and photos that look almost the same."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import BOOL, FLOAT64, INT, TEXT
from grasp_psonet.tables.table import Column, Table

PHOTO_QUALITY = Table(
    title="the quality of photos beside that of like ones",
    pattern="quality/photos.parquet",
    row="photo",
    made_by="grasp prepare",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.VIEW, TEXT, "the view; missing where photos.csv tells none", nullable=True),
        Column(c.FITZPATRICK, TEXT, "skin type; missing where visits.csv tells none", "I to VI", nullable=True),
        Column(c.BRIGHTNESS, FLOAT64, "mean luma", "grey levels, 0 to 255"),
        Column(c.SHARPNESS, FLOAT64, "variance of the Laplacian of luma", "grey levels squared"),
        Column(
            c.SHARPNESS_Z,
            FLOAT64,
            "log sharpness less the median of the view",
            "robust standard deviations of the view",
        ),
        Column(
            c.BRIGHTNESS_Z,
            FLOAT64,
            "brightness less the median of view and skin type",
            "robust standard deviations of the group",
        ),
        Column(c.IS_BLURRED, BOOL, "whether sharpness_z is below -3, and the photo is not dark"),
        Column(c.IS_DARK, BOOL, "whether brightness_z is below -3"),
        Column(
            c.CONTENT,
            TEXT,
            "digest of the bytes of the original file, by which it is known",
            "SHA-256, cut to 128 bits",
        ),
        Column(c.HASH, TEXT, "difference hash of 64 bits of what it looks like", "16 hexadecimal digits"),
    ),
)

NEAR_PAIRS = Table(
    title="photos that look almost the same",
    pattern="quality/near_duplicates.parquet",
    row="pair of photos",
    made_by="grasp prepare",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo that stands first in photos.csv"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.OTHER_PHOTO_ID, TEXT, "the other photo"),
        Column(c.OTHER_VISIT_ID, TEXT, "its visit"),
        Column(c.ACROSS, TEXT, "the widest border between the two", "splits, patients, visits; visit: the same one"),
        Column(c.HASH_BITS, INT, "bits in which their hashes differ", "0 to 4 of 64"),
        Column(c.CORRELATION, FLOAT64, "of the two in grey at 32 x 32 pixels", ".99 to 1"),
        Column(
            c.ORIENTATION,
            TEXT,
            "how the other is to be mirrored (left to right) and then turned (clockwise) to look like the first",
            "same, mirrored, turned 90, turned 180, turned 270, mirrored and turned 90 ...",
            optional=True,
        ),
    ),
)

QUALITY_BY_SKIN_TYPE = Table(
    title="the quality of photos by skin type",
    pattern="quality/by_skin_type.parquet",
    row="skin type",
    made_by="grasp prepare",
    columns=(
        Column(c.FITZPATRICK, TEXT, "skin type; empty where visits.csv tells none", "I to VI"),
        Column(c.NUM_PHOTOS, INT, "photos"),
        Column(c.BRIGHTNESS, FLOAT64, "median of their mean luma", "grey levels, 0 to 255"),
        Column(c.SHARPNESS, FLOAT64, "median of their sharpness", "grey levels squared"),
        Column(c.NUM_BLURRED, INT, "photos that are blurred for their view"),
        Column(c.NUM_DARK, INT, "photos that are dark for their view and skin type"),
    ),
)
