"""``grasp run``: every stage in order, skipping what stands; and the plan of it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grasp_psonet.errors import StageError, StudyError
from grasp_psonet.progress import OnProgress, heard_by
from grasp_psonet.proof import is_complete
from grasp_psonet.stage import Task, judge, refuse_damaged, run_task
from grasp_psonet.stages.drawn import refuse_other_cohort
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.steps import NAMES, STEPS, Step

log = logging.getLogger("grasp_psonet")

DAMAGED = "damaged"
_IsAnew = Callable[[Task], bool]  # whether a task is made although it stands, or is damaged


def run_all(
    job: Job, *, until: str | None = None, remake: str | None = None, on_progress: OnProgress | None = None
) -> list[str]:
    """Makes everything that does not stand, up to the step ``until`` (default: the last); the titles of what was made.

    ``remake``: a step that is made anew although it stands, or ``damaged``: every byte of every stage is read, and what is
    not as it was made is made anew. ``on_progress(title, done, total)`` hears of long work in this process, e.g. of each
    epoch of a training.
    """
    refuse_other_cohort(job)
    assert job.revisions is not None  # one that is not there is told before the long work
    if not is_complete(job.study.run(BASELINE)):
        _look_ahead(job)
    made: list[str] = []
    with heard_by(on_progress):
        for step in _steps(until):
            made += _make(job, step, remake)
    return made


def _look_ahead(job: Job) -> None:
    """Says what the study will not be able to tell. Raises StudyError for what would stop it after the long work."""
    from grasp_psonet.stages.checking.preflight import (
        preflight,  # loads pandas, which a look at a finished study spares
    )

    outlook = preflight(job, job.cohort)
    for note in outlook.notes:
        log.warning("%s", note)
    if outlook.faults:
        raise StudyError("\n".join(outlook.faults))


def make_step(job: Job, name: str, only: Sequence[str] = ()) -> None:
    """Makes one step if all that it reads stands under the settings of now; ``only`` these runs of it, where any are named.

    Raises StageError naming what does not stand, or a run that the step does not make.
    """
    refuse_other_cohort(job)
    *before, wanted = _steps(name)
    for task in read_by(job, wanted, before):
        verdict = judge(task)
        refuse_damaged(task, verdict)
        if verdict.state != "valid":
            raise StageError(
                f"{name}: {task.title} comes first: {verdict.why}\n  next: `grasp run` makes everything in order"
            )
    _make(job, wanted, None, only)


def read_by(job: Job, wanted: Step, before: Sequence[Step]) -> list[Task]:
    """The tasks of earlier steps that this one reads, directly or through others, in their order."""
    if wanted.reads_keep_lists:
        return [task for step in before for task in step.tasks(job)]
    read = {source for task in wanted.tasks(job) for source in task.inputs.values() if isinstance(source, Path)}
    found: list[Task] = []
    for step in reversed([step for step in before if not step.reads_keep_lists]):
        tasks = [task for task in step.tasks(job) if task.folder in read]
        read |= {source for task in tasks for source in task.inputs.values() if isinstance(source, Path)}
        found = tasks + found
    return found


def plan(job: Job, remake: str | None = None, until: str | None = None) -> list[str]:
    """One line per task of what ``run_all`` would do and why; nothing is made. Raises TableError on faults of the tables."""
    refuse_other_cohort(job)
    outlook = list(_outlook(job, until, remake))
    if any(why is not None for _, why in outlook):
        assert len(job.cohort.visits)  # reads the tables, whose faults would stop the run
    return [f"{title}: {why or 'stands'}" for title, why in outlook]


def stands(job: Job, until: str | None = None) -> bool:
    """Whether every stage up to this step (default: the last) stands, so that ``run_all`` would make nothing."""
    return all(why is None for _, why in _outlook(job, until, None))


def _outlook(job: Job, until: str | None, remake: str | None) -> Iterator[tuple[str, str | None]]:
    """Per task its title and what would become of it, in words; None where it stands."""
    remade: dict[Path, str] = {}
    for step in _steps(until):
        if step.reads_keep_lists and not _lists_stand(job, remade):
            yield step.name, "known once the keep lists are made"
            continue
        for task in step.tasks(job):
            why = _why_made(task, remade, _is_anew(step, remake))
            if why is not None:
                remade[task.folder] = task.title
            yield task.title, why


def _steps(until: str | None) -> tuple[Step, ...]:
    return STEPS if until is None else STEPS[: NAMES.index(until) + 1]


def _make(job: Job, step: Step, remake: str | None, only: Sequence[str] = ()) -> list[str]:
    is_anew = _is_anew(step, remake)
    if step.goes_side_by_side:
        return _retrain(job, _tasks_of(job, step, only), is_anew)
    made = []
    for task in step.tasks(job):
        if run_task(task, makes_anew=is_anew(task)):
            made.append(task.title)
    return made


def _tasks_of(job: Job, step: Step, only: Sequence[str]) -> list[Task]:
    """The step's tasks, or those of these names. Raises StageError for a name that is none of theirs."""
    tasks = {task.folder.name: task for task in step.tasks(job)}
    for name in only:
        if name not in tasks:
            raise StageError(f"{step.name} makes no run {name!r}; it makes {', '.join(tasks) or 'none'}")
    return [tasks[name] for name in only or tasks]


def _retrain(job: Job, tasks: list[Task], is_anew: _IsAnew) -> list[str]:
    """Trains what does not stand, ``machine.processes`` at a time."""
    for one in made_keep_lists(job).empty:
        log.info("%s removes nothing: its run is the baseline", one.name)
    titles: list[str] = []
    names: dict[bool, list[str]] = {False: [], True: []}
    for task in tasks:
        anew, verdict = is_anew(task), judge(task)
        log.info("%s: %s", task.title, "made anew, as asked" if anew else verdict.why)
        if not anew:
            refuse_damaged(task, verdict)
        if anew or verdict.state != "valid":
            names[anew].append(task.folder.name)
            titles.append(task.title)
    if titles:
        from grasp_psonet.stages.makers.retrain import train_together

        for anew, some in names.items():
            train_together(job, some, makes_anew=anew)
    return titles


def _is_anew(step: Step, remake: str | None) -> _IsAnew:
    if remake == DAMAGED:
        return lambda task: judge(task, reads_bytes=True).state == "damaged"
    return lambda task: remake == step.name


def _why_made(task: Task, remade: dict[Path, str], is_anew: _IsAnew) -> str | None:
    """What would become of a task, in words; None where it stands."""
    upstream = [remade[source] for source in task.inputs.values() if isinstance(source, Path) and source in remade]
    if upstream:
        return f"would run (after {', '.join(dict.fromkeys(upstream))})"
    verdict = judge(task)
    if is_anew(task):
        return f"would run ({'as asked' if verdict.state == 'valid' else verdict.why})"
    if verdict.state == "valid":
        return None
    if verdict.state == "damaged":
        return f"would stop ({verdict.why}); --remake damaged makes it anew"
    return f"would run ({verdict.why})"


def _lists_stand(job: Job, remade: dict[Path, str]) -> bool:
    folders = [job.study.pruning(one.name) for one in job.keep_lists()]
    return all(is_complete(folder) and folder not in remade for folder in folders)
