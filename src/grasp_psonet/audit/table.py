"""The audit table: one row per visit with every ranking, both readings and their distance to the cut-offs."""

import numpy as np
import pandas as pd

from grasp_psonet.audit.rankings import (
    RANKINGS,
    prediction_rankings,
    random_ranking,
    self_influence_rankings,
    step_rankings,
)
from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.audit.simple_rivals import mean_rank
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.errors import EvidenceError, StageError
from grasp_psonet.tables.columns import (
    AREA_UNDER_MARGIN,
    CUTOFF_DISTANCE,
    CUTOFF_NEARNESS,
    IS_AUDITED,
    MARGIN_AND_CUTOFF,
    NUM_DRAWS,
    ORACLE,
    PATIENT_ID,
    PREDICTED,
    RANK,
    READERS_DISAGREE,
    SPLIT,
    TO_INSPECT,
    VISIT_ID,
)


def audit_table(
    visits: pd.DataFrame,
    predictions: pd.DataFrame,
    steps: pd.DataFrame,
    diagonals: pd.DataFrame | None,
    outcome: Outcome,
    seed: int,
    further: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per visit of ``visits`` (the audited part of the cohort's table), in its order.

    Columns: visit_id, patient_id, split, label_reader1, label_reader2 (missing where not read), predicted,
    readers_disagree (missing where not read twice), where the outcome has a score that of both readers (pasi_reader1,
    pasi_reader2), cutoff_distance_reader1 / _reader2 (points to the nearest cut-off) and cutoff_distance (the smaller),
    then num_draws, is_audited, and the rankings that can be had, higher more suspicious.
    ``diagonals`` (visit_id, photo_id, self_influence) gives largest and mean; ``further`` (visit_id and columns named in
    RANKINGS) joins rankings made elsewhere. A visit never drawn was not
    trained on: is_audited is False and its rankings are missing, for a self-influence of 0 would call it clean.
    Raises StageError where a drawn visit lacks a prediction or self-influence.
    """
    table = _readings(visits, outcome)
    readings = list(table)
    table[ORACLE] = table[READERS_DISAGREE].astype("Float64").astype(float)

    sources = [predictions[[VISIT_ID, PREDICTED]], prediction_rankings(predictions, outcome)]
    sources += [step_rankings(steps, outcome)]
    sources += [self_influence_rankings(diagonals)] if diagonals is not None else []
    sources += [further] if further is not None else []
    for source in [*sources, random_ranking(table[VISIT_ID], seed)]:
        table = table.merge(source, on=VISIT_ID, how="left", validate="1:1")
    if CUTOFF_NEARNESS in table:
        table[MARGIN_AND_CUTOFF] = mean_rank([table[AREA_UNDER_MARGIN], table[CUTOFF_NEARNESS]])
    table[NUM_DRAWS] = table[NUM_DRAWS].fillna(0).astype("int64")
    table[IS_AUDITED] = table[NUM_DRAWS] > 0
    rankings = [name for name in RANKINGS if name in table]
    table.loc[~table[IS_AUDITED], rankings] = np.nan
    for name, what in (("visit_loss", "prediction"), ("largest", "self-influence")):
        missing = int(table.loc[table[IS_AUDITED], name].isna().sum()) if name in table else 0
        if missing:
            raise StageError(f"{missing} visits that were trained on have no {what}\n  next: run the audit again")
    readings.insert(readings.index("readers_disagree"), PREDICTED)
    return table[[*readings, NUM_DRAWS, IS_AUDITED, *rankings]]


def _readings(visits: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """What the readers made of each visit: labels, disagreement, and scores with their distance to the cut-offs."""
    table = visits[[VISIT_ID, PATIENT_ID, SPLIT]].copy()
    for reader, column in zip(READERS, outcome.label_columns, strict=True):
        table[f"label_{reader}"] = outcome.as_labels(visits[column])
    table[READERS_DISAGREE] = outcome.readers_disagree(visits)
    for column in outcome.score_columns:
        table[column] = visits[column].astype(float)
    if outcome.score_columns:
        for reader, column in zip(READERS, outcome.score_columns, strict=True):
            table[f"cutoff_distance_{reader}"] = outcome.cutoff_distance(table[column])
        table[CUTOFF_DISTANCE] = table[[f"cutoff_distance_{reader}" for reader in READERS]].min(axis=1)
    return table.reset_index(drop=True)


def review_list(table: pd.DataFrame, settings: AuditSettings) -> pd.DataFrame:
    """The audited visits, most suspicious first, equal ones by visit id, with rank (1..) and to_inspect before all else.

    to_inspect marks the first ``settings.inspected`` of the list, rounded up. Raises EvidenceError where the table
    lacks the chosen ranking.
    """
    if settings.ranking not in table:
        have = ", ".join(name for name in RANKINGS if name in table)
        raise EvidenceError(
            f"audit.ranking is {settings.ranking!r}, which this audit does not have; it has {have}\n"
            "  next: set audit.ranking to one of them"
        )
    listed = (
        table.loc[table[IS_AUDITED]].sort_values(VISIT_ID).sort_values(settings.ranking, ascending=False, kind="stable")
    )
    rank = np.arange(1, len(listed) + 1)
    listed = listed.reset_index(drop=True)
    listed.insert(0, RANK, rank)
    listed.insert(1, TO_INSPECT, rank <= np.ceil(settings.inspected * len(listed) - 1e-9))
    return listed
