"""Scores of training photos on errors, in a study and from Python, and the lists of photos to keep."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import BOOL, FLOAT64, INT, NUMBER, TEXT
from grasp_psonet.tables.table import Column, Table

_SCORED_VISIT = Column(c.VISIT_ID, TEXT, "the visit (bag) of the training photo")
_PLACE = Column(c.PHOTO, INT, "place of the photo in its bag", "from 0")
_SCORE = Column(
    c.SCORE,
    FLOAT64,
    "positive: training on the photo lowered the query's loss (helpful); negative: it raised it (harmful); missing where it "
    "overflowed, and nothing is pruned by such a table",
    "by the formula; see [what the numbers mean](numbers.md)",
    nullable=True,
)

SCORES = Table(
    title="the scores of a trace",
    pattern="traces/*/scores.parquet",
    row="pair of a query and a training photo",
    made_by="grasp trace",
    columns=(
        Column(c.QUERY_ID, TEXT, "the misclassified visit; `all`, the sum over them, unless `trace.pairs` is `all`"),
        Column(c.PHOTO_ID, TEXT, "the training photo"),
        _SCORED_VISIT,
        _SCORE,
    ),
)

TRACE_RESULT = Table(
    title="the scores that `grasp_psonet.trace` returns",
    pattern="",
    row="pair of a query and a training photo",
    columns=(
        Column(c.QUERY_ID, TEXT, "the query; `all` with `sum_queries`"),
        _SCORED_VISIT,
        _PLACE,
        _SCORE,
    ),
)

CHANGES = Table(
    title="the changes that `grasp_psonet.what_if` returns",
    pattern="",
    row="pair of a query and an edit of a training bag",
    columns=(
        Column(c.QUERY_ID, TEXT, "the query; `all` with `sum_queries`"),
        _SCORED_VISIT,
        Column(c.EDIT, TEXT, "what becomes of the bag", "removed, alone, relabelled"),
        Column(
            c.PHOTO, INT, "place of the photo removed or left alone; missing for another label", "from 0", nullable=True
        ),
        Column(c.LABEL, INT, "the other label; missing where a photo is edited", "class, from 0", nullable=True),
        Column(c.CHANGE, FLOAT64, "predicted change of the query's loss; positive: it would rise", "nats"),
    ),
)

PAIRS = Table(
    title="the scores of single errors, for the photos at the ends of the ranking",
    pattern="traces/*/pairs.parquet",
    row="pair of a query and a training photo, with `trace.pairs top`",
    made_by="grasp trace",
    columns=(
        Column(c.QUERY_ID, TEXT, "the misclassified visit"),
        Column(c.PHOTO_ID, TEXT, "the training photo: one of the most harmful or most helpful within its class"),
        _SCORED_VISIT,
        _SCORE,
    ),
)

QUERIES = Table(
    title="the errors that were traced",
    pattern="traces/*/queries.parquet",
    row="wrong answer for a validation visit at an anchor",
    made_by="grasp trace",
    columns=(
        Column(c.QUERY_ID, TEXT, "the visit"),
        Column(c.PHOTO_ID, TEXT, "the photo that the network attended to most there"),
        Column(c.LABEL, NUMBER, "Reader 1's label", "class, from 0"),
        Column(c.PREDICTED, NUMBER, "the network's answer", "class, from 0"),
        Column(c.LOSS, FLOAT64, "loss of the visit there", "nats"),
        Column(c.READERS_DISAGREE, BOOL, "whether the readers' labels differ; false where not read twice"),
        Column(c.NEAR_CUTOFF, BOOL, "whether Reader 1's score lies close to a cut-off (`trace.near_cutoff`)"),
        Column(c.USED, BOOL, "whether it was traced; false for the doubtful ones with `trace.drop_doubtful_queries`"),
        Column(c.STEP, INT, "the anchor whose network made the error", "step, from 1"),
    ),
)

PHOTO_LOSSES = Table(
    title="the losses of training photos alone",
    pattern="traces/*/photo_losses.parquet",
    row="training photo",
    made_by="grasp trace",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.LOSS, FLOAT64, "loss of the photo as a bag of its own against its visit's label", "nats"),
    ),
)

KEEP_LIST = Table(
    title="a keep list",
    pattern="prunings/*/keep.parquet",
    row="training photo",
    made_by="grasp prune",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.KEPT, BOOL, "whether it stays"),
        Column(c.REASON, TEXT, "why it leaves, or stays although chosen; empty where nothing chose it"),
        Column(
            c.NUM_QUERIES,
            INT,
            "rankings that chose it, kept back or not; one ranking serves all with `together`",
            "from 0",
        ),
        Column(
            c.SCORE,
            FLOAT64,
            "the sum over the queries less the median of its group, or the strongest with `each`; missing without queries. "
            "Photos leave by it, but for those that look like a pattern, which leave by the evidence of `named.parquet`",
            "as the scores",
            nullable=True,
        ),
        Column(
            c.MIN_SCORE,
            FLOAT64,
            "its own most harmful score in `scores.parquet`: over the errors, or of their sum; missing without queries",
            "as the scores",
            nullable=True,
        ),
    ),
)

NAMED_PHOTOS = Table(
    title="what the scores name by themselves, where prune.k is a word",
    pattern="prunings/*/named.parquet",
    row="training photo",
    made_by="grasp prune",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.GROUP, TEXT, "what its score is compared within (`prune.within`)"),
        Column(c.SCORE, FLOAT64, "its score over all queries, less the median of its group", "as the scores"),
        Column(
            c.IS_EXAMPLE,
            BOOL,
            "whether it stands out from its group; with `pattern_of_worst`: is among the worst of the most harmful group",
        ),
        Column(
            c.EVIDENCE,
            FLOAT64,
            "how much it looks like the examples, by a model that did not see its patient; missing without a pattern",
            "log odds, examples and others weighted alike",
            nullable=True,
        ),
        Column(c.IS_NAMED, BOOL, "whether it is named: to leave, unless a cap or the last photo of its visit keeps it"),
    ),
)
