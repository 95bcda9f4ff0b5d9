"""The paper's audit (section 3.4): a network of its own, trained on train and test, ranks visits read twice by self-influence.

It is never used for evaluation: nothing but the ranking is left of it.
"""

import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.audit.rankings import self_influence_rankings
from grasp_psonet.audit.sample import draw_doubly_read
from grasp_psonet.bags.bag import Bag
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.errors import EvidenceError
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.tracing.self_influence import self_influence
from grasp_psonet.progress import progress
from grasp_psonet.stages.declared.needs import PaperAuditNeeds, TrainNeeds
from grasp_psonet.stages.run import RunInputs
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import (
    KEPT,
    LABEL_READER1,
    LARGEST,
    OTHER_PHOTO_ID,
    PAPER_AUDIT,
    PATIENT_ID,
    PHOTO_ID,
    READERS_DISAGREE,
    SELF_INFLUENCE,
    SPLIT,
    STEP,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.audit import PAPER_AUDIT_VISITS, SELF_INFLUENCES
from grasp_psonet.tables.schemas.runs import STEPS
from grasp_psonet.training.fit import PlannedTraining, RunFolder, fit
from grasp_psonet.training.predict import bags_of_photos
from grasp_psonet.trajectory.any_loop.recording import read_trajectory
from grasp_psonet.trajectory.law import read_law
from grasp_psonet.trajectory.machine import use_machine
from grasp_psonet.trajectory.records import STEPS_FILE
from grasp_psonet.trajectory.trained_network import TrainedNetwork

MOST_VISITS = 100  # the paper draws as many of its 342 visits read twice
VISITS_FILE = "visits.parquet"
_RUN = "run"  # the training, while the stage is made


def make_paper_audit(folder: Path, own: PaperAuditNeeds, study: Study, cohort: Cohort) -> None:
    """Trains on train and test together and leaves the drawn visits with their largest self-influence in the folder.

    Validation chooses the epoch, as for every run. Raises EvidenceError where no visit of train and test was read twice.
    """
    inputs = RunInputs(study, _of_run(own), trained_on_test_too(cohort))
    drawn = drawn_visits(inputs.cohort, own.seed)
    trained = _trained(folder / _RUN, own, inputs)
    visits = {name: list(bags_of_photos([inputs.training_bags[name]])) for name in drawn[VISIT_ID]}
    shown = progress("  self-influence of the paper's audit").advance
    matrices = self_influence(trained, visits, inputs.pixels, FORMULAS[own.audit.formula], shown)
    diagonals = pd.concat([_diagonal(name, visits[name], matrix) for name, matrix in matrices.items()])
    SELF_INFLUENCES.write(diagonals.reset_index(drop=True), folder / "self_influence.parquet")
    ranked = self_influence_rankings(diagonals).rename(columns={LARGEST: PAPER_AUDIT})
    table = _readings(drawn, cohort.outcome).merge(ranked[[VISIT_ID, PAPER_AUDIT]], on=VISIT_ID, validate="1:1")
    PAPER_AUDIT_VISITS.write(table, folder / VISITS_FILE)
    shutil.rmtree(folder / _RUN)


def trained_on_test_too(cohort: Cohort) -> Cohort:
    """The cohort with its test split trained on."""
    visits = cohort.visits
    return replace(cohort, visits=visits.assign(**{SPLIT: visits[SPLIT].replace("test", "train")}))


def drawn_visits(cohort: Cohort, seed: int) -> pd.DataFrame:
    """Visits of the train split read twice, ``MOST_VISITS`` of them or all, agreeing and disagreeing in proportion."""
    visits = cohort.visits[cohort.visits[SPLIT] == "train"]
    num_twice = int(cohort.outcome.readers_disagree(visits).notna().sum())
    if num_twice == 0:
        raise EvidenceError(
            "audit.model is paper: no visit of train and test was read by a second reader\n  next: audit.model run"
        )
    return draw_doubly_read(visits, cohort.outcome, min(MOST_VISITS, num_twice), seed)


def _of_run(own: PaperAuditNeeds) -> TrainNeeds:
    return TrainNeeds(**{field.name: getattr(own, field.name) for field in fields(TrainNeeds)})


def _trained(folder: Path, own: PaperAuditNeeds, inputs: RunInputs) -> TrainedNetwork:
    """The network of the paper's audit with its trajectory; an interrupted training goes on after its last epoch."""
    network = inputs.start_network().to(use_machine(own.device, own.threads))
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    planned = PlannedTraining(inputs.plan, inputs.source, inputs.bags("val"))
    epochs = fit(network, planned, own.train, run, progress("  network of the paper's audit").advance)
    records = [STEPS.read(path) for path in sorted(run.records.glob("*.parquet"))]
    STEPS.write(pd.concat(records, ignore_index=True), folder / STEPS_FILE)
    kept_step = int(epochs.loc[epochs[KEPT], STEP].iloc[0])
    return TrainedNetwork(network, read_trajectory(folder, read_law(folder), kept_step))


def _diagonal(visit_id: str, photos: Sequence[Bag], matrix: np.ndarray) -> pd.DataFrame:
    own = np.diagonal(matrix) if matrix.ndim == 2 else matrix
    names = [photo.photo_ids[0] for photo in photos]
    return pd.DataFrame({VISIT_ID: visit_id, PHOTO_ID: names, OTHER_PHOTO_ID: names, SELF_INFLUENCE: own})


def _readings(drawn: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    columns = {outcome.label_column: LABEL_READER1}
    table = drawn[[VISIT_ID, PATIENT_ID, outcome.label_column]].rename(columns=columns)
    return table.assign(**{READERS_DISAGREE: outcome.readers_disagree(drawn)}).reset_index(drop=True)
