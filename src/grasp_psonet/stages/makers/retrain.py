"""``grasp retrain``: one run per keep list, several at a time."""

import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from grasp_psonet.progress import show_plainly, track
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.names import training_of


def train_together(job: Job, names: Sequence[str], *, makes_anew: bool = False) -> None:
    """Makes the runs of these names, ``machine.processes`` at a time in processes of their own, or here one after the other.

    Each run's bytes do not depend on how many there are.
    """
    if job.settings.machine.processes == 1:
        for name in names:
            _train_one(job, name, makes_anew)
        return
    if not names:
        return
    assert len(job.cohort.visits)  # read here once: it travels with the job, and no worker reads the tables again
    # "spawn": a forked child would inherit the threads of torch in an unusable state
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        job.settings.machine.processes, mp_context=spawn, initializer=_start_worker, initargs=(os.getpid(),)
    ) as pool:
        running = {pool.submit(_train_one, job, name, makes_anew): name for name in names}
        try:
            for done in track(as_completed(running), "retrain", len(names)):
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker(parent: int) -> None:
    """Log lines as in the parent; and the worker ends when its parent does, however that ended."""
    show_plainly()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _train_one(job: Job, name: str, makes_anew: bool) -> str:
    run_task(train_task(job, training_of(name)), makes_anew=makes_anew)
    return name
