"""A head on frozen features beside a linear probe, over splits of the patients of one study, for several learning rates.

    make bench-head STUDY=folder       a study whose features stand (`grasp features`); skipped, and said so, without one

Every split deals the patients anew to training, validation and test. The head is trained by the study's own settings but for
the rate; its epoch is chosen on validation, and both are compared on test by the figure that chooses (of classes: micro AUC).
Visits that a rate is chosen on flatter it.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.record import write_result
from grasp_psonet.bags.bag import Bag, make_bags
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.evidence.evaluate import figure_of_split
from grasp_psonet.features.extract import read_card
from grasp_psonet.features.store import open_features
from grasp_psonet.network.network import build_network_on_features
from grasp_psonet.out_of_fold.folds import patient_folds
from grasp_psonet.out_of_fold.predict import ProbeInputs, predicted_by_probe
from grasp_psonet.settings import load
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import VISIT_ID
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import trained_weights_of
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps

_FOLDS = 4  # one for test, one for validation, the others train


@dataclass(frozen=True)
class Parts:
    """Which visits train, choose the epoch, and are tested."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def splits(inputs: ProbeInputs, number: int) -> Iterator[Parts]:
    """Two splits of each dealing of the patients, which test on other visits."""
    for n in range(number):
        fold_V = patient_folds(inputs.patient_ids, inputs.strata, _FOLDS, "frozen head", n // 2)
        test, val = fold_V == n % 2, fold_V == n % 2 + 1
        yield Parts(~test & ~val, val, test)


def probe_figure(inputs: ProbeInputs, parts: Parts) -> float:
    """The probe's figure on test."""
    found = predicted_by_probe(inputs.rows(parts.train), inputs.rows(parts.test), 0)
    return _figure(found, inputs)


def head_figure(job: Job, inputs: ProbeInputs, parts: Parts, lr: float, seed: int) -> float:
    """The figure on test of the head at its best epoch on validation."""
    store, train, network = open_features(job.study.features), job.settings.train, job.settings.network
    bags = {name: _bags(inputs, getattr(parts, name), store.index) for name in ("train", "val", "test")}
    source = BatchSource(bags["train"], store, train.augmentation, seed)
    strata = {visit_id: job.outcome.stratum_of(label) for visit_id, label in source.labels.items()}
    plan = batch_plan(strata, train.epochs, train.visits_per_step, train.sampling, seed)
    head = build_network_on_features(read_card(job.study.features), network, seed, job.outcome)
    law = AdamLaw.of(replace(train.optimizer, lr=lr))
    by_epoch = []
    for step in recorded_steps(head, plan, source, law, AdamState.at_start(trained_weights_of(head))):
        if step.ends_epoch:
            told = {name: predict_bags(head, bags[name].values(), store)[0] for name in ("val", "test")}
            by_epoch.append((_figure(told["val"], inputs), _figure(told["test"], inputs)))
    return max(by_epoch, key=lambda both: both[0])[1]


def _bags(inputs: ProbeInputs, chosen: np.ndarray, index: pd.DataFrame) -> dict[str, Bag]:
    visits = inputs.visits[chosen]
    return make_bags(visits, index[index[VISIT_ID].isin(visits[VISIT_ID])], inputs.outcome.label_column)


def _figure(predictions: pd.DataFrame, inputs: ProbeInputs) -> float:
    value = figure_of_split(predictions.assign(split="val"), inputs.outcome)
    return float("-inf") if value is None else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?", help="the study folder")
    parser.add_argument("--lr", type=float, nargs="+", default=[1e-4, 1e-3])
    parser.add_argument("--splits", type=int, default=6)
    chosen = parser.parse_args()
    if chosen.study is None:
        print("skipped: no study was given (make bench-head STUDY=folder)", file=sys.stderr)
        return
    torch.set_num_threads(1)
    job = Job(Study(chosen.study), load(chosen.study / "study.yaml"))
    visits = job.cohort.visits
    inputs = ProbeInputs(visits, open_features(job.study.features).means(visits[VISIT_ID].tolist()), job.outcome)
    all_parts = list(splits(inputs, chosen.splits))
    probe = np.array([probe_figure(inputs, parts) for parts in all_parts])
    figures: dict[str, object] = {"visits": len(visits), "splits": chosen.splits, "probe": _mean(probe)}
    for lr in chosen.lr:
        head = np.array([head_figure(job, inputs, parts, lr, seed) for seed, parts in enumerate(all_parts)])
        figures[f"head_lr_{lr:g}"] = _mean(head)
        figures[f"head_lr_{lr:g}_minus_probe"] = [round(float(gain), 4) for gain in head - probe]
    write_result("frozen-head", figures)


def _mean(values: np.ndarray) -> float:
    return round(float(values.mean()), 4)


if __name__ == "__main__":
    main()
