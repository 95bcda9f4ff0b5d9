"""Rankings that need no model of ours: how near a score lies to a cut-off, and the class alone; and mean ranks of rankings.

Higher is more suspicious, in every column.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.tables.columns import CLASS_ONLY, CUTOFF_NEARNESS, VISIT_ID


def reading_rankings(visits: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """visit_id, class_only and, where the scale has scores, cutoff_nearness.

    cutoff_nearness: points from Reader 1's score to the nearest cut-off, sign turned. class_only, a control: how often the
    second reader disagrees where Reader 1 gave this class, or a number that is of it (of all classes together where it was
    never read twice); the number of the class where no visit was read twice. Much apparent success of a ranking is this alone.
    """
    table = pd.DataFrame({VISIT_ID: visits[VISIT_ID].to_numpy()})
    label = visits[outcome.label_column].map(outcome.stratum_of).astype("int64")
    disagree = outcome.readers_disagree(visits).astype("Float64").astype(float)
    rate = disagree.groupby(label).transform("mean").fillna(disagree.mean())
    table[CLASS_ONLY] = (label.astype(float) if disagree.isna().all() else rate).to_numpy()
    if outcome.score_columns and visits[outcome.score_columns[0]].notna().any():
        table[CUTOFF_NEARNESS] = -outcome.cutoff_distance(visits[outcome.score_columns[0]].astype(float)).to_numpy()
    return table


def mean_rank(rankings: Sequence["pd.Series[float]"]) -> "pd.Series[float]":
    """Rankings put together: the mean of their ranks as fractions, 0 (least suspicious) to 1; equal values share their rank.

    Missing where any of them is.
    """
    ranks = pd.concat([_rank_fraction(ranking) for ranking in rankings], axis=1)
    return ranks.mean(axis=1, skipna=False)


def within_class(ranking: "pd.Series[float]", label: "pd.Series[int]") -> "pd.Series[float]":
    """A ranking's rank among the visits of the same class, as a fraction: inspecting by it takes as much of every class."""
    ranks: pd.Series[float] = ranking.groupby(label).transform(_rank_fraction)
    return ranks


def _rank_fraction(ranking: "pd.Series[float]") -> "pd.Series[float]":
    known = int(ranking.notna().sum())
    return (ranking.rank() - 0.5) / known if known else ranking * np.nan
