"""Every run beside every other: paired differences on all test visits."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from itertools import combinations

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.evidence.evaluate import TESTED, OfSeeds, aligned_to, answers_of, why_no_figure
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.intervals import estimate_of, replicated, resample_patients
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import (
    BASELINE_RUN,
    DIFFERENCE,
    GROUP,
    GROUP_COLUMN,
    METRIC,
    NUM_LEFT_OUT,
    PATIENT_ID,
    READER,
    RUN,
    SPLIT,
    VALUE,
)
from grasp_psonet.tables.schemas.evaluation import PAIRS


def differences_of_pairs(
    predictions: Mapping[str, OfSeeds], visits: pd.DataFrame, outcome: Outcome, settings: EvaluateSettings, seed: int
) -> pd.DataFrame:
    """``PAIRS``: each run minus each that stands before it, in the figures of the page, against both readers, all visits.

    The replicates are those of ``evaluate_runs``, so that pairs with the baseline repeat its differences. Raises EvidenceError.
    """
    visits = visits.loc[visits[SPLIT] == TESTED].reset_index(drop=True)
    aligned = {run: aligned_to(visits, tables, run) for run, tables in predictions.items()}
    told, rows = figures_of(outcome), []
    for reader, column in zip(READERS, outcome.label_columns, strict=True):
        is_read = visits[column].notna()
        label_V, patients = visits.loc[is_read, column], visits.loc[is_read, PATIENT_ID].tolist()
        resamples = resample_patients(patients, settings.replicates, seed, TESTED, reader, "all", "all")
        answers = {
            run: [answers_of(table.loc[is_read], label_V, outcome) for table in of_seed]
            for run, of_seed in aligned.items()
        }
        place = {READER: reader, GROUP_COLUMN: "all", GROUP: "all", NUM_LEFT_OUT: int((~is_read).sum())}
        for name in told.shown:
            value = told.metrics[name].value
            found = {run: replicated([partial(value, one) for one in of], resamples) for run, of in answers.items()}
            for before, run in combinations(found, 2):
                why_not = why_no_figure(outcome, name, answers[run][0], reader)
                paired = asdict(estimate_of(found[run] - found[before], resamples, settings.interval_rule, why_not))
                difference = {DIFFERENCE: paired.pop(VALUE)} | paired
                rows.append(place | {RUN: run, BASELINE_RUN: before, METRIC: name} | difference)
    return pd.DataFrame(rows, columns=PAIRS.names)
