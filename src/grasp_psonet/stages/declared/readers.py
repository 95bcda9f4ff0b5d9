"""Agreement of all readers, as it is declared: what it depends on, and what makes it (see ``tasks``)."""

from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.stage import Task
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.needs import LearningNeeds

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job


def readers_task(job: "Job") -> Task:
    """Agreement of any number of readers, and how each differs from the others."""

    def make(folder: Path, own: LearningNeeds) -> None:
        from grasp_psonet.stages.makers.readers import make_reader_agreement

        make_reader_agreement(folder, own, job.cohort_for(own))

    inputs: dict[str, Path | str] = {"tables": job.tables_digest}
    return declared("readers", job.study.readers, needs_of(LearningNeeds, job.settings), inputs, make)
