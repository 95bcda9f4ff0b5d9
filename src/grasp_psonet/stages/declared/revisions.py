"""Revisions as they are declared: made once from readings, trained on beside the rest, compared (see ``tasks``)."""

from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.proof import is_complete
from grasp_psonet.stage import Task
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.needs import LearningNeeds, ReviseNeeds
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.names import BASELINE, Training, revised_name

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job
    from grasp_psonet.stages.makers.revise import Source


def revise_task(job: "Job", name: str, source: "Source") -> Task:
    """The revision of this name from new readings; it is made once and never made anew (``stages/revise.py``)."""

    def make(folder: Path, own: ReviseNeeds) -> None:
        from grasp_psonet.stages.makers.revise import make_revision

        make_revision(folder, own, source, job.cohort_for(own), job.settings.tables)

    inputs: dict[str, Path | str] = {"tables": job.tables_digest, **source.digests}
    return declared(f"revise {name}", job.study.revision(name), needs_of(ReviseNeeds, job.settings), inputs, make)


def sources_of(job: "Job", training: Training) -> dict[str, Path | str]:
    """What a training changes in the study: a keep list, a revision, or nothing."""
    if training.of == BASELINE:
        return {}
    if training.revision is not None:
        return {"revision": job.study.revision(training.revision)}
    return {"pruning": job.study.pruning(training.of)}


def revised_trainings(job: "Job") -> list[Training]:
    """Every training of the revisions that are trained on: one a training seed."""
    return [
        Training(revised_name(name), number)
        for name in job.revisions
        for number in range(job.settings.evaluate.training_seeds)
    ]


def compare_tasks(job: "Job") -> list[Task]:
    """What each revision changed, beside the baseline and the removal of photos."""
    return [_compare_task(job, name) for name in job.revisions]


def _compare_task(job: "Job", name: str) -> Task:
    of = [BASELINE, *(one.name for one in made_keep_lists(job).retrained if not one.control), revised_name(name)]
    runs = {
        one: [job.study.run(Training(one, number).name) for number in range(job.settings.evaluate.training_seeds)]
        for one in of
    }

    def make(folder: Path, own: LearningNeeds) -> None:
        from grasp_psonet.stages.makers.revise import make_comparison

        make_comparison(folder, own, runs, job.cohort_for(own), job.study.evaluation)

    inputs: dict[str, Path | str] = {f"run {run.name}": run for of_seeds in runs.values() for run in of_seeds}
    inputs |= {"evaluation": job.study.evaluation, "tables": job.tables_digest}
    inputs["revision"] = job.study.revision(name)
    return declared(f"revised {name}", job.study.revised(name), needs_of(LearningNeeds, job.settings), inputs, make)


def trained_before(job: "Job") -> list[str]:
    """Names of the revisions that stand and that the study was trained on."""
    found = (folder.name for folder in sorted(job.study.folder.glob("revised/*/")) if is_complete(folder))
    return [name for name in found if is_complete(job.study.revision(name))]
