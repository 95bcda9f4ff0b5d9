"""A head on frozen features, and fine-tuning from there, beside a linear probe: one study, several training seeds.

    make bench-head STUDY=folder       a study whose features stand (`grasp features`); skipped, and said so, without one

The study's own splits and settings are used: a head is trained on the train split with the encoder frozen, its epoch is chosen
on validation, and it is compared on test by the figure that chooses (of classes: micro AUC) with the probe of the same
training visits. `--fine-tune N` goes on from there: the head's epochs as a probe phase, then N in which the encoder moves too.
Test patients must have taken no part in choosing settings, or they flatter them.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.record import write_result
from grasp_psonet.evidence.evaluate import figure_of_split
from grasp_psonet.features.store import open_features
from grasp_psonet.out_of_fold.predict import ProbeInputs, predicted_by_probe
from grasp_psonet.settings import load
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.run import RunInputs
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import KEPT, PATIENT_ID, SPLIT, VISIT_ID
from grasp_psonet.training.fit import EpochChoice, PlannedTraining, RunFolder, fit
from grasp_psonet.training.predict import predict_visits
from grasp_psonet.trajectory.anchors import anchor_path, load_weights, read_anchor
from grasp_psonet.trajectory.machine import use_machine

_REPLICATES = 1000


@dataclass(frozen=True)
class Compared:
    """Test predictions of one way of training, seed by seed, on the same visits in the same order; and those of the epoch
    that is best on validation, whichever epoch the settings keep."""

    of_seed: Sequence[pd.DataFrame]
    kept_epochs: Sequence[int]
    best_on_validation: Sequence[pd.DataFrame] = ()


def probe_predictions(job: Job) -> pd.DataFrame:
    """What the probe of the train split says of the test split."""
    visits, normed = job.cohort.visits, job.settings.out_of_fold.feature_norm == "unit_length"
    means = open_features(job.study.features).means(visits[VISIT_ID].tolist(), normed)
    inputs, split = ProbeInputs(visits, means, job.outcome), visits[SPLIT].to_numpy()
    return predicted_by_probe(inputs.rows(split == "train"), inputs.rows(split == "test"), job.settings.seed)


def trained(job: Job, needs: TrainNeeds, seeds: Sequence[int]) -> Compared:
    """Trains with each seed and predicts the test split at the epoch that validation chose."""
    device = use_machine(needs.device, needs.threads)
    of_seed, kept, best = [], [], []
    for seed in seeds:
        inputs = RunInputs(job.study, replace(needs, seed=seed), job.cohort)
        network = inputs.start_network().to(device)
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(Path(folder))
            epochs = fit(
                network,
                PlannedTraining(inputs.plan, inputs.source, inputs.bags("val")),
                replace(needs.train, anchor_every=1),
                run,
                lambda done, total: print(f"  epoch {done} of {total}", file=sys.stderr, flush=True),
            )
            of_seed.append(predict_visits(network, inputs.bags("test"), inputs.pixels))
            rows = [{str(name): float(value) for name, value in row.items()} for _, row in epochs.iterrows()]
            step = EpochChoice("best", job.outcome).kept_step(rows)
            load_weights(network, read_anchor(anchor_path(run.anchors, step), device))
            best.append(predict_visits(network, inputs.bags("test"), inputs.pixels))
        kept.append(int(epochs.loc[epochs[KEPT], "epoch"].iloc[0]))
    return Compared(of_seed, kept, best)


def frozen(needs: TrainNeeds) -> TrainNeeds:
    """The same training with the encoder frozen and without a probe phase."""
    return replace(needs, network=replace(needs.network, train="head"), train=replace(needs.train, probe_epochs=0))


def fine_tuned(needs: TrainNeeds, moved: str, epochs: int, lr: float) -> TrainNeeds:
    """The frozen training as the probe phase, then so many epochs at this rate of what is ``moved`` (``network.train``)."""
    train = needs.train
    return replace(
        needs,
        network=replace(needs.network, train=moved),
        train=replace(
            train,
            epochs=train.epochs + epochs,
            probe_epochs=train.epochs,
            probe_lr=train.optimizer.lr,
            optimizer=replace(train.optimizer, lr=lr),
        ),
    )


def beside(ours: Compared, theirs: Compared, job: Job) -> dict[str, object]:
    """Our figure less theirs: by seed, mean, and the 95 % interval of the mean over patients of the test split."""
    differences = [_figure(a, job) - _figure(b, job) for a, b in zip(ours.of_seed, theirs.of_seed, strict=True)]
    patient_of = job.cohort.visits.set_index(VISIT_ID)[PATIENT_ID]
    patients = patient_of.loc[ours.of_seed[0][VISIT_ID]].to_numpy()
    rows_of = {patient: np.flatnonzero(patients == patient) for patient in np.unique(patients)}
    rng, drawn = np.random.default_rng(0), []
    for _ in range(_REPLICATES):
        rows = np.concatenate([rows_of[patient] for patient in rng.choice(list(rows_of), len(rows_of))])
        pairs = [(_figure(a.iloc[rows], job), _figure(b.iloc[rows], job)) for a, b in _paired(ours, theirs)]
        drawn.append(np.mean([a - b for a, b in pairs]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return {
        "by_seed": [round(value, 4) for value in differences],
        "mean": round(float(np.mean(differences)), 4),
        "interval_over_patients": [round(float(low), 4), round(float(high), 4)],
    }


def _paired(ours: Compared, theirs: Compared) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    pairs = list(zip(ours.of_seed, theirs.of_seed, strict=True))
    assert all(list(a[VISIT_ID]) == list(b[VISIT_ID]) for a, b in pairs), "the same visits in the same order"
    return pairs


def _figure(predictions: pd.DataFrame, job: Job) -> float:
    value = figure_of_split(predictions.assign(split="val"), job.outcome)
    return float("nan") if value is None else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?", help="the study folder")
    parser.add_argument("--seeds", type=int, default=5, help="training seeds, from 0")
    parser.add_argument("--fine-tune", type=int, default=0, help="epochs that also move the encoder (0: none)")
    parser.add_argument("--moved", default="all", help="what they move, as network.train names it")
    parser.add_argument("--lr", type=float, default=1e-5, help="learning rate of these epochs")
    chosen = parser.parse_args()
    if chosen.study is None:
        print("skipped: no study was given (make bench-head STUDY=folder)", file=sys.stderr)
        return
    torch.set_num_threads(1)
    job = Job(Study(chosen.study), load(chosen.study / "study.yaml"))
    needs, seeds = needs_of(TrainNeeds, job.settings), range(chosen.seeds)
    probe = probe_predictions(job)
    head = trained(job, frozen(needs), seeds)
    best = Compared(head.best_on_validation, [])
    split = job.cohort.visits[SPLIT].value_counts()
    figures: dict[str, object] = {
        "visits": {str(name): int(count) for name, count in split.items()},
        "seeds": chosen.seeds,
        "probe": round(_figure(probe, job), 4),
        "head": [round(_figure(one, job), 4) for one in head.of_seed],
        "head_kept_epochs": list(head.kept_epochs),
        "head_minus_probe": beside(head, Compared([probe] * chosen.seeds, []), job),
        "head_of_best_validation_epoch": [round(_figure(one, job), 4) for one in best.of_seed],
        "head_minus_that": beside(head, best, job),
    }
    if chosen.fine_tune:
        tuned = trained(job, fine_tuned(needs, chosen.moved, chosen.fine_tune, chosen.lr), seeds)
        figures |= {
            "moved": chosen.moved,
            "fine_tuned": [round(_figure(one, job), 4) for one in tuned.of_seed],
            "fine_tuned_kept_epochs": list(tuned.kept_epochs),
            "fine_tuned_minus_head": beside(tuned, head, job),
        }
    sys.argv[1:] = [
        "STUDY" if word == str(chosen.study) else word for word in sys.argv[1:]
    ]  # names no place of this machine
    write_result("frozen-head", figures)


if __name__ == "__main__":
    main()
