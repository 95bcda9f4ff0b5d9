"""``grasp retrain``: one run per keep list, several at a time."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from grasp_psonet.progress import track
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.names import training_of
from grasp_psonet.study import Study


def train_together(job: Job, names: Sequence[str], *, makes_anew: bool = False) -> None:
    """Makes the runs of these names, ``machine.processes`` at a time in processes of their own or on the cluster, or here one
    after the other.

    Each run's bytes do not depend on how many there are, or where.
    """
    workers = job.network_workers
    if not workers.are_worth(len(names), 1):
        for name in names:
            _train_one(name, job, makes_anew)
        return
    if not workers.are_processes:
        job = replace(job, study=Study(job.study.folder.resolve()))
    assert len(job.cohort.visits)  # read here once: it travels with the job, and no worker reads the tables again
    train = partial(_train_one, job=job, makes_anew=makes_anew)
    for _ in track(workers.each(train, names, ahead=len(names)), "retrain", len(names)):
        pass


def _train_one(name: str, job: Job, makes_anew: bool) -> None:
    run_task(train_task(job, training_of(name)), makes_anew=makes_anew)
