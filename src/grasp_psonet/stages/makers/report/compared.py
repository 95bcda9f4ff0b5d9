"""The runs of the report beside each other: answers to test visits, what they were trained without, paired differences."""

from itertools import combinations

import pandas as pd

from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.report.compared import Compared, ComparedPair, ComparedRun
from grasp_psonet.report.data import Estimate
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.makers.report.arms import READERS, improvement_of, turned
from grasp_psonet.stages.makers.report.gallery import number_or_none
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import BASELINE_RUN, KEPT, METRIC, PHOTO_ID, PREDICTED, READER, RUN, SPLIT, VISIT_ID
from grasp_psonet.tables.schemas.evaluation import PAIRS
from grasp_psonet.tables.schemas.runs import PREDICTIONS


def compared_of(job: Job, names: tuple[str, ...], readers: tuple[str, ...]) -> Compared | None:
    """``names``: the runs, the baseline first. None where the evaluation was made before it compared runs in pairs."""
    file = job.study.evaluation / "pairs.parquet"
    if not file.exists():
        return None
    outcome, table = job.cohort.outcome, PAIRS.read(file)
    visits = job.visits_of("test")
    said = {name: _predicted(job, name, visits) for name in names}
    without = {name: _removed(job, name) for name in names}
    photo_ids = sorted(set().union(*without.values()))
    place = {photo_id: number for number, photo_id in enumerate(photo_ids)}
    pairs = tuple(
        ComparedPair(
            run=run,
            against=before,
            differences=tuple(_differences(job, table, run, before, READERS[reader]) for reader in readers),
            changed=sum(bool(outcome.differ(a, b)) for a, b in zip(said[before], said[run], strict=True)),
            only_run=len(without[run] - without[before]),
            only_against=len(without[before] - without[run]),
            both=len(without[run] & without[before]),
        )
        for before, run in combinations(names, 2)
    )
    columns = [column for reader, column in zip(READERS, outcome.label_columns, strict=True) if reader in readers]
    return Compared(
        visit_ids=tuple(visits[VISIT_ID]),
        labels=tuple(tuple(number_or_none(label) for label in visits[column]) for column in columns),
        photo_ids=tuple(photo_ids),
        runs=tuple(
            ComparedRun(name, said[name], tuple(sorted(place[photo_id] for photo_id in without[name])))
            for name in names
        ),
        pairs=pairs,
        apart=getattr(outcome, "noise_points", None),
    )


def _predicted(job: Job, name: str, visits: pd.DataFrame) -> tuple[float, ...]:
    table = PREDICTIONS.read(job.study.run(name) / "predictions.parquet")
    predicted = table[table[SPLIT] == "test"].set_index(VISIT_ID)[PREDICTED]
    return tuple(float(answer) for answer in predicted.loc[visits[VISIT_ID]])


def _removed(job: Job, name: str) -> set[str]:
    if name == BASELINE:
        return set()
    keep = read_keep(job, name)
    return set(keep.loc[~keep[KEPT], PHOTO_ID])


def _differences(job: Job, table: pd.DataFrame, run: str, before: str, reader: str) -> dict[str, Estimate]:
    """By metric; the table holds each pair once, one way or the other."""
    told = figures_of(job.outcome)
    is_this_way = bool(((table[RUN] == run) & (table[BASELINE_RUN] == before)).any())
    one, other = (run, before) if is_this_way else (before, run)
    where = {RUN: one, BASELINE_RUN: other, READER: reader}
    found = {name: improvement_of(table, told.metrics[name], **where, **{METRIC: name}) for name in told.shown}
    return found if is_this_way else {name: turned(difference) for name, difference in found.items()}
