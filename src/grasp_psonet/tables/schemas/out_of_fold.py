"""What the probe says of visits whose patients it did not see, and how the baseline compares with it."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import FLOAT64, INT, NUMBER, TEXT
from grasp_psonet.tables.schemas.evaluation import INTERVAL, NUM_PATIENTS, NUM_VISITS, REPLICATES
from grasp_psonet.tables.table import Column, Table

_LABEL = Column(c.LABEL, NUMBER, "Reader 1's label", "class, from 0")
_PREDICTED = (
    Column("p_<class>", FLOAT64, "probability of the class; they add up to 1", "0 to 1"),
    Column("output_<name>", FLOAT64, "what is predicted, of an outcome that is no scale of classes"),
)

OUT_OF_FOLD = Table(
    title="the out-of-fold predictions",
    pattern="out_of_fold/predictions.parquet",
    row="visit of train or val and repeat",
    made_by="grasp folds",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        Column(c.REPEAT, INT, "which dealing of the patients to folds", "from 0"),
        Column(c.FOLD, INT, "the fold that the visit was in; the model learned from the others", "from 0"),
        _LABEL,
        *_PREDICTED,
        Column(
            c.SCORE,
            FLOAT64,
            "predicted score; absent where Reader 1 did not score every visit",
            "points",
            optional=True,
        ),
    ),
)

PROBE_PREDICTIONS = Table(
    title="the predictions of the probe, learned from the train split",
    pattern="out_of_fold/probe.parquet",
    row="visit of val or test",
    made_by="grasp folds",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        _LABEL,
        Column(c.PREDICTED, NUMBER, "the most probable class", "class, from 0"),
        *_PREDICTED,
        Column(c.SPLIT, TEXT, "the split that the visit was in", "val, test"),
    ),
)

LEARNING = Table(
    title="the learning check",
    pattern="learning/figure.parquet",
    row="model or difference",
    made_by="grasp learning",
    columns=(
        Column(c.RUN, TEXT, "the model", "baseline, probe, prior (what is said without a look: class frequencies)"),
        Column(c.AGAINST, TEXT, "the model it is compared with; empty for a figure of its own"),
        Column(
            c.VALUE,
            FLOAT64,
            "the figure that chooses on validation (micro AUC), or how much better it is; missing where it does not exist",
            "-1 to 1",
            nullable=True,
        ),
        *INTERVAL,
        NUM_VISITS,
        NUM_PATIENTS,
        *REPLICATES,
    ),
)
