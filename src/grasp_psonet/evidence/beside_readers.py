"""Runs beside the readers themselves: how far a run is from a reader, and how far the other reader is, on the same visits."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from itertools import product
from typing import Any

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.evidence.evaluate import OfSeeds, aligned_to, answers_of
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.groups import groups_of
from grasp_psonet.evidence.intervals import Replicated, Resamples, estimate_of, replicated, resample_patients
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import (
    BETWEEN_READERS,
    DIFFERENCE,
    GROUP,
    GROUP_COLUMN,
    METRIC,
    PATIENT_ID,
    READER,
    RUN,
    RUN_VALUE,
    SPLIT,
    VALUE,
)
from grasp_psonet.tables.schemas.evaluation import BESIDE_READERS


def beside_readers(
    predictions: Mapping[str, OfSeeds],
    visits: pd.DataFrame,
    outcome: Outcome,
    settings: EvaluateSettings,
    seed: int,
    split: str = "test",
) -> pd.DataFrame:
    """What every run is from each reader, less what the other reader is from that reader, on the visits that both read.

    One row per (run, reader, group, figure that is stated of readers): the run's figure, the readers', and the paired
    difference with its interval over patients; of MAE it is the run's excess. A run of several training seeds has the mean of
    their figures. Where no visit of a group was read twice, values are missing with the reason. Raises EvidenceError on gaps
    and repeats in the predictions.
    """
    visits = visits.loc[visits[SPLIT] == split].reset_index(drop=True)
    rows: list[dict[str, object]] = []
    if visits.empty:
        return pd.DataFrame(rows, columns=BESIDE_READERS.names)
    aligned = {run: aligned_to(visits, tables, run) for run, tables in predictions.items()}
    is_twice = visits[list(outcome.label_columns)].notna().all(axis=1)
    told = figures_of(outcome)
    for (column, group, is_member), number in product(groups_of(visits, settings.subgroups), (0, 1)):
        is_read = is_member & is_twice
        read, reader = visits.loc[is_read], READERS[number]
        resamples = resample_patients(
            read[PATIENT_ID].tolist(), settings.replicates, seed, split, "beside readers", column, group
        )
        own, other = (read[outcome.label_columns[one]] for one in (number, 1 - number))
        why_not = told.why_not_between if len(read) else "no visit of this group was read twice"
        for name, metric_name in told.between_readers.items():
            value = told.metrics[metric_name].value
            between = replicated([partial(value, told.between(outcome, other, own))], resamples)
            for run, of_seed in aligned.items():
                answers = [answers_of(table.loc[is_read], own, outcome) for table in of_seed]
                found = replicated([partial(value, one) for one in answers], resamples)
                place = {RUN: run, READER: reader, GROUP_COLUMN: column, GROUP: group, METRIC: name}
                rows.append(place | _compared(found, between, resamples, settings, why_not))
    return pd.DataFrame(rows, columns=BESIDE_READERS.names)


def _compared(
    found: Replicated, between: Replicated, resamples: Resamples, settings: EvaluateSettings, why_not: str
) -> dict[str, Any]:
    estimate: dict[str, Any] = asdict(estimate_of(found - between, resamples, settings.interval_rule, why_not))
    difference = estimate.pop(VALUE)
    return {RUN_VALUE: found.value, BETWEEN_READERS: between.value, DIFFERENCE: difference} | estimate
