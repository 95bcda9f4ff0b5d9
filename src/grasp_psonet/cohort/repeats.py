"""Visits that a reader was given twice in one round without being told: both readings side by side."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.tables.columns import LABEL, READER_ID, REPEAT, ROUND, SCORE, VERSION, VISIT_ID

AGAIN_LABEL, AGAIN_SCORE = "label_again", "score_again"
REPEATS = (VISIT_ID, READER_ID, LABEL, SCORE, AGAIN_LABEL, AGAIN_SCORE)
_SAME = [READER_ID, VISIT_ID, ROUND]


def hidden_repeats(tables: Sequence[pd.DataFrame], outcome: Outcome) -> pd.DataFrame:
    """One row per reader and visit read twice: the columns ``REPEATS``, labels as floats, scores in points (NaN without one).

    ``tables``: readings as ``readings.Readings`` has them, one table a source; without a column ``repeat`` a table has none. Of
    each reading the last version counts. Where one of the two was not assessable there is no pair; of several rounds the pair
    of the last counts.
    """
    found = [_pairs(_plain(table, outcome)) for table in tables if REPEAT in table]
    nothing = pd.DataFrame({name: pd.Series(dtype=float) for name in REPEATS}).astype(
        {VISIT_ID: "string", READER_ID: "string"}
    )
    pairs = pd.concat([nothing, *(one for one in found if len(one))], ignore_index=True)
    return pairs.drop_duplicates([VISIT_ID, READER_ID], keep="last", ignore_index=True)


def _plain(table: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    score = outcome.score_columns[:1]
    has_score = bool(score) and score[0] in table
    nothing = pd.Series(pd.NA, index=table.index)
    return pd.DataFrame(
        {
            VISIT_ID: table[VISIT_ID].astype("string"),
            READER_ID: table[READER_ID].astype("string"),
            ROUND: table.get(ROUND, nothing).astype("string").fillna(""),
            REPEAT: table[REPEAT].fillna(False).astype(bool),
            VERSION: table.get(VERSION, nothing).astype("Float64").fillna(0).astype(float),
            LABEL: table[outcome.label_columns[0]].astype("Float64").to_numpy(np.float64, na_value=np.nan),
            SCORE: table[score[0]].astype("Float64").to_numpy(np.float64, na_value=np.nan) if has_score else np.nan,
        }
    )


def _pairs(readings: pd.DataFrame) -> pd.DataFrame:
    last = readings.sort_values(VERSION, kind="stable").drop_duplicates([*_SAME, REPEAT], keep="last")
    first, again = last[~last[REPEAT]], last[last[REPEAT]].rename(columns={LABEL: AGAIN_LABEL, SCORE: AGAIN_SCORE})
    both = first.merge(again[[*_SAME, AGAIN_LABEL, AGAIN_SCORE]], on=_SAME).sort_values(_SAME[::-1], kind="stable")
    return both.loc[both[LABEL].notna() & both[AGAIN_LABEL].notna(), list(REPEATS)].reset_index(drop=True)
