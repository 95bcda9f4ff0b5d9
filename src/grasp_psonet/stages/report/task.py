"""``grasp report``: what the stages found, as one page and one file of numbers."""

import json
from pathlib import Path

from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from grasp_psonet.settings import as_tree
from grasp_psonet.stage import Task
from grasp_psonet.stages.cohort import is_synthetic
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.report.gather import gather
from grasp_psonet.stages.retrain import read_sweep


def report_task(job: Job) -> Task:
    """report.html and results.json from every stage before."""
    study = job.study
    names = [one.name for one in read_sweep(job).trained]
    inputs: dict[str, Path | str] = {
        "evaluation": study.evaluation,
        "audit": study.audit,
        "explanations": study.explanations,
        "trace": study.trace(job.trace_name()),
        "run": study.run(BASELINE),
        "store": study.store,
        "tables": job.tables_digest,
    }
    inputs |= {f"pruning {name}": study.pruning(name) for name in [*job.pruned_names().values(), *names]}
    if is_synthetic(job):
        inputs["truth"] = study.truth_file
    inputs |= {f"run {name}": study.run(name) for name in names}
    parts = tuple(as_tree(job.settings))  # the page prints every setting
    return job.task("report", study.report, parts, inputs, lambda folder: _make(job, folder))


def _make(job: Job, folder: Path) -> None:
    report = gather(job)
    numbers = json.dumps(results(report), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    (folder / "results.json").write_text(numbers + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render(report), encoding="utf-8")
