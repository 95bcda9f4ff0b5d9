"""The trained runs as the report shows them: figures, changes against the baseline, confusions and subgroups."""

from dataclasses import replace

import pandas as pd

from grasp_psonet.files import read_json
from grasp_psonet.pruning.overlap import most_possible
from grasp_psonet.report import data
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.prune import read_keep
from grasp_psonet.stages.makers.report.gallery import number_or_none
from grasp_psonet.stages.names import BASELINE, PROBE
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
)
from grasp_psonet.tables.out_of_fold import LEARNING

READERS = {"Reader 1": "reader1", "Reader 2": "reader2"}


def arms_of(
    job: Job, evaluation: dict[str, pd.DataFrame], readers: tuple[str, ...], num_rankings: int
) -> tuple[data.Arm, ...]:
    figures = _figures_of(evaluation, BASELINE, readers)
    arms = [data.Arm(BASELINE, "baseline", 0, 0, _val_auc(job, BASELINE), figures)]
    is_by_photo = job.settings.prune.remove == "photo"
    made = made_keep_lists(job)
    for k, name in job.pruned_names().items():
        for one in [one for one in made.retrained if one.k == k]:
            kind: data.Kind = "pruned" if not one.control else "random" if one.control == "random" else "loss"
            is_kept = read_keep(job, one.name)[KEPT]
            figures = _figures_of(evaluation, one.name, readers)
            arm = data.Arm(one.name, kind, k, int((~is_kept).sum()), _val_auc(job, one.name), figures)
            most = most_possible(k, num_rankings, len(is_kept)) if is_by_photo else None
            arms.append(replace(arm, most_possible=most))
        assert name in {arm.name for arm in arms} or name in {one.name for one in made.empty}
    return tuple(arms)


def probe_of(job: Job, evaluation: dict[str, pd.DataFrame], readers: tuple[str, ...]) -> data.Probe:
    """The linear probe as the results table shows it beside the networks."""
    auc = estimate_of(LEARNING.read(job.study.learning / "auc.parquet"), VALUE, **{RUN: PROBE, AGAINST: ""})
    return data.Probe(auc.value, _figures_of(evaluation, PROBE, readers))


def _figures_of(
    evaluation: dict[str, pd.DataFrame], name: str, readers: tuple[str, ...]
) -> tuple[data.ReaderFigures, ...]:
    """Kappa and AUC against each reader; of every run but the baseline also their changes."""
    figures = []
    for reader in readers:
        where = {RUN: name, READER: READERS[reader], GROUP: "all"}
        kappa, auc = (
            estimate_of(evaluation["figures"], VALUE, **{METRIC: metric}, **where) for metric in ("kappa", "auc")
        )
        if name == BASELINE:
            figures.append(data.ReaderFigures(kappa, auc))
            continue
        changes = (
            estimate_of(evaluation["differences"], DIFFERENCE, **{METRIC: metric}, **where)
            for metric in ("kappa", "auc")
        )
        figures.append(data.ReaderFigures(kappa, auc, *changes))
    return tuple(figures)


def _val_auc(job: Job, name: str) -> float | None:
    value: float | None = read_json(job.study.run(name) / "metrics.json")["val_auc"]
    return value


def estimate_of(table: pd.DataFrame, column: str, **where: str) -> data.Estimate:
    """The one row of an evaluation table as an estimate."""
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, f"{len(table)} rows for {where}"
    row = table.iloc[0]
    return data.Estimate(
        number_or_none(row[column]), number_or_none(row[LOW]), number_or_none(row[HIGH]), str(row[WHY_NOT])
    )


def confusion_of(table: pd.DataFrame, run: str, reader: str, num_classes: int) -> data.Confusion:
    rows = table[(table[RUN] == run) & (table[READER] == READERS[reader]) & (table[GROUP] == "all")]
    counts = rows[NUM_VISITS].to_numpy(dtype=int).reshape(num_classes, num_classes)
    return data.Confusion(run, reader, tuple(tuple(int(number) for number in row) for row in counts))


def subgroups_of(figures: pd.DataFrame, chosen: str, readers: tuple[str, ...]) -> tuple[data.Subgroup, ...]:
    found = []
    for reader in readers:
        rows = figures[(figures[READER] == READERS[reader]) & (figures[METRIC] == "auc")]
        for column, group in rows[[GROUP_COLUMN, GROUP]].drop_duplicates().itertuples(index=False, name=None):
            where = {READER: READERS[reader], METRIC: "auc", GROUP_COLUMN: column, GROUP: group}
            at = rows[(rows[GROUP_COLUMN] == column) & (rows[GROUP] == group) & (rows[RUN] == BASELINE)].iloc[0]
            found.append(
                data.Subgroup(
                    str(column),
                    str(group),
                    reader,
                    int(at[NUM_VISITS]),
                    int(at[NUM_PATIENTS]),
                    estimate_of(rows, "value", run=BASELINE, **where),
                    estimate_of(rows, "value", run=chosen, **where),
                )
            )
    return tuple(found)
