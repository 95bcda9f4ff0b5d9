"""Reader against reader: the ceiling for any model trained on one of them."""

from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.groups import groups_of
from grasp_psonet.evidence.intervals import figure, resample_patients
from grasp_psonet.evidence.metrics import FIGURES, Answers
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
from grasp_psonet.tables.evaluation import AGREEMENT


def reader_agreement(visits: pd.DataFrame, outcome: Outcome, settings: EvaluateSettings, seed: int) -> pd.DataFrame:
    """Reader 2 against Reader 1 (of classes: linear kappa and agreement rate), per split ("all" included) and group.

    One row per (split, group, metric), with patient-clustered intervals and the number of visits on which they
    disagree. Visits read once are left out and counted. The same groups as in the evaluation of runs.
    """
    rows: list[dict[str, object]] = []
    for split in ("all", "train", "val", "test"):
        within = (visits if split == "all" else visits.loc[visits[SPLIT] == split]).reset_index(drop=True)
        for column, group, is_member in groups_of(within, settings.subgroups):
            disagree = outcome.readers_disagree(within.loc[is_member]).dropna()
            twice = within.loc[disagree.index]
            resamples = resample_patients(
                twice[PATIENT_ID].tolist(), settings.replicates, seed, split, "agreement", column, group
            )
            answers = answers_between(twice, outcome)
            common = {
                SPLIT: split,
                GROUP_COLUMN: column,
                GROUP: group,
                NUM_DISAGREEMENTS: int(disagree.sum()),
                NUM_LEFT_OUT: int(is_member.sum()) - len(twice),
            }
            why_not = "both readers gave one and the same class to all" if len(twice) else "no visit was read twice"
            for name, metric in FIGURES[outcome.kind].between_readers.items():
                statistic = partial(FIGURES[outcome.kind].metrics[metric], answers)
                found = figure(statistic, resamples, settings.confidence, why_not)
                rows.append(common | {METRIC: name} | asdict(found))
    return pd.DataFrame(rows, columns=AGREEMENT.names)


def answers_between(twice: pd.DataFrame, outcome: Outcome) -> Answers:
    """Reader 2 in the place of a model, against Reader 1; a reader gives a class, so its probabilities are 0 and 1."""
    reader1, reader2 = (twice[column].to_numpy(np.int64) for column in outcome.class_columns)
    return Answers(np.eye(len(outcome.classes))[reader2], reader2, reader1)
