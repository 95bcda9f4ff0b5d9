"""The detailed figures of an outcome as the report shows them: beside the readers themselves, and their differences."""

import pandas as pd

from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.report import data
from grasp_psonet.report.detailed import Detail, DetailedFigure, Differences
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.arms import READERS, estimate_of
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import (
    DIFFERENCE,
    GROUP,
    METRIC,
    PREDICTED,
    READER,
    RUN,
    SPLIT,
    VALUE,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.evaluation import BESIDE_READERS
from grasp_psonet.tables.schemas.runs import PREDICTIONS


def detail_of(job: Job, evaluation: dict[str, pd.DataFrame], chosen: str, readers: tuple[str, ...]) -> Detail | None:
    """The detailed figures of the baseline and the chosen run; None of an outcome that has none."""
    told = figures_of(job.outcome)
    if not told.detailed:
        return None
    beside = BESIDE_READERS.read(job.study.evaluation / "beside_readers.parquet")
    is_twice = "Reader 2" in readers
    name_between = {metric: name for name, metric in told.between_readers.items()}
    figures = []
    for metric in told.detailed:
        of_runs = [
            tuple(_of_run(evaluation["figures"], run, reader, metric) for reader in readers)
            for run in (BASELINE, chosen)
        ]
        name = name_between.get(metric)
        between: data.Estimate | None = None
        excess: tuple[data.Estimate, ...] = ()
        if is_twice and name is not None:
            between = estimate_of(evaluation["agreement"], VALUE, **{SPLIT: "test", GROUP: "all", METRIC: name})
            excess = tuple(
                estimate_of(beside, DIFFERENCE, **{RUN: chosen, READER: READERS[reader], GROUP: "all", METRIC: name})
                for reader in readers
            )
        full = told.metrics[metric].full
        word = full[:1].upper() + full[1:]
        figures.append(DetailedFigure(metric, word, of_runs[0], of_runs[1], between, excess))
    return Detail(tuple(figures), _differences(job, evaluation["figures"], chosen, readers))


def _differences(job: Job, figures: pd.DataFrame, chosen: str, readers: tuple[str, ...]) -> tuple[Differences, ...]:
    """Of the first training of the chosen run, against each reader."""
    visits = job.visits_of("test").set_index(VISIT_ID)
    predictions = PREDICTIONS.read(job.study.run(chosen) / "predictions.parquet").set_index(VISIT_ID)
    found = []
    for reader, column in zip(READERS, job.outcome.label_columns, strict=True):
        if reader not in readers:
            continue
        read = visits[column].dropna().astype("float64")
        predicted = predictions.loc[read.index, PREDICTED].astype("float64")
        bias, low, high = (_of_run(figures, chosen, reader, metric) for metric in ("bias", "limit_low", "limit_high"))
        mean, difference = (predicted + read) / 2, predicted - read
        found.append(Differences(reader, len(read), tuple(mean), tuple(difference), bias, low, high))
    return tuple(found)


def _of_run(figures: pd.DataFrame, run: str, reader: str, metric: str) -> data.Estimate:
    return estimate_of(figures, VALUE, **{RUN: run, READER: READERS[reader], GROUP: "all", METRIC: metric})
