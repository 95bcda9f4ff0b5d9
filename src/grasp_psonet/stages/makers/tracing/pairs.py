"""Which photos have scores error by error beside their sum: those at both ends of the ranking (``trace.pairs: top``)."""

# Axes: Z training photos.

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PER_ERROR = 10  # photos at each end, for each error
MOST = 0.1  # of all photos at each end: more would cost as much as scores of all pairs


def photos_at_the_ends(
    score_Z: NDArray[np.float64], photo_ids: Sequence[str], groups: Sequence[Hashable], num_queries: int
) -> frozenset[str]:
    """The most harmful and the most helpful photos, by their scores [Z] less the median of their group: at each end
    ``PER_ERROR`` for each query, but at most ``MOST`` of all, and never fewer than ``PER_ERROR`` while there are so many.
    """
    table = pd.DataFrame({"photo": list(photo_ids), "score": score_Z, "group": list(groups)})
    table["score"] -= table.groupby("group", dropna=False)["score"].transform("median")
    ordered = table.sort_values(["score", "photo"], kind="stable")["photo"].tolist()
    count = min(PER_ERROR * num_queries, max(PER_ERROR, int(MOST * len(ordered))), len(ordered))
    return frozenset(ordered[:count]) | frozenset(ordered[len(ordered) - count :])
