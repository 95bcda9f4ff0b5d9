"""Figures of runs and readers, with intervals; tidy: one row per number."""

from dataclasses import replace

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import FLOAT64, INT, TEXT
from grasp_psonet.tables.table import Column, Table

_PLACE = (
    Column(c.RUN, TEXT, "the run"),
    Column(
        c.READER,
        TEXT,
        "whose labels are the truth here; adjudicated: where readings.csv holds an adjudicator's readings of test visits, "
        "these, and what Reader 1 and Reader 2 agree on",
        "reader1, reader2, adjudicated",
    ),
    Column(
        c.GROUP_COLUMN, TEXT, "the column of visits.csv that makes the group", "all, fitzpatrick, evaluate.subgroups"
    ),
    Column(c.GROUP, TEXT, "the group of visits", "all, or a value of that column"),
)
_BASELINE = Column(c.BASELINE_RUN, TEXT, "the run it is compared with")
_METRIC = Column(c.METRIC, TEXT, "the figure", "auc, kappa, accuracy; of a number mae, icc, bias and others")
_VALUE = Column(c.VALUE, FLOAT64, "the figure itself; missing where it does not exist", "of the metric", nullable=True)
_DIFFERENCE = Column(
    c.DIFFERENCE,
    FLOAT64,
    "this run minus the other, on the same visits; missing where it does not exist",
    "of the metric",
    nullable=True,
)
INTERVAL = (
    Column(
        c.LOW,
        FLOAT64,
        "lower end of the interval over patients (`evaluate.confidence`); missing where there is none",
        "of the metric",
        nullable=True,
    ),
    Column(c.HIGH, FLOAT64, "its upper end; missing where there is none", "of the metric", nullable=True),
)
NUM_VISITS = Column(c.NUM_VISITS, INT, "visits that the figure rests on", "from 0")
NUM_PATIENTS = Column(c.NUM_PATIENTS, INT, "their patients", "from 0")
NUM_DISAGREEMENTS = Column(
    c.NUM_DISAGREEMENTS, INT, "visits on which the readers' labels differ, of numbers beyond noise", "from 0"
)
NUM_LEFT_OUT = Column(c.NUM_LEFT_OUT, INT, "visits of the group left out because a reader did not read them", "from 0")
REPLICATES = (
    Column(c.NUM_REPLICATES, INT, "bootstrap replicates in which the figure exists", "from 0"),
    Column(c.INTERVAL, TEXT, "how the interval was made; empty where there is none", "percentile, bca"),
    Column(c.WHY_NOT, TEXT, "why there is no figure, no interval, or not the one of `evaluate.interval`; else empty"),
)
_NUMBERS = (*INTERVAL, NUM_VISITS, NUM_PATIENTS, NUM_LEFT_OUT, *REPLICATES)

FIGURES = Table(
    title="the figures of all runs on test",
    pattern="evaluation/figures.parquet",
    row="figure",
    made_by="grasp evaluate",
    columns=(*_PLACE, _METRIC, _VALUE, *_NUMBERS),
)

DIFFERENCES = Table(
    title="the differences of runs to the baseline on test",
    pattern="evaluation/differences.parquet",
    row="paired difference",
    made_by="grasp evaluate",
    columns=(*_PLACE, _BASELINE, _METRIC, _DIFFERENCE, *_NUMBERS),
)

AGAINST_RANDOM = replace(
    DIFFERENCES,
    title="the difference of the chosen run to its random control on test",
    pattern="evaluation/against_random.parquet",
)

PAIRS = replace(
    DIFFERENCES,
    title="the differences between runs on test, each pair once",
    pattern="evaluation/pairs.parquet",
)

CONFUSIONS = Table(
    title="the confusion matrices on test",
    pattern="evaluation/confusions.parquet",
    row="cell of a matrix",
    made_by="grasp evaluate",
    columns=(
        *_PLACE,
        Column(c.LABEL, TEXT, "the reader's class", "name of a class"),
        Column(c.PREDICTED, TEXT, "the run's class", "name of a class"),
        Column(c.NUM_VISITS, INT, "visits in this cell", "from 0"),
    ),
)

AGREEMENT = Table(
    title="the agreement of the two readers",
    pattern="evaluation/agreement.parquet",
    row="figure",
    made_by="grasp evaluate",
    columns=(
        Column(c.SPLIT, TEXT, "the split that the visits are in", "all, train, val, test"),
        *_PLACE[2:],
        Column(c.METRIC, TEXT, "the figure", "kappa, agreement; of a number mae, icc, bias and others"),
        _VALUE,
        *INTERVAL,
        NUM_VISITS,
        NUM_PATIENTS,
        NUM_DISAGREEMENTS,
        NUM_LEFT_OUT,
        *REPLICATES,
    ),
)

BESIDE_READERS = Table(
    title="the runs beside the readers, on test visits that both readers read",
    pattern="evaluation/beside_readers.parquet",
    row="figure",
    made_by="grasp evaluate",
    columns=(
        *_PLACE,
        Column(c.METRIC, TEXT, "the figure, as in the agreement of the readers", "kappa, agreement, mae, icc, ..."),
        Column(
            c.RUN_VALUE, FLOAT64, "the run against the reader; missing where it does not exist", "of the metric", True
        ),
        Column(
            c.BETWEEN_READERS,
            FLOAT64,
            "the other reader against the reader, on the same visits; missing where it does not exist",
            "of the metric",
            True,
        ),
        Column(
            c.DIFFERENCE,
            FLOAT64,
            "the first less the second (of `mae`: the excess of the run); missing where it does not exist",
            "of the metric",
            nullable=True,
        ),
        *INTERVAL,
        NUM_VISITS,
        NUM_PATIENTS,
        *REPLICATES,
    ),
)

_RUN_OR_READER = Column(c.RUN, TEXT, "the run; reader2 for Reader 2 in its place", "name of a run, reader2")

PARTS = Table(
    title="the agreement on the parts of PASI, on test",
    pattern="evaluation/parts.parquet",
    row="figure of a part of a region",
    made_by="grasp evaluate",
    columns=(
        _RUN_OR_READER,
        _PLACE[1],
        Column(c.REGION, TEXT, "the region of the body", "head, upper_limbs, trunk, lower_limbs"),
        Column(c.PART, TEXT, "the sign, or the area", "erythema, induration, desquamation, area"),
        Column(c.METRIC, TEXT, "of whole grades, or of expected ones", "quadratic_kappa, icc"),
        _VALUE,
        *INTERVAL,
        NUM_VISITS,
        NUM_PATIENTS,
        *REPLICATES,
    ),
)

RESPONSE = Table(
    title="change from baseline and response over the visits of a patient, on test",
    pattern="evaluation/response.parquet",
    row="figure",
    made_by="grasp evaluate",
    columns=(
        _RUN_OR_READER,
        _PLACE[1],
        Column(
            c.METRIC,
            TEXT,
            "mean distance and mean difference of the changes from baseline; of a fall by 50, 75 or 90 %: agreement, Cohen's "
            "kappa, and the part of the follow-ups that responded by the run and by the reader",
            "change_mae, change_bias, response_75_agreement, _kappa, _rate, _rate_reader",
        ),
        _VALUE,
        *INTERVAL,
        NUM_VISITS,
        NUM_PATIENTS,
        *REPLICATES,
    ),
)

READER_AGREEMENT = Table(
    title="the agreement of all readers",
    pattern="readers/agreement.parquet",
    row="figure of a pair of readers, of one reader, or of all together",
    made_by="grasp evaluate",
    columns=(
        Column(c.SPLIT, TEXT, "the split that the visits are in", "all, test"),
        Column(
            c.METRIC,
            TEXT,
            "the figure: kappa and agreement of a pair; icc (ICC(2,1), of scores) of a pair and of all; alpha (Krippendorff's, "
            "ordinal, of classes) and alpha_score (interval, of scores) of all; bias and bias_score (reader minus the mean of "
            "the others, in classes and in points) of one",
            "kappa, agreement, icc, alpha, alpha_score, bias, bias_score",
        ),
        Column(c.READER, TEXT, "the reader; empty for all together"),
        Column(
            c.OTHER_READER,
            TEXT,
            "the other reader of a pair, empty where it is none; the reader's own name between two readings of the same visits "
            "(hidden repeats)",
        ),
        _VALUE,
        *INTERVAL,
        NUM_VISITS,
        NUM_PATIENTS,
        *REPLICATES,
    ),
)

_SHARES = "0 to 1"
_RATIOS = "from 0"
REMOVAL = Table(
    title="what pruning took from whom",
    pattern="evaluation/removal.parquet",
    row="group of training photos and keep list that removes something",
    made_by="grasp evaluate",
    columns=(
        Column(c.RUN, TEXT, "the run of the keep list"),
        Column(
            c.GROUP_COLUMN,
            TEXT,
            "the column of photos.csv or visits.csv that makes the group; the class by Reader 1 comes first",
        ),
        Column(c.GROUP, TEXT, "the group of training photos", "a value of that column"),
        Column(c.NUM_PHOTOS, INT, "training photos of the group", "from 1"),
        Column(c.NUM_REMOVED, INT, "of these, removed", "from 0"),
        Column(c.SHARE, FLOAT64, "removed part of the group", _SHARES),
        Column(c.LOW, FLOAT64, "lower end of its interval; missing where there is none", _SHARES, nullable=True),
        Column(c.HIGH, FLOAT64, "its upper end; missing where there is none", _SHARES, nullable=True),
        Column(c.OF_REMOVED, FLOAT64, "part of the removed photos that is of this group", _SHARES),
        Column(
            c.RATIO,
            FLOAT64,
            "share of the group over that of all photos beside it; missing where these lost none",
            _RATIOS,
            nullable=True,
        ),
        Column(
            c.RATIO_LOW,
            FLOAT64,
            "lower end of the ratio's interval, widened for the number of groups of the column (Bonferroni); missing where "
            "there is none or it has no bound",
            _RATIOS,
            nullable=True,
        ),
        Column(
            c.RATIO_HIGH,
            FLOAT64,
            "its upper end, likewise; missing where there is none or it has no bound",
            _RATIOS,
            nullable=True,
        ),
        Column(c.NUM_PATIENTS, INT, "patients of the group", "from 1"),
        Column(c.INTERVAL, TEXT, "how the ratio's interval was made; empty where there is none", "percentile, bca"),
        Column(
            c.WHY_NOT, TEXT, "why there is no ratio, no interval, or not the one of `evaluate.interval`; else empty"
        ),
        Column(c.WARNING, TEXT, "what is to be warned of; mostly empty"),
    ),
)
