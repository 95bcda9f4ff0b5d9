"""``grasp retrain``: one run per keep list, several at a time."""

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from grasp_psonet.progress import show_plainly, track
from grasp_psonet.stage import Task, judge, run_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.prune import KeepList, keep_lists, read_keep
from grasp_psonet.stages.train import train_task

log = logging.getLogger("grasp_psonet")


@dataclass(frozen=True)
class Sweep:
    """The keep lists that remove something, and those that do not (their run would be the baseline, bit for bit)."""

    trained: list[KeepList]
    empty: list[KeepList]


def read_sweep(job: Job) -> Sweep:
    """Which of the study's keep lists have to be trained."""
    lists = keep_lists(job)
    removes = {one.name: not read_keep(job, one.name)["kept"].all() for one in lists}
    return Sweep([one for one in lists if removes[one.name]], [one for one in lists if not removes[one.name]])


def retrain_tasks(job: Job) -> list[Task]:
    """One training per keep list that removes something."""
    return [train_task(job, one.name, job.study.pruning(one.name)) for one in read_sweep(job).trained]


def retrain(job: Job) -> int:
    """Trains what does not stand, ``machine.processes`` at a time; the number of runs made."""
    sweep = read_sweep(job)
    for one in sweep.empty:
        log.info("%s removes nothing: its run is the baseline", one.name)
    names = []
    for one in sweep.trained:
        task = train_task(job, one.name, job.study.pruning(one.name))
        verdict = judge(task)
        log.info("%s: %s", task.title, verdict.why)
        if verdict.state != "valid":
            names.append(one.name)
    train_together(job, names)
    return len(names)


def train_together(job: Job, names: Sequence[str]) -> None:
    """Trains these keep lists in processes of their own; each run's bytes do not depend on how many there are."""
    if not names:
        return
    # "spawn": a forked child would inherit the threads of torch in an unusable state
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        job.settings.machine.processes, mp_context=spawn, initializer=_start_worker, initargs=(os.getpid(),)
    ) as pool:
        running = {pool.submit(_train_one, job, name): name for name in names}
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


def _train_one(job: Job, name: str) -> str:
    run_task(train_task(job, name, job.study.pruning(name)))
    return name
