"""Reader against reader: the ceiling for any model trained on one of them."""

from dataclasses import asdict
from functools import partial

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.groups import groups_of
from grasp_psonet.evidence.intervals import figure, resample_patients
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import (
    GROUP,
    GROUP_COLUMN,
    METRIC,
    NUM_DISAGREEMENTS,
    NUM_LEFT_OUT,
    PATIENT_ID,
    SPLIT,
)
from grasp_psonet.tables.schemas.evaluation import AGREEMENT


def reader_agreement(visits: pd.DataFrame, outcome: Outcome, settings: EvaluateSettings, seed: int) -> pd.DataFrame:
    """Reader 2 against Reader 1 (of classes: linear kappa and agreement rate), per split ("all" included) and group.

    One row per (split, group, metric), with patient-clustered intervals and the number of visits on which they
    disagree. Visits read once are left out and counted. The same groups as in the evaluation of runs.
    """
    reported = figures_of(outcome)
    rows: list[dict[str, object]] = []
    for split in ("all", "train", "val", "test"):
        within = (visits if split == "all" else visits.loc[visits[SPLIT] == split]).reset_index(drop=True)
        for column, group, is_member in groups_of(within, settings.subgroups):
            disagree = outcome.readers_disagree(within.loc[is_member]).dropna()
            twice = within.loc[disagree.index]
            resamples = resample_patients(
                twice[PATIENT_ID].tolist(), settings.replicates, seed, split, "agreement", column, group
            )
            first, second = (twice[column] for column in outcome.label_columns)
            answers = reported.between(outcome, second, first)
            common = {
                SPLIT: split,
                GROUP_COLUMN: column,
                GROUP: group,
                NUM_DISAGREEMENTS: int(disagree.sum()),
                NUM_LEFT_OUT: int(is_member.sum()) - len(twice),
            }
            why_not = reported.why_not_between if len(twice) else "no visit was read twice"
            for name, metric in reported.between_readers.items():
                statistic = partial(reported.metrics[metric].value, answers)
                found = figure(statistic, resamples, settings.interval_rule, why_not)
                rows.append(common | {METRIC: name} | asdict(found))
    return pd.DataFrame(rows, columns=AGREEMENT.names)
