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
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.errors import EvidenceError, StageError

_READINGS = [
    *("visit_id", "patient_id", "split", "label_reader1", "label_reader2", "predicted", "readers_disagree"),
    *("pasi_reader1", "pasi_reader2", "cutoff_distance_reader1", "cutoff_distance_reader2", "cutoff_distance"),
    *("num_draws", "is_audited"),
]


def audit_table(
    visits: pd.DataFrame,
    predictions: pd.DataFrame,
    steps: pd.DataFrame,
    diagonals: pd.DataFrame | None,
    severity: SeveritySettings,
    seed: int,
    further: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per visit of ``visits`` (the audited part of the cohort's table), in its order.

    Columns: visit_id, patient_id, split, label_reader1, label_reader2 (missing where not read), predicted,
    readers_disagree (missing where not read twice), pasi_reader1, pasi_reader2, cutoff_distance_reader1 / _reader2
    (PASI points to the nearest cut-off), cutoff_distance (the smaller), num_draws, is_audited, and the rankings that
    can be had, higher more suspicious. ``diagonals`` (visit_id, photo_id, self_influence) gives largest and mean;
    ``further`` (visit_id and columns named in RANKINGS) joins rankings made elsewhere. A visit never drawn was not
    trained on: is_audited is False and its rankings are missing, for a self-influence of 0 would call it clean.
    Raises StageError where a drawn visit lacks a prediction or self-influence.
    """
    table = pd.DataFrame(
        {
            "visit_id": visits["visit_id"],
            "patient_id": visits["patient_id"],
            "split": visits["split"],
            "label_reader1": visits["severity_reader1"].astype("Int64"),
            "label_reader2": visits["severity_reader2"].astype("Int64"),
            "pasi_reader1": visits["pasi_reader1"].astype(float),
            "pasi_reader2": visits["pasi_reader2"].astype(float),
        }
    ).reset_index(drop=True)
    table["readers_disagree"] = (table["label_reader1"] != table["label_reader2"]).astype("boolean")
    for reader in ("reader1", "reader2"):
        table[f"cutoff_distance_{reader}"] = cutoff_distance(table[f"pasi_{reader}"], severity)
    table["cutoff_distance"] = table[["cutoff_distance_reader1", "cutoff_distance_reader2"]].min(axis=1)
    table["oracle"] = table["readers_disagree"].astype("Float64").astype(float)

    sources = [predictions[["visit_id", "predicted"]], prediction_rankings(predictions), step_rankings(steps)]
    sources += [self_influence_rankings(diagonals)] if diagonals is not None else []
    sources += [further] if further is not None else []
    for source in [*sources, random_ranking(table["visit_id"], seed)]:
        table = table.merge(source, on="visit_id", how="left", validate="1:1")
    table["num_draws"] = table["num_draws"].fillna(0).astype("int64")
    table["is_audited"] = table["num_draws"] > 0
    rankings = [name for name in RANKINGS if name in table]
    table.loc[~table["is_audited"], rankings] = np.nan
    for name, what in (("visit_loss", "prediction"), ("largest", "self-influence")):
        missing = int(table.loc[table["is_audited"], name].isna().sum()) if name in table else 0
        if missing:
            raise StageError(f"{missing} visits that were trained on have no {what}\n  next: run the audit again")
    return table[_READINGS + rankings]


def cutoff_distance(pasi: "pd.Series[float]", severity: SeveritySettings) -> "pd.Series[float]":
    """PASI points to the nearest cut-off; NaN where there is no PASI."""
    low, high = severity.cutoffs
    return pd.Series(np.minimum((pasi - low).abs(), (pasi - high).abs()), index=pasi.index)


def review_list(table: pd.DataFrame, settings: AuditSettings) -> pd.DataFrame:
    """The audited visits, most suspicious first, equal ones by visit id, with rank (1..) and to_inspect before all else.

    to_inspect marks the first ``settings.inspected`` of the list, rounded up. Raises EvidenceError where the table
    lacks the chosen ranking.
    """
    if settings.ranking not in table:
        have = ", ".join(name for name in RANKINGS if name in table)
        raise EvidenceError(f"audit.ranking is {settings.ranking!r}, which this audit does not have; it has {have}")
    listed = (
        table.loc[table["is_audited"]]
        .sort_values("visit_id")
        .sort_values(settings.ranking, ascending=False, kind="stable")
    )
    rank = np.arange(1, len(listed) + 1)
    listed = listed.reset_index(drop=True)
    listed.insert(0, "rank", rank)
    listed.insert(1, "to_inspect", rank <= np.ceil(settings.inspected * len(listed) - 1e-9))
    return listed
