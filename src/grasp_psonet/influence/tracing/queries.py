"""Queries: misclassified visits, each through its most-attended photo (paper, section 2.1, of the kept network)."""

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.tables.columns import (
    ATTENDED_PHOTO_ID,
    LABEL,
    LOSS,
    NEAR_CUTOFF,
    PHOTO_ID,
    PREDICTED,
    QUERY_ID,
    READERS_DISAGREE,
    USED,
    VISIT_ID,
)


def find_queries(
    predictions: pd.DataFrame, visits: pd.DataFrame, outcome: Outcome, settings: TraceSettings
) -> pd.DataFrame:
    """One row per error (of classes: another class than Reader 1's) of these predictions of the validation split.

    Columns: query_id (the visit), photo_id (its most-attended photo), label, predicted, loss, readers_disagree,
    near_cutoff (Reader 1's score close to a cut-off by settings.near_cutoff; never without a score), used (False for
    doubtful queries when settings.drop_doubtful_queries). Sorted by query_id; empty without errors.
    """
    wrong = predictions[outcome.is_error(predictions)]
    wrong = wrong.sort_values(VISIT_ID)
    told = visits.set_index(VISIT_ID).loc[wrong[VISIT_ID]]
    disagree = outcome.readers_disagree(told).fillna(False).to_numpy(dtype=bool)
    near = outcome.is_near_cutoff(told, settings.near_cutoff).to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            QUERY_ID: wrong[VISIT_ID].to_numpy(),
            PHOTO_ID: wrong[ATTENDED_PHOTO_ID].to_numpy(),
            LABEL: wrong[LABEL].to_numpy(),
            PREDICTED: wrong[PREDICTED].to_numpy(),
            LOSS: wrong[LOSS].to_numpy(),
            READERS_DISAGREE: disagree,
            NEAR_CUTOFF: near,
            USED: ~(disagree | near) if settings.drop_doubtful_queries else True,
        }
    )
