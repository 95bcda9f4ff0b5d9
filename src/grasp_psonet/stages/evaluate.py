"""``grasp evaluate``: every run against both readers, with intervals, subgroups and paired comparisons."""

import json
from pathlib import Path

import pandas as pd

from grasp_psonet.evidence.agreement import reader_agreement
from grasp_psonet.evidence.evaluate import evaluate_runs
from grasp_psonet.stage import Task
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.retrain import chosen_k, chosen_run, read_sweep, val_auc_by_k


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
    evaluation = evaluate_runs(predictions, job.cohort.visits, settings.evaluate, settings.seed)
    evaluation.figures.to_parquet(folder / "figures.parquet", index=False)
    evaluation.differences.to_parquet(folder / "differences.parquet", index=False)
    evaluation.confusions.to_parquet(folder / "confusions.parquet", index=False)
    agreement = reader_agreement(job.cohort.visits, settings.evaluate, settings.seed)
    agreement.to_parquet(folder / "agreement.parquet", index=False)
    k, run = chosen_k(job), chosen_run(job)
    control = job.control_names().get((k, "random"), "")
    if run != BASELINE and control in predictions:
        pair = {control: predictions[control], run: predictions[run]}
        against = evaluate_runs(pair, job.cohort.visits, settings.evaluate, settings.seed, control).differences
    else:
        against = evaluation.differences.iloc[:0]
    against.to_parquet(folder / "against_random.parquet", index=False)
    choice = {"k": k, "run": run, "val_auc_by_k": {str(key): auc for key, auc in val_auc_by_k(job).items()}}
    (folder / "choice.json").write_text(json.dumps(choice, indent=1) + "\n", encoding="utf-8")
