"""Which training photos are flagged: those that a keep list removes, or those most harmful within their class and view."""

import numpy as np
import pandas as pd

from grasp_psonet.diagnosis.described import STRATUM
from grasp_psonet.tables.columns import KEPT, PHOTO_ID, REASON, SCORE, VIEW, VISIT_ID

REMOVED, WITHIN_CLASS = "removed", "within class"


def flagged_photos(
    keep: pd.DataFrame | None, scores: pd.DataFrame, photos: pd.DataFrame, is_within_class: bool
) -> pd.DataFrame:
    """photo_id, visit_id, score, reason, the most harmful first: the photos that the keep list removes, and, where it does not
    compare photos within their class, as many that are most harmful within class and view.

    ``keep``: the list (photo_id, kept), None where there is none; ``scores``: those of the trace; ``photos``: photo_id,
    visit_id, stratum and view of the training photos. ``score``: the sum over the queries. Nothing is flagged without a list
    that removes something.
    """
    harm = within_class_and_view(scores, photos)
    removed: set[str] = set() if keep is None else set(keep.loc[~keep[KEPT], PHOTO_ID])
    most = 0 if is_within_class else len(removed)
    worst = harm[harm["centred"] < 0].nsmallest(most, "centred")[PHOTO_ID]
    flagged = harm[harm[PHOTO_ID].isin(removed | set(worst))].sort_values([SCORE, PHOTO_ID]).reset_index(drop=True)
    reason = np.where(flagged[PHOTO_ID].isin(removed), REMOVED, WITHIN_CLASS)
    return flagged[[PHOTO_ID, VISIT_ID, SCORE]].assign(**{REASON: reason})


def within_class_and_view(scores: pd.DataFrame, photos: pd.DataFrame) -> pd.DataFrame:
    """The photos in the order of ids with ``score``, summed over the queries, and ``centred``: less the median of their class
    and view. Without queries all scores are 0."""
    table = photos[[PHOTO_ID, VISIT_ID, STRATUM, VIEW]].sort_values(PHOTO_ID).reset_index(drop=True)
    summed = scores.groupby(PHOTO_ID)[SCORE].sum()
    table[SCORE] = table[PHOTO_ID].map(summed).astype(float).fillna(0.0)
    view = table[VIEW].astype("string").fillna("")
    table["centred"] = table[SCORE] - table.groupby([table[STRATUM], view])[SCORE].transform("median")
    return table
