"""The audit: visits ranked for a second reading, and how soon each ranking finds what readers disagree on."""

from dataclasses import replace

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import BOOL, FLOAT64, INT, NUMBER, TEXT
from grasp_psonet.tables.schemas.evaluation import INTERVAL, NUM_DISAGREEMENTS, NUM_PATIENTS, NUM_VISITS, REPLICATES
from grasp_psonet.tables.table import Column, Table


def _ranking(name: str, meaning: str, unit: str = "") -> Column:
    """A ranking: higher is more suspicious."""
    return Column(name, FLOAT64, f"{meaning}; missing for a visit never drawn", unit, nullable=True, optional=True)


RANKINGS = (
    _ranking(c.LARGEST, "largest self-influence of the visit's photos (the paper's)", "as self_influence"),
    _ranking(c.MEAN, "mean self-influence of the visit's photos", "as self_influence"),
    _ranking(c.VISIT_LOSS, "loss of the visit under the kept model", "nats"),
    _ranking(
        c.MARGIN,
        "best other logit minus the label's, kept model; of a number how far it is off beyond the readers' noise",
        "logit, or points",
    ),
    _ranking(c.MEAN_LOSS, "loss averaged over the visit's draws in training", "nats"),
    _ranking(
        c.AREA_UNDER_MARGIN, "margin averaged over the visit's draws (Pleiss et al. 2020, sign turned)", "as margin"
    ),
    _ranking(c.FORGETTING, "times a draw went wrong after one that was right (Toneva et al. 2019)", "from 0"),
    _ranking(c.EL2N, "distance of the answer to the label, early epochs (Paul et al. 2021)", "0 to 1.42, or points"),
    _ranking(c.RESIDUAL, "distance of Reader 1's number from the out-of-fold one; of a number alone", "points"),
    _ranking(c.SELF_CONFIDENCE, "1 less the out-of-fold probability of the label", "0 to 1"),
    _ranking(c.NORMALIZED_MARGIN, "half of (1 + the best other out-of-fold probability less the label's)", "0 to 1"),
    _ranking(c.ENTROPY, "entropy of the out-of-fold probabilities, whatever the label", "nats"),
    _ranking(
        c.CONFIDENT_LEARNING,
        "1 less self-confidence adjusted by class, and 1 more where confident learning calls the visit mislabelled",
        "0 to 2",
    ),
    Column(
        c.CROWDLAB,
        FLOAT64,
        "1 less the quality of Reader 1's class, given Reader 2's and the model's; missing where not read twice",
        "0 to 1",
        nullable=True,
        optional=True,
    ),
    _ranking(
        c.NEIGHBOUR_RATIO, "nearest visit of the same class against nearest of another, in squared distance", "0 to 1"
    ),
    _ranking(c.CUTOFF_NEARNESS, "points from Reader 1's score to the nearest cut-off, sign turned", "points"),
    _ranking(c.MARGIN_AND_CUTOFF, "mean rank of area_under_margin and cutoff_nearness", "0 to 1"),
    _ranking(c.CONFIDENCE_AND_CUTOFF, "mean rank of self_confidence and cutoff_nearness", "0 to 1"),
    _ranking(
        c.EXPECTED_DISAGREEMENT,
        "probability that another reading of the visit gives another class, of a number one beyond the readers' noise",
        "0 to 1",
    ),
    _ranking(
        c.GROSS_ERROR,
        "the part of it where Reader 1's class is not the true one; of a number the probability that the true one is off by "
        "more than twice the noise",
        "0 to 1",
    ),
    _ranking(
        c.THRESHOLD_FLIP,
        "probability that another reading gives another class although Reader 1's class is the true one; of classes the "
        "other part of expected_disagreement",
        "0 to 1",
    ),
    _ranking(c.CLASS_ONLY, "how often readers disagree where Reader 1 gave this class: a control", "0 to 1"),
    _ranking(c.RANDOM, "chance", "0 to 1"),
    _ranking(c.ORACLE, "the disagreement itself: the best any ranking can do, of visits read twice", "0, 1"),
)

AUDIT_VISITS = Table(
    title="the audit table",
    pattern="audit/visits.parquet",
    row="training visit",
    made_by="grasp audit",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        Column(c.PATIENT_ID, TEXT, "its patient"),
        Column(c.SPLIT, TEXT, "its split", "train"),
        Column(c.LABEL_READER1, NUMBER, "Reader 1's label, which trained", "class, from 0"),
        Column(
            c.LABEL_READER2, NUMBER, "Reader 2's label; missing where not read twice", "class, from 0", nullable=True
        ),
        Column(c.PREDICTED, NUMBER, "the answer of the kept model", "class, from 0"),
        Column(
            c.READERS_DISAGREE,
            BOOL,
            "whether the readers' labels differ; missing where not read twice",
            nullable=True,
        ),
        Column(
            "<score>_reader1",
            FLOAT64,
            "Reader 1's score (`pasi_reader1` by default); missing where told as a class",
            "points",
            nullable=True,
            optional=True,
        ),
        Column(
            "<score>_reader2",
            FLOAT64,
            "Reader 2's score; missing where not read twice or told as a class",
            "points",
            nullable=True,
            optional=True,
        ),
        Column(
            c.CUTOFF_DISTANCE_READER1,
            FLOAT64,
            "from Reader 1's score to the nearest cut-off; missing without a score",
            "points",
            nullable=True,
            optional=True,
        ),
        Column(
            c.CUTOFF_DISTANCE_READER2,
            FLOAT64,
            "from Reader 2's score to the nearest cut-off; missing without a score",
            "points",
            nullable=True,
            optional=True,
        ),
        Column(
            c.CUTOFF_DISTANCE,
            FLOAT64,
            "the smaller of the two; missing without any score",
            "points",
            nullable=True,
            optional=True,
        ),
        Column(c.NUM_DRAWS, INT, "times training drew the visit", "from 0"),
        Column(c.IS_AUDITED, BOOL, "whether it was drawn at all; the rankings of others are missing"),
        *RANKINGS,
    ),
)

REVIEW = replace(
    AUDIT_VISITS,
    title="the review list",
    pattern="audit/review.parquet",
    row="audited visit, most suspicious first",
    columns=(
        Column(c.RANK, INT, "place in the list", "from 1"),
        Column(c.TO_INSPECT, BOOL, "whether it is among the first `audit.inspected` of the list"),
        *AUDIT_VISITS.columns,
    ),
)

SELF_INFLUENCES = Table(
    title="the self-influence of training visits",
    pattern="audit/self_influence.parquet",
    row="pair of photos of a visit",
    made_by="grasp audit",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        Column(c.PHOTO_ID, TEXT, "the photo that trains"),
        Column(c.OTHER_PHOTO_ID, TEXT, "the photo whose loss it moves; the same one on the diagonal"),
        Column(
            c.SELF_INFLUENCE,
            FLOAT64,
            "what training on the one did to the loss of the other, summed over anchors; exactly 0 where never drawn; missing "
            "where it overflowed",
            "by the formula",
            nullable=True,
        ),
    ),
)

PAPER_AUDIT_VISITS = Table(
    title="the paper's audit",
    pattern="paper_audit/visits.parquet",
    row="drawn visit of train or test that was read twice",
    made_by="grasp audit",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        Column(c.PATIENT_ID, TEXT, "its patient"),
        Column(c.LABEL_READER1, NUMBER, "Reader 1's label, which trained", "class, from 0"),
        Column(c.READERS_DISAGREE, BOOL, "whether the readers' labels differ"),
        Column(
            c.PAPER_AUDIT,
            FLOAT64,
            "largest self-influence of the visit's photos on the network that was trained on train and test",
            "as self_influence",
        ),
    ),
)

_RANKING = Column(
    c.RANKING, TEXT, "the ranking: a column of audit/visits.parquet, or paper_audit, over visits of its own"
)
_METRIC = Column(
    c.METRIC,
    TEXT,
    "the figure",
    "found_at_inspected, auroc, average_precision, calibration_error",
)
_NUMBERS = (*INTERVAL, NUM_VISITS, NUM_PATIENTS, NUM_DISAGREEMENTS, *REPLICATES)

AUDIT_CURVE = Table(
    title="the curves of the audit",
    pattern="audit/curve.parquet",
    row="ranking and number of visits inspected",
    made_by="grasp audit",
    columns=(
        _RANKING,
        Column(c.NUM_INSPECTED, INT, "visits inspected", "from 0"),
        Column(c.FRACTION_INSPECTED, FLOAT64, "part of the visits read twice that is inspected", "0 to 1"),
        Column(c.FRACTION_FOUND, FLOAT64, "part of the disagreements found by then", "0 to 1"),
        *INTERVAL,
    ),
)

AUDIT_SUMMARY = Table(
    title="the figures of the audit",
    pattern="audit/summary.parquet",
    row="figure of a ranking",
    made_by="grasp audit",
    columns=(
        _RANKING,
        _METRIC,
        Column(c.VALUE, FLOAT64, "the figure itself; missing where it does not exist", "0 to 1", nullable=True),
        Column(
            c.WITHIN_CLASS,
            FLOAT64,
            "the figure where the ranking orders visits within Reader 1's class alone, as much of every class being inspected; "
            "missing where it does not exist",
            "0 to 1",
            nullable=True,
        ),
        Column(
            c.WITHIN_CLASS_LOW,
            FLOAT64,
            "lower end of its interval; missing where there is none",
            "0 to 1",
            nullable=True,
        ),
        Column(c.WITHIN_CLASS_HIGH, FLOAT64, "its upper end; missing where there is none", "0 to 1", nullable=True),
        *_NUMBERS,
    ),
)

AUDIT_DIFFERENCES = Table(
    title="the differences between rankings of the audit",
    pattern="audit/differences.parquet",
    row="paired difference",
    made_by="grasp audit",
    columns=(
        Column(c.RANKING, TEXT, "the ranking of the review list"),
        Column(c.AGAINST, TEXT, "the ranking it is compared with"),
        _METRIC,
        Column(
            c.DIFFERENCE,
            FLOAT64,
            "the first minus the second; missing where it does not exist",
            "-1 to 1",
            nullable=True,
        ),
        *_NUMBERS,
    ),
)
