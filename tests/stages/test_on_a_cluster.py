"""A study whose retrainings are done by a cluster, one worker of which is killed in the middle: the same bytes."""

import gc
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from dask.distributed import Client

from grasp_psonet.cli import main
from grasp_psonet.proof import read_note
from grasp_psonet.settings import parse
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.pipeline import run_all
from grasp_psonet.study import Study
from tests.local_cluster import local_cluster
from tests.small_study import write_study

pytestmark = pytest.mark.whole

SETTINGS = {
    "seed": 3,
    "machine": {"processes": 1, "device": "cpu"},
    "train": {"epochs": 15, "optimizer": {"lr": 0.01}},
    "prune": {"k": [2], "controls": ["class"]},
    "out_of_fold": {"folds": 2, "repeats": 1},
}


def _kill_one_that_trains(address: str, study: Path, killed: list[int]) -> None:
    """SIGKILL for a worker that has begun a run, as soon as there is one."""
    with Client(address, set_as_default=False) as client:
        processes = client.run(os.getpid)
        while not any(study.glob("runs/*-k*.partial/epochs.parquet")):
            time.sleep(0.02)
        (busy, *_) = (address for address, tasks in client.processing().items() if tasks)
        killed.append(processes[busy])
        os.kill(processes[busy], signal.SIGKILL)


@pytest.mark.process
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Dask leaves sockets to the collector
def test_a_worker_killed_in_mid_training_changes_no_byte(tmp_path: Path) -> None:
    alone = write_study(tmp_path / "alone" / "study", SETTINGS)
    run_all(alone, until="retrain")
    other = tmp_path / "cluster" / "study"
    shutil.copytree(alone.study.folder, other)
    for made in other.glob("runs/*-k*"):
        shutil.rmtree(made)
    killed: list[int] = []
    with local_cluster(3) as cluster:
        tree = {**SETTINGS, "machine": {**SETTINGS["machine"], "cluster": cluster.scheduler_address}}
        watch = threading.Thread(target=_kill_one_that_trains, args=(cluster.scheduler_address, other, killed))
        watch.start()
        run_all(Job(Study(other), parse(tree, "the test")), until="retrain")
        watch.join()
    gc.collect()
    assert killed
    runs = sorted(folder.name for folder in alone.study.folder.glob("runs/*"))
    assert runs == sorted(folder.name for folder in other.glob("runs/*"))
    for name in runs:
        assert read_note(alone.study.run(name)) == read_note(other / "runs" / name), name


def test_an_array_of_jobs_shares_the_retrainings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As under SLURM without an engine: one command up to the keep lists, then one a list."""
    job = write_study(tmp_path / "study", {})
    study = str(job.study.folder)
    settings = {**SETTINGS, "train": {"epochs": 3, "optimizer": {"lr": 0.01}}}
    job.study.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    assert main(["run", study, "--until", "prune"]) == 0
    assert sorted(folder.name for folder in job.study.folder.glob("runs/*")) == ["baseline"]
    assert main(["retrain", study, "--only", "cosine-k2"]) == 0
    assert sorted(folder.name for folder in job.study.folder.glob("runs/*")) == ["baseline", "cosine-k2"]
    assert main(["retrain", study, "--only", "cosine-k3"]) == 1
    assert "retrain makes no run 'cosine-k3'; it makes cosine-k2, cosine-k2-class" in capsys.readouterr().err
    assert main(["run", study, "--until", "retrain", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "cosine-k2: stands" in told
    assert "cosine-k2-class: would run" in told
    assert "report" not in told
