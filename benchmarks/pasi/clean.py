"""A cohort without a shortcut: networks by region, of the total and of the classes, trained on the same visits."""

# Axes: V visits.

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks.pasi.ground import CLASSES, REGIONAL, TOTAL, WIDE, Ground, Tree
from grasp_psonet.chance import generator
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.makers.train import make_run
from grasp_psonet.stages.names import Training
from grasp_psonet.tables.schemas.runs import PREDICTIONS


@dataclass(frozen=True)
class Arm:
    """What is trained: outcome, settings beside those of the preset small, and the part of the training patients."""

    severity: Tree
    settings: Tree
    part: float = 1.0


ARMS: Mapping[str, Arm] = {
    "regional": Arm(REGIONAL, WIDE),
    "total": Arm(TOTAL, {}),
    "classes": Arm(CLASSES, {}),
    "regional, head of the others": Arm(REGIONAL, {}),
    "regional, half": Arm(REGIONAL, WIDE, 0.5),
    "regional, quarter": Arm(REGIONAL, WIDE, 0.25),
}
_BY_CLASS = ("p_at_least_1", "p_at_least_2")
_LABELS = {"pasi_reader1": "reader1", "pasi_reader2": "reader2", "pasi_true": "truth"}


def answers(ground: Ground) -> pd.DataFrame:
    """What every arm says of every test visit: seed, arm, num_train, visit_id, patient_id, study_day, the scores of both
    readers and the truth, ``predicted`` (a score, of the arm classes a class), p_at_least_1 and _2 (of classes alone)."""
    job = ground.make(REGIONAL)
    truth = pd.read_parquet(job.study.truth_file.with_name("truth_visits.parquet"))
    visits = job.cohort.visits.merge(truth[["visit_id", "pasi_true"]], on="visit_id").rename(columns=_LABELS)
    known = visits.set_index("visit_id")[["patient_id", "study_day", *_LABELS.values()]]
    return pd.concat([_answers(ground, name, arm, known) for name, arm in ARMS.items()], ignore_index=True)


def _answers(ground: Ground, name: str, arm: Arm, known: pd.DataFrame) -> pd.DataFrame:
    job = ground.job(arm.severity, arm.settings)
    visits = job.cohort.visits
    visits = visits[is_kept(visits, arm.part, ground.seed)].reset_index(drop=True)
    folder = ground.folder / "trained"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    cohort = replace(job.cohort, visits=visits)
    make_run(folder, needs_of(TrainNeeds, job.settings), job.study, cohort, None, Training("other"))
    told = _of_test(folder)
    if "p_severe" in told:
        severe = told["p_severe"]
        told = told.assign(p_at_least_1=told["p_moderate"] + severe, p_at_least_2=severe)
    else:
        told = told.assign(**dict.fromkeys(_BY_CLASS, float("nan")))
    told = told[["visit_id", "predicted", *_BY_CLASS]].astype({"predicted": "float64"}).join(known, on="visit_id")
    return told.assign(seed=ground.seed, arm=name, num_train=int((visits["split"] == "train").sum()))


def is_kept(visits: pd.DataFrame, part: float, seed: int) -> "pd.Series[bool]":
    """All visits but those of training patients beyond the part; a smaller part lies within a larger one."""
    is_trained = visits["split"] == "train"
    patients = sorted(visits.loc[is_trained, "patient_id"].unique())
    order = generator("benchmark part of the patients", seed).permutation(patients)
    return ~is_trained | visits["patient_id"].isin(order[: round(part * len(order))])


def _of_test(run: Path) -> pd.DataFrame:
    predictions = PREDICTIONS.read(run / "predictions.parquet")
    return predictions[predictions["split"] == "test"].reset_index(drop=True)
