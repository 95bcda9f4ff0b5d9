"""What a run leaves: its plan, the record of its steps and epochs, predictions and attention."""

from grasp_psonet.tables import columns as c
from grasp_psonet.tables.dtypes import BOOL, FLOAT, FLOAT32, FLOAT64, INT, NUMBER, TEXT
from grasp_psonet.tables.schemas.truth import BODY_REGIONS
from grasp_psonet.tables.table import Column, Table

_DRAW = (
    Column(c.STEP, INT, "step of the optimizer", "from 1"),
    Column(c.EPOCH, INT, "epoch of training; a recorded loop counts as one", "from 1"),
    Column(c.DRAW, INT, "place of the draw in its epoch", "from 0"),
    Column(c.VISIT_ID, TEXT, "the visit drawn"),
)
_LABEL = Column(
    c.LABEL,
    NUMBER,
    "the label that the visit is trained on: Reader 1's, or that of `severity.training_label` or a revision",
    "class, from 0, or points; of a visit with only a class the lowest score less 1 and the number of the class",
)

PLAN = Table(
    title="the batch plan of a run",
    pattern="runs/*/plan.parquet",
    row="draw",
    made_by="grasp run",
    columns=_DRAW,
)

STEPS = Table(
    title="the step records of a run",
    pattern="runs/*/steps.parquet",
    row="draw",
    made_by="grasp run",
    columns=(
        *_DRAW,
        Column(_LABEL.name, NUMBER, _LABEL.meaning + "; absent from a recorded loop", _LABEL.unit, optional=True),
        Column(
            c.LOSS,
            FLOAT32,
            "loss of the draw before the step; absent from a recorded loop",
            "nats",
            optional=True,
        ),
        Column(c.LR, FLOAT64, "learning rate of the step; of several groups in a recorded loop the largest", "above 0"),
        Column(
            c.GRAD_NORM,
            FLOAT64,
            "norm of the step's gradient before clipping; absent from a recorded loop",
            "nats per unit of weight",
            optional=True,
        ),
        Column(
            c.CLIPPED_NORM,
            FLOAT64,
            "norm of the gradient that the optimizer took; of a recorded loop alone",
            "nats per unit of weight",
            optional=True,
        ),
        Column(
            c.PADDED_TO,
            INT,
            "photos and padding that a recorded loop gave its network for the draw; 0 where that was not seen",
            "photos",
            optional=True,
        ),
        Column(
            c.LOGIT,
            FLOAT,
            "the one output of a recorded network for two classes; missing where a step was not seen",
            "logit of class 1 over 0",
            nullable=True,
            optional=True,
        ),
        Column(
            "logit_<class>",
            FLOAT,
            "what the network gave for the draw before the step, by name of the class, in a recorded loop by its number; "
            "missing where a recorded step was not seen",
            "logit",
            nullable=True,
        ),
        Column(
            "output_<name>",
            FLOAT,
            "the same of an outcome that is no scale of classes; missing likewise",
            nullable=True,
        ),
        Column(
            "lr_<group>",
            FLOAT64,
            "learning rate of the parameter group, by its number; of a recorded loop whose groups have several",
            "0 or above",
            optional=True,
        ),
        Column(
            c.PHASE,
            TEXT,
            "the part of training that the step is in; where training has several",
            "probe, fine-tune",
            optional=True,
        ),
    ),
)

EPOCHS = Table(
    title="the epochs of a run",
    pattern="runs/*/epochs.parquet",
    row="epoch",
    made_by="grasp run",
    columns=(
        Column(c.EPOCH, INT, "epoch of training", "from 1"),
        Column(c.STEP, INT, "its last step", "from 1"),
        Column(c.LR, FLOAT64, "learning rate of that step", "above 0"),
        Column(c.TRAIN_LOSS, FLOAT64, "mean loss over its draws, each before its step", "nats"),
        Column(c.VAL_LOSS, FLOAT64, "mean loss over validation after it", "nats"),
        Column(
            "val_<figure>",
            FLOAT64,
            "the figure that chooses, on validation after it: `val_auc`, micro AUC, missing where validation lacks a class",
            "of the figure",
            nullable=True,
        ),
        Column(c.KEPT, BOOL, "whether the weights after it are those of the run"),
    ),
)

PREDICTIONS = Table(
    title="the predictions of a run",
    pattern="runs/*/predictions.parquet",
    row="visit",
    made_by="grasp run",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        _LABEL,
        Column(
            c.PREDICTED,
            NUMBER,
            "the class of the largest logit, or the predicted number within the score's range",
            "class, from 0, or points",
        ),
        Column(c.LOSS, FLOAT64, "loss against the label", "nats"),
        Column("p_<class>", FLOAT64, "probability of the class; they add up to 1", "0 to 1"),
        Column("logit_<class>", FLOAT64, "the network's output for the class", "logit"),
        Column("output_<name>", FLOAT64, "the network's output, of an outcome that is no scale of classes"),
        Column(
            c.ATTENDED_PHOTO_ID,
            TEXT,
            "the photo attended to most; with `network.attention: mean`, that which alone agrees best with the prediction",
        ),
        Column(c.SPLIT, TEXT, "the split that the visit was in", "train, val, test"),
    ),
)

PHOTO_ATTENTION = Table(
    title="the attention of a run",
    pattern="runs/*/attention.parquet",
    row="photo",
    made_by="grasp run",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit"),
        Column(c.PHOTO_ID, TEXT, "the photo"),
        Column(c.ATTENTION, FLOAT32, "its share in the visit's feature; adds up to 1 over a visit", "0 to 1"),
        Column(
            c.ATTENTION_LOGIT,
            FLOAT32,
            "its attention before the softmax; missing where the photo was removed and not read",
            "logit",
            nullable=True,
        ),
        Column(c.SPLIT, TEXT, "the split that the visit was in", "train, val, test"),
    ),
)

_REACH = (
    Column(
        c.DISTANCE,
        FLOAT64,
        "distance from the training photos in the start encoder's feature space; missing where it is not known",
        "0 or above",
        nullable=True,
    ),
    Column(
        c.NEARER, FLOAT64, "share of what trained that lies nearer to other patients' photos", "0 to 1", nullable=True
    ),
    Column(c.IS_FAR, BOOL, "whether at least 99 % of it does; missing where that is not known", nullable=True),
)

_SCORE_INTERVAL = tuple(
    Column(
        name,
        FLOAT64,
        f"{end} end of the interval that holds 9 of 10 scores of new patients, by the errors on validation; of a number alone",
        "points",
        optional=True,
    )
    for name, end in ((c.SCORE_LOW, "lower"), (c.SCORE_HIGH, "upper"))
)
_EXPECTED_GRADES = tuple(
    Column(
        f"{region}_{part}",
        FLOAT64,
        f"expected grade, {region.replace('_', ' ')}; missing where no photo shows it; of PASI by region alone",
        "0 to 6" if part == c.AREA else "0 to 4",
        nullable=True,
        optional=True,
    )
    for region in BODY_REGIONS
    for part in (c.ERYTHEMA, c.INDURATION, c.DESQUAMATION, c.AREA)
)

NEW_VISITS = Table(
    title="the predictions for new visits, by `grasp predict`",
    pattern="",
    row="visit",
    columns=(
        Column(c.VISIT_ID, TEXT, "the visit: the name of its folder, or as the table of photos says"),
        Column(c.NUM_PHOTOS, INT, "photos read", "from 1"),
        Column("p_<class>", FLOAT64, "probability of the class as the network says it; they add up to 1", "0 to 1"),
        Column(
            c.PREDICTED, TEXT, "the class of the largest logit, or the predicted number", "name of a class, or points"
        ),
        Column(c.SCORE, FLOAT64, "the predicted number in full; of a number alone", "points", optional=True),
        *_SCORE_INTERVAL,
        Column(
            c.PREDICTED_CLASS, TEXT, "its class by the cut-offs; of a number alone", "name of a class", optional=True
        ),
        *_EXPECTED_GRADES,
        Column(
            c.NOT_ASSESSABLE,
            TEXT,
            "regions of which no photo is there; empty where all are; of PASI by region alone",
            optional=True,
        ),
        Column(
            c.COMPLETED_FROM,
            TEXT,
            "the regions that the total was completed from, and how; empty where all were seen; of PASI by region alone",
            optional=True,
        ),
        Column(c.ATTENDED_PHOTO_ID, TEXT, "the photo that counts most in the answer"),
        Column(
            "calibrated_<class>",
            FLOAT64,
            "the same probability calibrated; missing where nothing calibrates it",
            "0 to 1",
            nullable=True,
        ),
        *_REACH,
        Column(c.WARNINGS, TEXT, "why the answer is to be doubted, in words; empty where nothing was found"),
    ),
)

NEW_PHOTOS = Table(
    title="the photos of new visits, by `grasp predict`",
    pattern="",
    row="photo",
    columns=(
        Column(c.VISIT_ID, TEXT, "its visit"),
        Column(
            c.PHOTO_ID,
            TEXT,
            "its visit and its place there, such as v1-01, or as the table of photos says",
        ),
        Column(c.ATTENTION, FLOAT32, "its share in the visit's feature; adds up to 1 over a visit", "0 to 1"),
        *_REACH,
        Column(c.QUALITY, TEXT, "what is unusual of it beside the study's photos, in words; empty where nothing is"),
    ),
)
