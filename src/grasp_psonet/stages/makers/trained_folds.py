"""Networks of the study in place of probes: one trained in every fold by the study's own recipe, the head alone or all of it.

A fifth of the patients that a fold learns from chooses the epoch, as validation does in training; no other part of a network
sees the visits that are held out. Folds that are done are kept: an interrupted stage goes on with the next one.
"""

import shutil
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.out_of_fold.folds import patient_folds
from grasp_psonet.out_of_fold.predict import PREDICTORS, Fold, ProbeInputs, folds_of, predicted_by_probe
from grasp_psonet.progress import track
from grasp_psonet.stages.declared.needs import TrainedFoldNeeds, TrainNeeds
from grasp_psonet.stages.run import RunInputs
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import LABEL, PREDICTED, SCORE, SPLIT, VISIT_ID
from grasp_psonet.training.fit import PlannedTraining, RunFolder, fit
from grasp_psonet.training.predict import predict_visits
from grasp_psonet.trajectory.machine import use_machine
from grasp_psonet.workers import Workers

_CHOOSING = 5  # parts of the learned patients, one of which chooses the epoch
_FOLDER = "folds"  # what is done so far; not left in the finished stage


@dataclass(frozen=True)
class TrainedFolds:
    """What every fold is trained from, and the folder of the stage where finished folds wait. ``workers`` train the folds."""

    folder: Path
    own: TrainedFoldNeeds
    study: Study
    cohort: Cohort
    workers: Workers

    def make(self, inputs: ProbeInputs) -> None:
        """Trains every fold that is not done; the bytes do not depend on the number of workers."""
        missing = [
            (fold, learned.visits[VISIT_ID].tolist(), held_out.visits[VISIT_ID].tolist())
            for fold, learned, held_out in folds_of(inputs, self.own.out_of_fold, self.own.seed)
            if not self._path(fold).exists()
        ]
        train = partial(_train_fold, self)
        if not self.workers.are_worth(len(missing)):
            for one in track(missing, "  training in folds", len(missing)):
                train(one)
            return
        for _ in track(self.workers.each(train, missing), "  training in folds", len(missing)):
            pass

    def train(self, fold: Fold, learned: list[str], held_out: list[str]) -> None:
        """Trains one fold's network and leaves its predictions; an interrupted training goes on after its last epoch."""
        inputs = self.inputs_of(fold, learned, held_out)
        network = inputs.start_network().to(use_machine(self.own.device, self.own.threads))
        path = self._path(fold)
        run = RunFolder(path.with_suffix(""))
        run.folder.mkdir(parents=True, exist_ok=True)
        planned = PlannedTraining(inputs.plan, inputs.source, inputs.bags("val"))
        fit(network, planned, inputs.settings.train, run, lambda done, total: None)
        told = predict_visits(network, inputs.bags("test"), inputs.pixels)
        beside = path.with_suffix(".partial")
        told.to_parquet(beside, index=False)
        beside.rename(path)
        shutil.rmtree(run.folder)

    def predict(self, learned: ProbeInputs, held_out: ProbeInputs, fold: Fold) -> pd.DataFrame:
        """What the network of this fold says of the visits that it did not see; their score, which it does not predict, is
        the probe's."""
        told = pd.read_parquet(self._path(fold)).set_index(VISIT_ID)
        columns = [LABEL, PREDICTED, *PREDICTORS[held_out.outcome.kind].columns(held_out.outcome)]
        table = told.loc[held_out.visits[VISIT_ID], columns].reset_index()
        if held_out.scores is not None:
            probe = predicted_by_probe(learned, held_out, self.own.seed)
            table = table.assign(**{SCORE: probe[SCORE].to_numpy()}) if SCORE in probe else table
        return table

    def close(self) -> None:
        """Deletes what waited for the last fold."""
        shutil.rmtree(self.folder / _FOLDER)

    def inputs_of(self, fold: Fold, learned: list[str], held_out: list[str]) -> RunInputs:
        """The fold as a run's inputs: most of the learned patients train, some choose the epoch, the held-out are its test."""
        visits = self.cohort.visits
        visits = visits[visits[VISIT_ID].isin([*learned, *held_out])].reset_index(drop=True)
        is_learned = visits[VISIT_ID].isin(learned).to_numpy(np.bool)
        split_V = np.where(is_learned, "train", "test").astype(object)
        known = ProbeInputs(visits[is_learned], np.zeros((int(is_learned.sum()), 0)), self.own.outcome)
        part_V = patient_folds(
            known.patient_ids, known.strata, _CHOOSING, "epoch of a fold", self.own.seed, fold.repeat, fold.number
        )
        split_V[np.flatnonzero(is_learned)[part_V == 0]] = "val"
        cohort = replace(self.cohort, visits=visits.assign(**{SPLIT: split_V}))
        return RunInputs(self.study, self.needs(fold), cohort)

    def needs(self, fold: Fold) -> TrainNeeds:
        """The study's own recipe; every repeat starts and is dealt by a seed of its own. A head alone reads features as they
        are unless the study keeps those of augmented photos."""
        own = TrainNeeds(**{field.name: getattr(self.own, field.name) for field in fields(TrainNeeds)})
        train = replace(own.train, anchor_every=own.train.epochs + 1)
        network = own.network
        if self.own.out_of_fold.model == "head" and not network.is_frozen:
            network = replace(network, train="head")
            train = replace(train, augmentation=AugmentationSettings(), probe_epochs=0)
        return replace(own, seed=own.seed + fold.repeat, network=network, train=train)

    def _path(self, fold: Fold) -> Path:
        return self.folder / _FOLDER / f"{fold.repeat}-{fold.number}.parquet"


def _train_fold(folds: TrainedFolds, one: tuple[Fold, list[str], list[str]]) -> None:
    folds.train(*one)
