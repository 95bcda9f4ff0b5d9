"""Planted reader errors: which ranking of the training visits finds those whose label a gross error of Reader 1 made wrong?

No shortcut is planted. Without retraining: every ranking of the audit, and the harm that a trace sums over all errors.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.planted import Cohorts, make_baseline
from grasp_psonet.audit.rankings import RANKINGS
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import audit_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.tracing.trace import run_queries, trace_queries
from grasp_psonet.stages.run import TrainedRun

GROSS_ERRORS = 0.2  # of Reader 1's visits
FORMULAS: tuple[FormulaName, ...] = ("sgd", "adam", "cosine")


def reader_error_rows(cohorts: Cohorts, seed: int) -> Iterator[dict[str, Any]]:
    """One row per ranking: average precision and AUROC; visits that training never drew are left out."""
    make_baseline(cohorts, seed)
    job = cohorts.job(seed)
    run_task(audit_task(job))
    audited = pd.read_parquet(job.study.audit / "visits.parquet").set_index("visit_id")
    audited = audited[audited["is_audited"]]
    truth = pd.read_parquet(job.study.folder / "truth_visits.parquet").set_index("visit_id").loc[audited.index]
    is_wrong = (truth["gross_error_reader1"].fillna("") != "") & (truth["severity_true"] != truth["severity_reader1"])
    rankings = {name: audited[name].astype(float) for name in RANKINGS if name in audited and name != "oracle"}
    rankings |= {name: harm[audited.index] for name, harm in _harm_of_visits(job).items()}
    for name, suspicion in rankings.items():
        value, wrong = np.asarray(suspicion, dtype=np.float64), np.asarray(is_wrong, dtype=bool)
        yield {
            "seed": seed,
            "ranking": name,
            "num_wrong": int(wrong.sum()),
            "num_visits": len(wrong),
            "average_precision": float(average_precision_score(wrong, value)),
            "auroc": float(roc_auc_score(wrong, value)),
        }


def _harm_of_visits(job: Job) -> dict[str, "pd.Series[float]"]:
    """Harm to all errors together by visit: of the visit as a whole, and the mean over its photos alone."""
    found, run = {}, TrainedRun(job)
    queries = run_queries(run, job.settings.trace)
    for settings in (TraceSettings(unit="visit", query="visit"), TraceSettings()):
        traced = trace_queries(run, queries, FORMULAS, settings)
        for formula, scores in traced.tables.items():
            by_photo = scores.groupby(["visit_id", "photo_id"])["score"].sum()
            found[f"trace: {formula}, {settings.unit}"] = -by_photo.groupby("visit_id").mean()
    return found
