"""What the flagged photos are, what they share, and which photos show it."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import FLOAT64, INT, TEXT
from grasp_psonet.tables.table import Column, Table

FLAGGED = Table(
    title="the flagged photos",
    pattern="diagnosis/flagged.parquet",
    row="flagged training photo, most harmful first",
    made_by="grasp diagnose",
    columns=(
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(c.SCORE, FLOAT64, "its score, summed over the queries", "as the scores"),
        Column(
            c.REASON,
            TEXT,
            "whether a keep list removes it, or it is as harmful within its class and view (`prune.within: none`)",
            "removed, within class",
        ),
    ),
)

FINDINGS = Table(
    title="what the flagged photos share",
    pattern="diagnosis/findings.parquet",
    row="trait that was compared, the first finding first",
    made_by="grasp diagnose",
    columns=(
        Column(c.RANK, INT, "place in the list", "from 1"),
        Column(
            c.KIND,
            TEXT,
            "a tail of a measure of photos or visits, a value of a column, or a cluster of features",
            "measure, column, cluster",
        ),
        Column(c.TRAIT, TEXT, "the measure, the column, or cluster"),
        Column(
            c.TRAIT_VALUE, TEXT, "the tail (tenth of the photos of a view), the value, or the number of the cluster"
        ),
        Column(
            c.STRENGTH, TEXT, "whether it is a spurious pattern ([method](method.md))", "likely, possible, none found"
        ),
        Column(c.WORDS, TEXT, "the finding as a sentence"),
        Column(c.NUM_FLAGGED, INT, "flagged photos that have the trait", "from 0"),
        Column(c.NUM_PATIENTS, INT, "their patients", "from 0"),
        Column(c.SHARE, FLOAT64, "share of the flagged photos that have it", "0 to 1"),
        Column(
            c.EXPECTED_SHARE,
            FLOAT64,
            "the same if as many photos of each class and view were drawn from those not flagged",
            "0 to 1",
        ),
        Column(c.RATIO, FLOAT64, "of the two as counts, half a photo added to both", "above 0"),
        Column(
            c.ODDS_RATIO,
            FLOAT64,
            "of trait and flag over class and view (Mantel-Haenszel); missing where its denominator is 0",
            "from 0",
            nullable=True,
        ),
        Column(
            c.STANDARDISED_DIFFERENCE,
            FLOAT64,
            "of the measure: mean of the flagged less the mean expected; missing where the trait is no tail of a measure, or "
            "nothing varies",
            "standard deviations within class and view",
            nullable=True,
        ),
        Column(c.Z, FLOAT64, "how far the share lies above the mean of the permutations", "standard deviations"),
        Column(c.P_VALUE, FLOAT64, "part of the permutations with as large a share", "0 to 1"),
        Column(
            c.P_CORRECTED,
            FLOAT64,
            "the same corrected (Benjamini-Hochberg) among the traits that go with a class in training; of others among all",
            "0 to 1",
        ),
        Column(c.CLASS_NAME, TEXT, "the class of most of these flagged photos"),
        Column(
            c.CLASS_SHARE_TRAIN,
            FLOAT64,
            "share of the training photos of that class that have the trait; missing where there is no other class",
            "0 to 1",
            nullable=True,
        ),
        Column(
            c.OTHER_SHARE_TRAIN,
            FLOAT64,
            "the same if as many of each view were drawn from the training photos of other classes; missing without any",
            "0 to 1",
            nullable=True,
        ),
        Column(
            c.CLASS_SHARE_VAL,
            FLOAT64,
            "`class_share_train` of validation photos; missing where there is no other class",
            "0 to 1",
            nullable=True,
        ),
        Column(
            c.OTHER_SHARE_VAL,
            FLOAT64,
            "`other_share_train` of validation photos; missing where there is no other class",
            "0 to 1",
            nullable=True,
        ),
    ),
)

FINDING_PHOTOS = Table(
    title="the photos that show a finding",
    pattern="diagnosis/photos.parquet",
    row="photo of the gallery of a finding",
    made_by="grasp diagnose",
    columns=(
        Column(c.FINDING, INT, "rank of the finding", "from 1"),
        Column(c.ROLE, TEXT, "a flagged photo that has the trait, or its neighbour", "carrier, neighbour"),
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(
            c.NEIGHBOUR_OF,
            TEXT,
            "the carrier that it is nearest to, of the same class and view, and not flagged; missing for a carrier",
            nullable=True,
        ),
        Column(
            c.DISTANCE,
            FLOAT64,
            "of the two in features (1 - cosine; without features in measures); missing for a carrier",
            "from 0",
            nullable=True,
        ),
    ),
)
