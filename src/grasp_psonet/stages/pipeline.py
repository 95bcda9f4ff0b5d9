"""``grasp run``: every stage in order, skipping what stands; and the plan of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grasp_psonet.errors import StageError
from grasp_psonet.proof import is_complete
from grasp_psonet.stage import Task, judge, run_task
from grasp_psonet.stages.audit import audit_task
from grasp_psonet.stages.cohort import refuse_other_cohort
from grasp_psonet.stages.evaluate import evaluate_task
from grasp_psonet.stages.explain import explain_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.prepare import prepare_task
from grasp_psonet.stages.prune import keep_lists, prune_tasks
from grasp_psonet.stages.report.task import report_task
from grasp_psonet.stages.retrain import retrain, retrain_tasks
from grasp_psonet.stages.trace import trace_task
from grasp_psonet.stages.train import train_task


@dataclass(frozen=True)
class Step:
    """One command of the pipeline: its name, its tasks, and how they are made."""

    name: str
    tasks: Callable[[Job], list[Task]]
    make: Callable[[Job], object]


def _one(task_of: Callable[[Job], Task]) -> tuple[Callable[[Job], list[Task]], Callable[[Job], object]]:
    return (lambda job: [task_of(job)]), (lambda job: run_task(task_of(job)))


STEPS = (
    Step("prepare", *_one(prepare_task)),
    Step("train", *_one(train_task)),
    Step("trace", *_one(trace_task)),
    Step("prune", prune_tasks, lambda job: [run_task(task) for task in prune_tasks(job)]),
    Step("retrain", retrain_tasks, retrain),
    Step("evaluate", *_one(evaluate_task)),
    Step("audit", *_one(audit_task)),
    Step("explain", *_one(explain_task)),
    Step("report", *_one(report_task)),
)


def run_all(job: Job) -> None:
    """Makes everything that does not stand."""
    refuse_other_cohort(job)
    for step in STEPS:
        step.make(job)


def plan(job: Job) -> list[str]:
    """One line per task of what ``run_all`` would do and why; nothing is made."""
    refuse_other_cohort(job)
    lines: list[str] = []
    remade: dict[Path, str] = {}
    for step in STEPS:
        if step.name in ("retrain", "evaluate", "report") and not _lists_stand(job, remade):
            lines.append(f"{step.name}: known once the keep lists are made")
            continue
        for task in step.tasks(job):
            upstream = [
                remade[source] for source in task.inputs.values() if isinstance(source, Path) and source in remade
            ]
            verdict = judge(task)
            if verdict.state == "valid" and not upstream:
                lines.append(f"{task.title}: stands")
                continue
            remade[task.folder] = task.title
            why = f"after {', '.join(dict.fromkeys(upstream))}" if upstream else verdict.why
            lines.append(f"{task.title}: would run ({why})")
    return lines


def _lists_stand(job: Job, remade: dict[Path, str]) -> bool:
    folders = [job.study.pruning(one.name) for one in keep_lists(job)]
    return all(is_complete(folder) and folder not in remade for folder in folders)


def make_step(job: Job, name: str) -> None:
    """Makes one step if all before it stands under the settings of now. Raises StageError naming what does not."""
    refuse_other_cohort(job)
    for step in STEPS:
        if step.name == name:
            step.make(job)
            return
        for task in step.tasks(job):
            verdict = judge(task)
            if verdict.state != "valid":
                raise StageError(
                    f"{name}: {task.title} comes first: {verdict.why}\n  next: `grasp run` makes everything in order"
                )
