"""What is told of the photos, as it is declared: what it depends on, and what makes it (see ``tasks``)."""

from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.stage import Task
from grasp_psonet.stages.checking.photo_digests import digests_of_photos
from grasp_psonet.stages.checking.skipped import skipped_photos
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.needs import QualityNeeds

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job


def quality_tasks(job: "Job") -> list[Task]:
    """What is told of the photos once they are prepared; nothing in a study of precomputed features."""
    return [_quality_task(job)] if job.kind == "photos" else []


def _quality_task(job: "Job") -> Task:
    """Quality of the photos, those to take again, and those that look almost the same."""

    def make(folder: Path, own: QualityNeeds) -> None:
        from grasp_psonet.stages.makers.quality import make_quality

        content_of = digests_of_photos(job)
        make_quality(folder, own, job.study.store, job.cohort_for(own), content_of, skipped_photos(job))

    inputs: dict[str, Path | str] = {"store": job.study.store, "tables": job.tables_digest}
    return declared("quality", job.study.quality, needs_of(QualityNeeds, job.settings), inputs, make)
