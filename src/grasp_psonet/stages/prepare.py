"""``grasp prepare``: the photo files become the store."""

import hashlib
from pathlib import Path

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.store import write_store
from grasp_psonet.proof import digest
from grasp_psonet.stage import Task
from grasp_psonet.stages.job import Job


def prepare_task(job: Job) -> Task:
    """The store of every photo in photos.csv; made anew when a photo's bytes or the edge change."""

    def make(folder: Path) -> None:
        write_store(
            job.cohort.photos, job.photo_root, job.settings.photos.edge_px, folder, job.settings.machine.processes
        )

    inputs = {"photo files": _photo_files_digest(job), "photos.csv": digest(job.study.photos_file)}
    return job.task("prepare", job.study.store, ("photos.edge_px",), inputs, make)


def _photo_files_digest(job: Job) -> str:
    """One digest over the bytes of all photo files, in the order of the table. Raises PhotoError naming missing ones."""
    paths = job.cohort.photos["path"]
    missing = [path for path in paths if not (job.photo_root / path).is_file()]
    if missing:
        raise PhotoError(
            f"{len(missing)} of {len(paths)} photos of photos.csv are not there (first: {missing[0]}), "
            f"looked for under {job.photo_root}\n"
            "  next: `grasp check` lists them with their rows; set photos.root if they lie elsewhere"
        )
    together = hashlib.sha256()
    for path in paths:
        together.update(digest(job.photo_root / path).encode())
    return together.hexdigest()[:32]
