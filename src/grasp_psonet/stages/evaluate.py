"""``grasp evaluate``: every run against both readers, with intervals, subgroups and paired comparisons."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.evidence.agreement import reader_agreement
from grasp_psonet.evidence.choose import choose_k, gain_standard_error
from grasp_psonet.evidence.evaluate import auc_of_split, evaluate_runs
from grasp_psonet.stage import Task
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.retrain import read_sweep


def evaluate_task(job: Job) -> Task:
    """Figures, differences, confusion matrices and reader agreement of the test split; the choice of k on validation."""
    names = [BASELINE, *(one.name for one in read_sweep(job).trained)]
    inputs: dict[str, Path | str] = {f"run {name}": job.study.run(name) for name in names}
    inputs["tables"] = job.tables_digest
    parts = ("evaluate", "severity", "seed", "prune.k", "prune.controls")
    return job.task("evaluate", job.study.evaluation, parts, inputs, lambda folder: _make(job, names, folder))


def _make(job: Job, names: list[str], folder: Path) -> None:
    settings = job.settings
    predictions = {name: pd.read_parquet(job.study.run(name) / "predictions.parquet") for name in names}
    evaluation = evaluate_runs(predictions, job.cohort.visits, job.outcome, settings.evaluate, settings.seed)
    evaluation.figures.to_parquet(folder / "figures.parquet", index=False)
    evaluation.differences.to_parquet(folder / "differences.parquet", index=False)
    evaluation.confusions.to_parquet(folder / "confusions.parquet", index=False)
    agreement = reader_agreement(job.cohort.visits, job.outcome, settings.evaluate, settings.seed)
    agreement.to_parquet(folder / "agreement.parquet", index=False)
    choice = choice_of_k(job, predictions)
    run = choice["run"]
    control = job.control_names().get((choice["k"], "random"), "")
    if run != BASELINE and control in predictions:
        pair = {control: predictions[control], run: predictions[run]}
        against = evaluate_runs(
            pair, job.cohort.visits, job.outcome, settings.evaluate, settings.seed, control
        ).differences
    else:
        against = evaluation.differences.iloc[:0]
    against.to_parquet(folder / "against_random.parquet", index=False)
    (folder / "choice.json").write_text(json.dumps(choice, indent=1) + "\n", encoding="utf-8")


def choice_of_k(job: Job, predictions: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The chosen k (0: no pruning) and its run, with what the choice rests on, by k: validation micro AUC and the standard
    error of its gain over the baseline (None: not estimable, or the run is the baseline's own, as of a k that removes
    nothing). ``predictions`` by run name.
    """
    settings, visits = job.settings, job.cohort.visits
    names = {0: BASELINE} | {k: name if name in predictions else BASELINE for k, name in job.pruned_names().items()}
    auc_by_k = {k: auc_of_split(predictions[name], job.outcome, "val") for k, name in names.items()}
    se_by_k = {
        k: None
        if name == BASELINE
        else gain_standard_error(
            predictions[name], predictions[BASELINE], visits, job.outcome, settings.evaluate.replicates, settings.seed
        )
        for k, name in names.items()
    }
    k = choose_k(auc_by_k, se_by_k, settings.evaluate.min_gain_se)
    return {"k": k, "run": names[k], "val_auc_by_k": _by_text(auc_by_k), "gain_se_by_k": _by_text(se_by_k)}


def _by_text(values: dict[int, float | None]) -> dict[str, float | None]:
    return {str(key): value for key, value in values.items()}
