"""A study whose retrainings and folds are done by a cluster, one worker of which is killed in the middle: the same bytes."""

import gc
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from dask.distributed import Client, LocalCluster

from grasp_psonet.proof import read_note
from grasp_psonet.settings import parse
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.pipeline import run_all
from grasp_psonet.study import Study
from tests.small_study import write_study

SETTINGS = {
    "seed": 3,
    "machine": {"processes": 1, "device": "cpu"},
    "train": {"epochs": 25, "optimizer": {"lr": 0.01}},
    "prune": {"k": [2, 4], "controls": ["class"]},
    "out_of_fold": {"model": "head", "folds": 2, "repeats": 1},
}


def _kill_one_that_trains(cluster: LocalCluster, study: Path, killed: list[int]) -> None:
    """SIGKILL for a worker that has begun a run, as soon as there is one."""
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        processes = client.run(os.getpid)
        while not killed:
            begun = any(study.glob("runs/*-k*.partial/epochs.parquet"))
            busy = [address for address, tasks in client.processing().items() if tasks]
            if begun and busy:
                killed.append(processes[busy[0]])
                os.kill(processes[busy[0]], signal.SIGKILL)
            time.sleep(0.01)


@pytest.mark.process
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Dask leaves sockets to the collector
def test_a_worker_killed_in_mid_training_changes_no_byte(tmp_path: Path) -> None:
    alone = write_study(tmp_path / "alone" / "study", SETTINGS)
    run_all(alone, until="retrain")
    other = tmp_path / "cluster" / "study"
    shutil.copytree(alone.study.folder, other)
    for made in [*other.glob("runs/*-k*"), other / "out_of_fold"]:
        shutil.rmtree(made)
    killed: list[int] = []
    with LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster:
        tree = {**SETTINGS, "machine": {**SETTINGS["machine"], "cluster": cluster.scheduler_address}}
        watch = threading.Thread(target=_kill_one_that_trains, args=(cluster, other, killed))
        watch.start()
        run_all(Job(Study(other), parse(tree, "the test")), until="retrain")
        watch.join()
    gc.collect()
    assert killed
    runs = sorted(folder.name for folder in alone.study.folder.glob("runs/*"))
    assert runs == sorted(folder.name for folder in other.glob("runs/*"))
    for made in [*(f"runs/{name}" for name in runs), "out_of_fold"]:
        assert read_note(alone.study.folder / made) == read_note(other / made), made
