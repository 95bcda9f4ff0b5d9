"""Which doubly-read visits the paper's audit looks at (paper 3.4)."""

import pandas as pd

from grasp_psonet.chance import generator
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import EvidenceError
from grasp_psonet.tables.columns import VISIT_ID


def draw_doubly_read(visits: pd.DataFrame, outcome: Outcome, num_visits: int, seed: int) -> pd.DataFrame:
    """``num_visits`` visits read twice, drawn at random, agreeing and disagreeing in the proportion of all read twice.

    The paper draws 100 of 342, about 84:16. Rows keep the order of ``visits``. Raises EvidenceError where fewer visits
    were read twice.
    """
    known = outcome.readers_disagree(visits).dropna()
    twice, disagree = visits.loc[known.index], known.astype(bool)
    if len(twice) < num_visits:
        raise EvidenceError(f"{num_visits} visits read twice are to be audited; the cohort has {len(twice)}")
    num_disagree = round(num_visits * float(disagree.mean())) if num_visits else 0
    drawn: set[str] = set()
    for members, num in ((twice.loc[disagree], num_disagree), (twice.loc[~disagree], num_visits - num_disagree)):
        ids = sorted(members[VISIT_ID])
        rng = generator(seed, "audit sample", len(ids), num)
        drawn |= {ids[i] for i in rng.permutation(len(ids))[:num]}
    return twice.loc[twice[VISIT_ID].isin(drawn)]
