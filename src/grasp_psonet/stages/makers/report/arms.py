"""The trained runs as the report shows them: figures, changes against the baseline, confusions and subgroups."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.reported import Figures, Metric
from grasp_psonet.files import read_json
from grasp_psonet.pruning.overlap import most_possible
from grasp_psonet.report import data
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.makers.report.gallery import number_or_none
from grasp_psonet.stages.names import BASELINE, PROBE, Training
from grasp_psonet.tables.columns import (
    AGAINST,
    DIFFERENCE,
    GROUP,
    GROUP_COLUMN,
    HIGH,
    KEPT,
    LOW,
    METRIC,
    NUM_PATIENTS,
    NUM_VISITS,
    READER,
    RUN,
    VALUE,
    WHY_NOT,
    val_column,
)
from grasp_psonet.tables.schemas.out_of_fold import LEARNING

READERS = {"Reader 1": "reader1", "Reader 2": "reader2"}


def arms_of(
    job: Job, evaluation: dict[str, pd.DataFrame], readers: tuple[str, ...], num_rankings: int
) -> tuple[data.Arm, ...]:
    told = figures_of(job.outcome)
    figures = _of_readers(evaluation, BASELINE, readers, told)
    arms = [data.Arm(BASELINE, "baseline", 0, 0, _val(job, BASELINE), figures)]
    is_by_photo = job.settings.prune.remove == "photo"
    made = made_keep_lists(job)
    count_of = {one.name: int(one.k) for one in made.lists}
    for k, name in job.pruned_names().items():
        count, fraction = count_of[name], k if isinstance(k, float) else None
        for one in [one for one in made.retrained if one.pruning == name]:
            kind: data.Kind = one.control or "pruned"
            is_kept = read_keep(job, one.name)[KEPT]
            figures = _of_readers(evaluation, one.name, readers, told)
            arm = data.Arm(one.name, kind, count, int((~is_kept).sum()), _val(job, one.name), figures)
            most = most_possible(count, num_rankings, len(is_kept)) if is_by_photo else None
            arms.append(replace(arm, most_possible=most, fraction=fraction, named=k if isinstance(k, str) else ""))
        assert name in {arm.name for arm in arms} or name in {one.name for one in made.empty}
    return tuple(arms)


def probe_of(job: Job, evaluation: dict[str, pd.DataFrame], readers: tuple[str, ...], told: Figures) -> data.Probe:
    """The linear probe as the results table shows it beside the networks."""
    val = estimate_of(LEARNING.read(job.study.learning / "figure.parquet"), VALUE, **{RUN: PROBE, AGAINST: ""})
    return data.Probe(val.value, _of_readers(evaluation, PROBE, readers, told))


def _of_readers(
    evaluation: dict[str, pd.DataFrame], name: str, readers: tuple[str, ...], told: Figures
) -> tuple[data.ReaderFigures, ...]:
    """The figures on the page against each reader; of every run but the baseline also their changes."""
    found = []
    for reader in readers:
        where = {RUN: name, READER: READERS[reader], GROUP: "all"}
        figures = {
            metric: estimate_of(evaluation["figures"], VALUE, **{METRIC: metric}, **where) for metric in told.shown
        }
        changes = {
            metric: improvement_of(evaluation["differences"], told.metrics[metric], **{METRIC: metric}, **where)
            for metric in (() if name == BASELINE else told.shown)
        }
        found.append(data.ReaderFigures(figures, changes))
    return tuple(found)


def _val(job: Job, name: str) -> float | None:
    """The figure that chooses on validation, its mean over training seeds; None where it does not exist of one."""
    column = val_column(figures_of(job.outcome).choosing)
    runs = [Training(name, number).name for number in range(job.settings.evaluate.training_seeds)]
    values: list[float | None] = [read_json(job.study.run(run) / "metrics.json")[column] for run in runs]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def improvement_of(differences: pd.DataFrame, of: Metric, **where: str) -> data.Estimate:
    """The one row of a table of differences, turned so that positive is better."""
    found = estimate_of(differences, DIFFERENCE, **where)
    return found if of.sign == 1 else turned(found)


def turned(difference: data.Estimate) -> data.Estimate:
    """The difference seen from the other side."""
    value, low, high = (None if end is None else -end for end in (difference.value, difference.high, difference.low))
    return replace(difference, value=value, low=low, high=high)


def estimate_of(table: pd.DataFrame, column: str, **where: str) -> data.Estimate:
    """The one row of an evaluation table as an estimate."""
    is_it = np.logical_and.reduce([(table[name] == value).to_numpy(dtype=bool) for name, value in where.items()])
    assert is_it.sum() == 1, f"{is_it.sum()} rows for {where}"
    row = table.iloc[int(is_it.argmax())]
    return data.Estimate(
        number_or_none(row[column]), number_or_none(row[LOW]), number_or_none(row[HIGH]), str(row[WHY_NOT])
    )


def confusion_of(table: pd.DataFrame, run: str, reader: str) -> data.Confusion:
    rows = table[(table[RUN] == run) & (table[READER] == READERS[reader]) & (table[GROUP] == "all")]
    num_classes = math.isqrt(len(rows))
    counts = rows[NUM_VISITS].to_numpy(dtype=int).reshape(num_classes, num_classes)
    return data.Confusion(run, reader, tuple(tuple(int(number) for number in row) for row in counts))


def subgroups_of(
    figures: pd.DataFrame, chosen: str, readers: tuple[str, ...], told: Figures
) -> tuple[data.Subgroup, ...]:
    """The figure that chooses of the baseline and the chosen run in every group, against each reader.

    Where one of the two has no interval of it, both have the figure for small groups.
    """
    found = []
    for reader in readers:
        rows = figures[figures[READER] == READERS[reader]]
        for column, group in rows[[GROUP_COLUMN, GROUP]].drop_duplicates().itertuples(index=False, name=None):
            of_group = rows[(rows[GROUP_COLUMN] == column) & (rows[GROUP] == group)]
            metric, pair = _figure_of_group(of_group, chosen, told)
            at = of_group[of_group[RUN] == BASELINE].iloc[0]
            visits, patients = int(at[NUM_VISITS]), int(at[NUM_PATIENTS])
            found.append(data.Subgroup(str(column), str(group), reader, visits, patients, metric, *pair))
    return tuple(found)


def _figure_of_group(
    of_group: pd.DataFrame, chosen: str, told: Figures
) -> tuple[str, tuple[data.Estimate, data.Estimate]]:
    """The metric that a group is shown by, and its estimates of the baseline and the chosen run."""

    def pair_of(metric: str) -> tuple[data.Estimate, data.Estimate]:
        base, other = (estimate_of(of_group, VALUE, **{RUN: run, METRIC: metric}) for run in (BASELINE, chosen))
        return base, other

    pair = pair_of(told.choosing)
    if told.for_small_groups and any(estimate.low is None for estimate in pair):
        return told.for_small_groups, pair_of(told.for_small_groups)
    return told.choosing, pair
