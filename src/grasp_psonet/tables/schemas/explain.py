"""The maps of photos: their index, how they stand the test of deletion and insertion, and what they say together."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import FLOAT64, INT, NUMBER, TEXT
from grasp_psonet.tables.schemas.evaluation import INTERVAL, NUM_PATIENTS, REPLICATES
from grasp_psonet.tables.table import Column, Table

_METHODS = "gradcam, integrated_gradients, occlusion"
_OF_PHOTO = (
    Column(c.PHOTO_ID, TEXT, "the photo"),
    Column(c.VISIT_ID, TEXT, "its visit"),
    Column(c.REASON, TEXT, "why it has a map", "flagged, error"),
    Column(
        c.RUN, TEXT, "the run whose network is explained: the baseline, and the chosen run where pruning was chosen"
    ),
)
_OUTPUT = "output (of classes: logit)"


def _part(name: str, meaning: str) -> Column:
    return Column(name, FLOAT64, meaning, "0 to 1", nullable=True)


def _area(name: str, meaning: str) -> Column:
    return Column(name, FLOAT64, f"{meaning}; missing for a map without heat", _OUTPUT, nullable=True)


MAPS = Table(
    title="the index of the maps",
    pattern="explain/index.parquet",
    row="map",
    made_by="grasp explain",
    columns=(
        *_OF_PHOTO,
        Column(c.METHOD, TEXT, "how the map was made; missing where there is no photo to map", _METHODS, nullable=True),
        Column(
            c.TARGET,
            NUMBER,
            "the label that the map speaks for, the same for every run: of classes, the one whose logit it explains",
            "class, from 0",
        ),
        Column(
            c.CAM_LARGEST,
            FLOAT64,
            "the map's largest value before it is scaled to 1; missing where it is no number",
            nullable=True,
        ),
        Column(c.FILE, TEXT, "the picture beside this table; missing where there is no photo to map", nullable=True),
        _part(
            c.PLAQUE_SHARE, "part of the map's heat on drawn plaque; missing without heat, and where no mask is known"
        ),
        _part(c.BACKGROUND_SHARE, "part of the map's heat beside the body; missing as above"),
        _part(c.PLAQUE_AREA, "part of the photo that is plaque; missing where no mask is known"),
        _part(c.BACKGROUND_AREA, "part of the photo beside the body; missing where no mask is known"),
    ),
)

FAITHFULNESS = Table(
    title="deletion and insertion of the maps",
    pattern="explain/faithfulness.parquet",
    row="map",
    made_by="grasp explain",
    columns=(
        *_OF_PHOTO,
        Column(c.METHOD, TEXT, "how the map was made", _METHODS),
        _area(c.DELETION, "area under the deletion curve, warmest patches first; low: the map is right"),
        _area(c.DELETION_RANDOM, "the same with patches in random order, mean over `explain.random_orders`"),
        _area(c.INSERTION, "area under the insertion curve, warmest patches first; high: the map is right"),
        _area(c.INSERTION_RANDOM, "the same with patches in random order"),
    ),
)

MAP_FIGURES = Table(
    title="what the maps say together",
    pattern="explain/figures.parquet",
    row="figure",
    made_by="grasp explain",
    columns=(
        Column(c.REASON, TEXT, "the photos it is of", "all, flagged, error"),
        Column(c.METHOD, TEXT, "how the maps were made", _METHODS),
        Column(c.RUN, TEXT, "the run whose network is explained"),
        Column(
            c.AGAINST, TEXT, "the run it is compared with on the same photos; empty: none, the figure is the run's own"
        ),
        Column(
            c.METRIC,
            TEXT,
            "the figure: mean over photos of a column of the index, or by how much maps beat random order (positive: better)",
            "plaque_share, background_share, plaque_area, background_area, deletion_gain, insertion_gain",
        ),
        Column(c.VALUE, FLOAT64, "the figure itself; missing where it does not exist", "of the metric", nullable=True),
        *INTERVAL,
        Column(c.NUM_PHOTOS, INT, "photos that the figure rests on", "from 0"),
        NUM_PATIENTS,
        Column(c.NUM_LEFT_OUT, INT, "photos left out: a map without heat, or no mask", "from 0"),
        *REPLICATES,
    ),
)
