"""Lists of the report for people and other programs, as frames that are written as CSV and Excel workbooks."""

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.report.traced import Traced

TRACED_COLUMNS = (
    *("error_visit_id", "error_label", "error_predicted", "error_loss", "influence", "rank"),
    *("photo_id", "visit_id", "label", "view", "score", "is_removed"),
)


def traced_list(traced: Traced, outcome: Outcome) -> pd.DataFrame:
    """One row per error and photo at one of its ends: ``influence`` harmful (pushed it there) or helpful (held against it),
    ``rank`` from 1, the strongest."""
    rows = [
        (
            *(error.visit_id, label_word(error.label, outcome), label_word(error.predicted, outcome), error.loss),
            *(influence, rank, one.photo_id, one.visit_id, label_word(one.label, outcome), one.view, one.score),
            "yes" if one.is_removed else "no",
        )
        for error in traced.errors
        for influence, end in (("harmful", error.harmful), ("helpful", error.helpful))
        for rank, one in enumerate(end, start=1)
    ]
    return pd.DataFrame(rows, columns=list(TRACED_COLUMNS))


def label_word(label: float | None, outcome: Outcome) -> str | float | None:
    """A label as people read it: the name of a class, or a number of points with one decimal; None where there is none."""
    if label is None or pd.isna(label):
        return None
    if outcome.is_ordinal or (outcome.takes_classes and label < outcome.scale.score_range[0]):
        return outcome.classes[outcome.stratum_of(label)]
    return round(float(label), 1)
