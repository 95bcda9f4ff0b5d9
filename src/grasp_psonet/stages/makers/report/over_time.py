"""A number over the visits of test patients, and its parts, for the report: of the chosen run beside the readers."""

import numpy as np
import pandas as pd

from grasp_psonet.cohort.synthetic.pasi import SUB_SCORES
from grasp_psonet.evidence.parts import BETWEEN, ICC, QUADRATIC_KAPPA
from grasp_psonet.evidence.response import RESPONSES, courses_of
from grasp_psonet.report import data
from grasp_psonet.report.over_time import BesideReaders, Course, OverTime, PartAgreement
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.arms import READERS, estimate_of
from grasp_psonet.stages.makers.report.graded_visits import graded_visits
from grasp_psonet.stages.new_visits.conformal import ScoreInterval, score_interval_of
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import (
    METRIC,
    PART,
    PATIENT_ID,
    PREDICTED,
    READER,
    REGION,
    RUN,
    STUDY_DAY,
    VALUE,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.evaluation import PARTS, RESPONSE
from grasp_psonet.tables.schemas.runs import PREDICTIONS

PART_WORDS = {QUADRATIC_KAPPA: "quadratic kappa", ICC: "ICC"}


def over_time_of(job: Job, chosen: str, readers: tuple[str, ...]) -> OverTime | None:
    """What there is to say of the chosen run over visits and by part; None of an outcome that is no number."""
    if job.outcome.is_ordinal:
        return None
    response = RESPONSE.read(job.study.evaluation / "response.parquet")
    why_not = courses_of(job.visits_of("test")).why_not
    interval = score_interval_of(TrainedRun(job, chosen))
    courses = _courses(job, chosen, readers, interval)
    return OverTime(
        response=() if why_not else _response(response, chosen, readers, str(job.outcome.score_word)),
        why_no_response=why_not,
        courses=courses,
        coverage=interval.coverage,
        interval_points=interval.points,
        why_no_interval=interval.why_not,
        parts=_parts(PARTS.read(job.study.evaluation / "parts.parquet"), chosen, readers)
        if job.outcome.has_regions
        else (),
        part_names=SUB_SCORES if job.outcome.has_regions else (),
        graded=graded_visits(job, chosen),
        most_points=max(
            (value for course in courses for value in _drawn(course, interval.points is not None)), default=0.0
        ),
    )


def _drawn(course: Course, has_interval: bool) -> list[float]:
    """The points that a panel of this course shows."""
    read = [value for of_reader in course.read for value in of_reader if value is not None]
    return [*course.predicted, *(course.high if has_interval else ()), *read]


def _response(table: pd.DataFrame, chosen: str, readers: tuple[str, ...], score: str) -> tuple[BesideReaders, ...]:
    """Every figure; the rate of a reader is that of the visits where the run's figures hold."""
    words = {
        "change_mae": "Change from baseline: mean distance",
        "change_bias": "Change from baseline: mean difference",
    }
    for per_cent in RESPONSES:
        name = f"{score}-{per_cent}"
        words |= {
            f"response_{per_cent}_agreement": f"{name}: agreement",
            f"response_{per_cent}_kappa": f"{name}: Cohen's kappa",
            f"response_{per_cent}_rate": f"{name}: rate by the run (column Readers: by Reader 2)",
            f"response_{per_cent}_rate_reader": f"{name}: rate by the reader (column Readers: by Reader 1)",
        }
    return tuple(_beside(table, {METRIC: metric}, word, chosen, readers) for metric, word in words.items())


def _parts(table: pd.DataFrame, chosen: str, readers: tuple[str, ...]) -> tuple[PartAgreement, ...]:
    places = table[[REGION, PART]].drop_duplicates().itertuples(index=False, name=None)
    return tuple(
        PartAgreement(
            str(region),
            str(part),
            tuple(
                _beside(table, {REGION: region, PART: part, METRIC: metric}, word, chosen, readers)
                for metric, word in PART_WORDS.items()
            ),
        )
        for region, part in places
    )


def _beside(
    table: pd.DataFrame, place: dict[str, str], word: str, chosen: str, readers: tuple[str, ...]
) -> BesideReaders:
    of_run = tuple(estimate_of(table, VALUE, **(place | {RUN: chosen, READER: READERS[reader]})) for reader in readers)
    between: data.Estimate | None = None
    if "Reader 2" in readers:
        between = estimate_of(table, VALUE, **(place | {RUN: BETWEEN, READER: READERS["Reader 1"]}))
    return BesideReaders(place[METRIC], word, of_run, between)


def _courses(job: Job, chosen: str, readers: tuple[str, ...], interval: ScoreInterval) -> tuple[Course, ...]:
    """Of the first training of the run: test patients with visits on several days, those with most visits first."""
    visits = job.visits_of("test")
    dated = visits[visits[STUDY_DAY].notna()].sort_values([STUDY_DAY, VISIT_ID], kind="stable")
    predictions = PREDICTIONS.read(job.study.run(chosen) / "predictions.parquet").set_index(VISIT_ID)
    columns = [column for reader, column in zip(READERS, job.outcome.label_columns, strict=True) if reader in readers]
    found = []
    for _, own in dated.groupby(PATIENT_ID, sort=True):
        if own[STUDY_DAY].nunique() < 2:
            continue
        said = predictions.loc[own[VISIT_ID], PREDICTED].to_numpy(np.float64)
        low, high = interval.around(said, job.outcome.scale.score_range)
        read = tuple(tuple(None if pd.isna(value) else float(value) for value in own[column]) for column in columns)
        days = tuple(float(day) for day in own[STUDY_DAY])
        found.append(Course(str(own[VISIT_ID].iloc[0]), days, tuple(said), tuple(low), tuple(high), read))
    return tuple(sorted(found, key=lambda course: -len(course.days)))
