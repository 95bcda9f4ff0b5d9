"""What else the report shows: rates of removal, the audit, and the faults that were planted in a synthetic cohort."""

from typing import Any

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.pruning.overlap import removal_rates
from grasp_psonet.report import data
from grasp_psonet.stages.drawn import is_synthetic
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.prune import read_keep
from grasp_psonet.stages.report.arms import estimate_of
from grasp_psonet.stages.report.gallery import number_or_none

_NUM_REVIEW = 20


def removal_of(job: Job, keep_name: str) -> tuple[data.RemovalRate, ...]:
    rates = removal_rates(read_keep(job, keep_name), job.cohort.photos, job.cohort.visits, job.outcome)
    rates = rates[rates["column"] != "all"]
    return tuple(
        data.RemovalRate(str(column), str(group), int(removed), int(photos))
        for column, group, photos, removed in rates[["column", "group", "num_photos", "num_removed"]].itertuples(
            index=False, name=None
        )
    )


def audit_of(job: Job) -> data.Audit:
    folder = job.study.audit
    table, review = pd.read_parquet(folder / "visits.parquet"), pd.read_parquet(folder / "review.parquet")
    curve, summary = pd.read_parquet(folder / "curve.parquet"), pd.read_parquet(folder / "summary.parquet")
    audited = table[table["is_audited"]]
    settings = job.settings.audit
    rankings = tuple(
        data.Ranking(
            str(name),
            tuple(float(x) for x in points["fraction_inspected"]),
            tuple(float(y) for y in points["fraction_found"]),
            *(
                estimate_of(summary, "value", ranking=str(name), metric=metric)
                for metric in ("found_at_inspected", "auroc", "average_precision")
            ),
        )
        for name, points in curve.groupby("ranking", sort=False)
    )
    return data.Audit(
        ranking=settings.ranking,
        visits=len(audited),
        read_twice=int(audited["readers_disagree"].notna().sum()),
        disagreements=int(audited["readers_disagree"].fillna(False).sum()),
        inspected=settings.inspected,
        review=tuple(
            _review_visit(row, settings.ranking, job.outcome) for row in review.head(_NUM_REVIEW).to_dict("records")
        ),
        rankings=rankings,
        why_not=(folder / "why_not.txt").read_text(encoding="utf-8"),
    )


def _review_visit(row: dict[Any, Any], ranking: str, outcome: Outcome) -> data.ReviewVisit:
    first, second = [number_or_none(row[column]) for column in outcome.score_columns] or [None, None]
    return data.ReviewVisit(
        visit_id=row["visit_id"],
        score=float(row[ranking]),
        class_reader1=int(row["label_reader1"]),
        class_reader2=None if pd.isna(row["label_reader2"]) else int(row["label_reader2"]),
        reading_reader1=first,
        reading_reader2=second,
        cutoff_distance=number_or_none(row.get("cutoff_distance_reader1")),
    )


def truth_of(job: Job, keep_name: str | None) -> tuple[data.PlantedFault, ...] | None:
    """What was planted on training photos, and how much of it left with this keep list (None: nothing left)."""
    if not is_synthetic(job):
        return None
    truth = pd.read_parquet(job.study.truth_file)
    truth = truth[truth["visit_id"].isin(job.visits_of("train")["visit_id"]) & (truth["fault"] != "none")]
    removed = _removed(job, keep_name)
    k = next((k for k, name in job.pruned_names().items() if name == keep_name), 0)
    control = job.control_names().get((k, "random"))
    at_random = None if control is None else _removed(job, control)
    rows = []
    for (is_shortcut, fault), photos in truth.groupby(["is_shortcut", "fault"]):
        ids = set(photos["photo_id"])
        name = f"{fault} (shortcut)" if is_shortcut else str(fault)
        drawn = None if at_random is None else len(ids & at_random)
        rows.append(data.PlantedFault(name, len(ids), len(ids & removed), drawn))
    return tuple(rows)


def _removed(job: Job, keep_name: str | None) -> set[str]:
    if keep_name is None:
        return set()
    keep = read_keep(job, keep_name)
    return set(keep.loc[~keep["kept"], "photo_id"])
