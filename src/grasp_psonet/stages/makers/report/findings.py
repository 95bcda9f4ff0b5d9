"""What else the report shows: rates of removal, the audit, and the faults that were planted in a synthetic cohort."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.report import data
from grasp_psonet.stages.drawn import is_synthetic
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.makers.report.arms import estimate_of
from grasp_psonet.stages.makers.report.gallery import number_or_none
from grasp_psonet.tables.columns import (
    CUTOFF_DISTANCE_READER1,
    FAULT,
    FRACTION_FOUND,
    FRACTION_INSPECTED,
    GROUP,
    GROUP_COLUMN,
    HIGH,
    IS_AUDITED,
    IS_SHORTCUT,
    KEPT,
    LABEL_READER1,
    LABEL_READER2,
    LOW,
    METRIC,
    NUM_PHOTOS,
    NUM_REMOVED,
    OF_REMOVED,
    PHOTO_ID,
    RANDOM,
    RANKING,
    RATIO,
    RATIO_HIGH,
    RATIO_LOW,
    READERS_DISAGREE,
    RUN,
    SHARE,
    VALUE,
    VISIT_ID,
    WARNING,
    WHY_NOT,
    WITHIN_CLASS,
    WITHIN_CLASS_HIGH,
    WITHIN_CLASS_LOW,
)
from grasp_psonet.tables.schemas.audit import AUDIT_CURVE, AUDIT_SUMMARY, AUDIT_VISITS, REVIEW
from grasp_psonet.tables.schemas.truth import TRUTH

_NUM_REVIEW = 20


def removal_of(removal: pd.DataFrame, run: str) -> tuple[data.RemovalRate, ...]:
    """What a run's keep list took from whom, from ``evaluation/removal.parquet``."""
    return tuple(_removal_rate(row) for row in removal[removal[RUN] == run].to_dict("records"))


def _removal_rate(row: dict[Any, Any]) -> data.RemovalRate:
    share, low, high, of_removed, ratio, ratio_low, ratio_high = (
        number_or_none(row[column]) for column in (SHARE, LOW, HIGH, OF_REMOVED, RATIO, RATIO_LOW, RATIO_HIGH)
    )
    return data.RemovalRate(
        row[GROUP_COLUMN],
        row[GROUP],
        int(row[NUM_REMOVED]),
        int(row[NUM_PHOTOS]),
        data.Estimate(share, low, high),
        data.Estimate(ratio, ratio_low, ratio_high, row[WHY_NOT]),
        of_removed,
        row[WARNING],
    )


def removal_warnings_of(removal: pd.DataFrame, runs: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What is to be warned of, by run; runs without a warning are left out."""
    warned = removal[removal[WARNING] != ""]
    found = {run: tuple(warned.loc[warned[RUN] == run, WARNING]) for run in runs}
    return {run: warnings for run, warnings in found.items() if warnings}


def audit_of(job: Job) -> data.Audit:
    folder = job.study.audit
    table, review = AUDIT_VISITS.read(folder / "visits.parquet"), REVIEW.read(folder / "review.parquet")
    curve, summary = AUDIT_CURVE.read(folder / "curve.parquet"), AUDIT_SUMMARY.read(folder / "summary.parquet")
    audited = table[table[IS_AUDITED]]
    settings = job.settings.audit
    rankings = [_ranking(str(name), points, summary) for name, points in curve.groupby(RANKING, sort=False)]
    rankings.sort(key=lambda ranking: (ranking.name != settings.ranking, -(ranking.auroc.value or 0.0)))
    return data.Audit(
        ranking=settings.ranking,
        visits=len(audited),
        read_twice=int(audited[READERS_DISAGREE].notna().sum()),
        disagreements=int(audited[READERS_DISAGREE].fillna(False).sum()),
        inspected=settings.inspected,
        review=tuple(
            _review_visit(row, settings.ranking, job.outcome) for row in review.head(_NUM_REVIEW).to_dict("records")
        ),
        rankings=tuple(rankings),
        why_not=(folder / "why_not.txt").read_text(encoding="utf-8"),
    )


def _ranking(name: str, points: pd.DataFrame, summary: pd.DataFrame) -> data.Ranking:
    """One ranking: the points of its curve and its rows of the summary."""
    own = summary[(summary[RANKING] == name) & (summary[METRIC] == "auroc")].to_dict("records")[0]
    value, low, high = (number_or_none(own[end]) for end in (WITHIN_CLASS, WITHIN_CLASS_LOW, WITHIN_CLASS_HIGH))
    return data.Ranking(
        name,
        tuple(float(x) for x in points[FRACTION_INSPECTED]),
        tuple(float(y) for y in points[FRACTION_FOUND]),
        found_at=estimate_of(summary, VALUE, ranking=name, metric="found_at_inspected"),
        auroc=estimate_of(summary, VALUE, ranking=name, metric="auroc"),
        average_precision=estimate_of(summary, VALUE, ranking=name, metric="average_precision"),
        auroc_within_class=data.Estimate(value, low, high),
    )


def _review_visit(row: dict[Any, Any], ranking: str, outcome: Outcome) -> data.ReviewVisit:
    first, second = [number_or_none(row[column]) for column in outcome.score_columns] or [None, None]
    return data.ReviewVisit(
        visit_id=row[VISIT_ID],
        score=float(row[ranking]),
        label_reader1=row[LABEL_READER1],
        label_reader2=None if pd.isna(row[LABEL_READER2]) else row[LABEL_READER2],
        reading_reader1=first,
        reading_reader2=second,
        cutoff_distance=number_or_none(row.get(CUTOFF_DISTANCE_READER1)),
    )


def truth_of(job: Job, keep_name: str | None) -> tuple[data.PlantedFault, ...] | None:
    """What was planted on training photos, and how much of it left with this keep list (None: nothing left)."""
    if not is_synthetic(job):
        return None
    truth = TRUTH.read(job.study.truth_file)
    truth = truth[truth[VISIT_ID].isin(job.visits_of("train")[VISIT_ID]) & (truth[FAULT] != "none")]
    removed = _removed(job, keep_name)
    k = next((k for k, name in job.pruned_names().items() if name == keep_name), 0)
    control = job.control_names().get((k, RANDOM))
    at_random = None if control is None else _removed(job, control)
    rows = []
    for (is_shortcut, fault), photos in truth.groupby([IS_SHORTCUT, FAULT]):
        ids = set(photos[PHOTO_ID])
        name = f"{fault} (shortcut)" if is_shortcut else str(fault)
        drawn = None if at_random is None else len(ids & at_random)
        rows.append(data.PlantedFault(name, len(ids), len(ids & removed), drawn))
    return tuple(rows)


def _removed(job: Job, keep_name: str | None) -> set[str]:
    if keep_name is None:
        return set()
    keep = read_keep(job, keep_name)
    return set(keep.loc[~keep[KEPT], PHOTO_ID])
