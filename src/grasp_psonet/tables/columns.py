"""The names of all columns, one constant each, and the columns that follow the names of the classes.

A constant instead of a string: a slip is an error of the type checker, and every use of a column can be found. What a column
means is said where its table is stated, for a name may stand in several tables.
"""

from collections.abc import Iterable
from typing import Final

# whom and what
VISIT_ID: Final = "visit_id"
PATIENT_ID: Final = "patient_id"
PHOTO_ID: Final = "photo_id"
OTHER_PHOTO_ID: Final = "other_photo_id"
ATTENDED_PHOTO_ID: Final = "attended_photo_id"
QUERY_ID: Final = "query_id"
RUN: Final = "run"
BASELINE_RUN: Final = "baseline"
PHOTO: Final = "photo"
EDIT: Final = "edit"
NUM_PHOTOS: Final = "num_photos"

# visits.csv, photos.csv, views.csv
SPLIT: Final = "split"
STUDY_DAY: Final = "study_day"
FITZPATRICK: Final = "fitzpatrick"
SEX: Final = "sex"
AGE: Final = "age"
AGE_BAND: Final = "age_band"
SITE: Final = "site"
DEVICE: Final = "device"
PASI_READER1: Final = "pasi_reader1"
PASI_READER2: Final = "pasi_reader2"
SEVERITY_READER1: Final = "severity_reader1"
SEVERITY_READER2: Final = "severity_reader2"
READER1_ID: Final = "reader1_id"
READER2_ID: Final = "reader2_id"
VIEW: Final = "view"
PATH: Final = "path"
KEY: Final = "key"
CODE: Final = "code"
BODY_REGION: Final = "body_region"
SIDE: Final = "side"
REQUIRED: Final = "required"

# the truth of a drawn cohort
DRAWN_VIEW: Final = "drawn_view"
FAULT: Final = "fault"
IS_SHORTCUT: Final = "is_shortcut"
DUPLICATE_OF: Final = "duplicate_of"
ERYTHEMA: Final = "erythema"
INDURATION: Final = "induration"
DESQUAMATION: Final = "desquamation"
AREA: Final = "area"
AREA_FRACTION: Final = "area_fraction"
PASI_TRUE: Final = "pasi_true"
SEVERITY_TRUE: Final = "severity_true"
GROSS_ERROR_READER1: Final = "gross_error_reader1"
GROSS_ERROR_READER2: Final = "gross_error_reader2"
DISAGREE: Final = "disagree"
CAUSE: Final = "cause"
CARRIES_SHORTCUT: Final = "carries_shortcut"

# the store
ROW: Final = "row"
WIDTH_PX: Final = "width_px"
HEIGHT_PX: Final = "height_px"
BRIGHTNESS: Final = "brightness"
CONTRAST: Final = "contrast"
SHARPNESS: Final = "sharpness"
CAST_RED_GREEN: Final = "cast_red_green"
CAST_YELLOW_BLUE: Final = "cast_yellow_blue"
HASH: Final = "hash"
NEAR_DUPLICATE_OF: Final = "near_duplicate_of"

# runs
STEP: Final = "step"
EPOCH: Final = "epoch"
DRAW: Final = "draw"
LR: Final = "lr"
PHASE: Final = "phase"
GRAD_NORM: Final = "grad_norm"
CLIPPED_NORM: Final = "clipped_norm"
LABEL: Final = "label"
PREDICTED: Final = "predicted"
LOSS: Final = "loss"
LOGIT: Final = "logit"
TRAIN_LOSS: Final = "train_loss"
VAL_LOSS: Final = "val_loss"
KEPT: Final = "kept"
ATTENTION: Final = "attention"
ATTENTION_LOGIT: Final = "attention_logit"

# traces and keep lists
SCORE: Final = "score"
CHANGE: Final = "change"
READERS_DISAGREE: Final = "readers_disagree"
NEAR_CUTOFF: Final = "near_cutoff"
USED: Final = "used"
REASON: Final = "reason"
NUM_QUERIES: Final = "num_queries"
MIN_SCORE: Final = "min_score"

# evaluation
READER: Final = "reader"
IS_EXAMPLE: Final = "is_example"
EVIDENCE: Final = "evidence"
IS_NAMED: Final = "is_named"
GROUP_COLUMN: Final = "group_column"
GROUP: Final = "group"
METRIC: Final = "metric"
VALUE: Final = "value"
DIFFERENCE: Final = "difference"
LOW: Final = "low"
HIGH: Final = "high"
NUM_VISITS: Final = "num_visits"
NUM_PATIENTS: Final = "num_patients"
NUM_DISAGREEMENTS: Final = "num_disagreements"
NUM_LEFT_OUT: Final = "num_left_out"
NUM_REPLICATES: Final = "num_replicates"
INTERVAL: Final = "interval"
WHY_NOT: Final = "why_not"
NUM_REMOVED: Final = "num_removed"
SHARE: Final = "share"
OF_REMOVED: Final = "of_removed"
RATIO: Final = "ratio"
RATIO_LOW: Final = "ratio_low"
RATIO_HIGH: Final = "ratio_high"
WARNING: Final = "warning"

# audit
RANK: Final = "rank"
TO_INSPECT: Final = "to_inspect"
LABEL_READER1: Final = "label_reader1"
LABEL_READER2: Final = "label_reader2"
CUTOFF_DISTANCE_READER1: Final = "cutoff_distance_reader1"
CUTOFF_DISTANCE_READER2: Final = "cutoff_distance_reader2"
CUTOFF_DISTANCE: Final = "cutoff_distance"
NUM_DRAWS: Final = "num_draws"
IS_AUDITED: Final = "is_audited"
SELF_INFLUENCE: Final = "self_influence"
RANKING: Final = "ranking"
AGAINST: Final = "against"
NUM_INSPECTED: Final = "num_inspected"
FRACTION_INSPECTED: Final = "fraction_inspected"
FRACTION_FOUND: Final = "fraction_found"
LARGEST: Final = "largest"
PAPER_AUDIT: Final = "paper_audit"
MEAN: Final = "mean"
VISIT_LOSS: Final = "visit_loss"
MARGIN: Final = "margin"
MEAN_LOSS: Final = "mean_loss"
AREA_UNDER_MARGIN: Final = "area_under_margin"
FORGETTING: Final = "forgetting"
EL2N: Final = "el2n"
CONFIDENT_LEARNING: Final = "confident_learning"
CROWDLAB: Final = "crowdlab"
RANDOM: Final = "random"
ORACLE: Final = "oracle"

WITHIN_CLASS: Final = "within_class"
WITHIN_CLASS_LOW: Final = "within_class_low"
WITHIN_CLASS_HIGH: Final = "within_class_high"
NORMALIZED_MARGIN: Final = "normalized_margin"
SELF_CONFIDENCE: Final = "self_confidence"
ENTROPY: Final = "entropy"
NEIGHBOUR_RATIO: Final = "neighbour_ratio"
CUTOFF_NEARNESS: Final = "cutoff_nearness"
CLASS_ONLY: Final = "class_only"
MARGIN_AND_CUTOFF: Final = "margin_and_cutoff"
CONFIDENCE_AND_CUTOFF: Final = "confidence_and_cutoff"
EXPECTED_DISAGREEMENT: Final = "expected_disagreement"
GROSS_ERROR: Final = "gross_error"
THRESHOLD_FLIP: Final = "threshold_flip"

# out of fold
REPEAT: Final = "repeat"
FOLD: Final = "fold"

# explanations
TARGET: Final = "target"
CAM_LARGEST: Final = "cam_largest"
FILE: Final = "file"


def val_column(figure: str) -> str:
    """Column of the figure that chooses, on validation: val_auc of classes."""
    return f"val_{figure}"


def logit_columns(classes: Iterable[object]) -> list[str]:
    """Columns of the network's logits, one per class in the order given."""
    return [f"logit_{name}" for name in classes]


def probability_columns(classes: Iterable[object]) -> list[str]:
    """Columns of the classes' probabilities, one per class in the order given."""
    return [f"p_{name}" for name in classes]
