"""Work side by side: in order, the same with processes and on a cluster, lost workers told, a killed one's work done again."""

import gc
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grasp_psonet.errors import SettingsError, TableError, WorkerError
from grasp_psonet.settings import parse
from grasp_psonet.workers import ALONE, Workers, _Asked, _versions
from tests.local_cluster import local_cluster
from tests.warm_process import warm_context

if TYPE_CHECKING:
    from dask.distributed import LocalCluster

# Dask leaves sockets and loops to the garbage collector
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def _square(number: int) -> int:
    return number * number


def _fail_at(number: int, bad: int) -> int:
    if number == bad:
        raise TableError(f"visit {number} is bad")
    return number


def _die_at(number: int, bad: int) -> int:
    if number == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _note_and_wait(number: int, folder: Path) -> int:
    (folder / str(number)).touch()
    time.sleep(600 if number else 0)
    return number


def _die_once(number: int, folder: Path) -> int:
    if number == 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture(scope="module")
def cluster() -> Iterator["LocalCluster"]:
    """Three workers of this machine behind an address, as a centre's would be."""
    with local_cluster(3) as cluster:
        yield cluster
    gc.collect()  # here, not in the time of another test


@pytest.fixture(params=["processes", pytest.param("cluster", marks=pytest.mark.whole)])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Workers:
    if request.param == "processes":
        return Workers(2)
    return Workers(2, request.getfixturevalue("cluster").scheduler_address, tmp_path)


def test_results_come_in_the_order_of_the_items(workers: Workers) -> None:
    assert list(workers.each(_square, range(20))) == [number * number for number in range(20)]
    assert list(workers.each(_square, [])) == []


@pytest.mark.usefixtures("_warm")
def test_what_the_work_raises_comes_through(workers: Workers) -> None:
    results = workers.each(partial(_fail_at, bad=2), range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(TableError, match="visit 2 is bad"):
        next(results)


@pytest.mark.usefixtures("_warm")
def test_a_lost_process_is_told_and_a_cluster_gives_up_after_some(workers: Workers) -> None:
    with pytest.raises(WorkerError, match="run again, it goes on from what is done"):
        list(workers.each(partial(_die_at, bad=1), range(3)))


@pytest.fixture
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that need not load anything again."""
    monkeypatch.setattr("grasp_psonet.workers.get_context", lambda method: warm_context())


@pytest.mark.usefixtures("_warm")
def test_no_more_is_under_way_than_asked(tmp_path: Path) -> None:
    results = Workers(2).each(partial(_note_and_wait, folder=tmp_path), range(40), ahead=2)
    assert next(results) == 0
    results.close()  # ends what sleeps for ten minutes
    assert len(list(tmp_path.iterdir())) <= 5


@pytest.mark.usefixtures("_warm")
def test_nothing_is_left_waiting_when_the_results_are_left_early(tmp_path: Path) -> None:
    begun = time.monotonic()
    results = Workers(2).each(partial(_note_and_wait, folder=tmp_path), range(2))
    assert next(results) == 0
    results.close()
    assert time.monotonic() - begun < 300


@pytest.mark.whole
def test_the_work_of_a_killed_worker_is_done_by_another(cluster: "LocalCluster", tmp_path: Path) -> None:
    workers = Workers(1, cluster.scheduler_address, tmp_path)
    assert list(workers.each(partial(_die_once, folder=tmp_path), range(6))) == list(range(6))
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (_Asked({**_versions(), "numpy": "0.1"}, None, None, "cpu"), r"other versions.*numpy .* \(here 0.1\)"),
        (_Asked(_versions(), None, "cpu", "cuda"), "machine.device cpu is cpu on worker .*, cuda here"),
    ],
)
def test_a_worker_that_would_give_other_bytes_refuses(asked: _Asked, told: str) -> None:
    with pytest.raises(WorkerError, match=told):
        asked.refuse_unless_same()


def test_a_worker_that_does_not_see_the_study_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grasp_psonet.workers._SHOWS_WITHIN_S", 0.1)
    with pytest.raises(WorkerError, match=r"(?s)does not see the study in .*share, under the same path"):
        _Asked(_versions(), tmp_path / "elsewhere" / ".seen", None, "cpu").refuse_unless_same()


def test_without_a_scheduler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grasp_psonet.workers._ANSWERS_WITHIN_S", 1)
    with pytest.raises(WorkerError, match=r"(?s)no scheduler answers at tcp://127.0.0.1:9: .*next: start one"):
        list(Workers(1, "tcp://127.0.0.1:9").each(_square, range(3)))


@pytest.mark.whole
def test_a_gpu_is_asked_of_workers_that_have_one(cluster: "LocalCluster") -> None:
    workers = Workers(1, cluster.scheduler_address, device="cuda")
    with pytest.raises(WorkerError, match="no worker with a resource GPU"):
        list(workers.each(_square, range(3)))


@pytest.mark.whole
def test_slurm_says_what_its_own_settings_lack() -> None:
    with pytest.raises(WorkerError, match=r"(?s)no SLURM cluster: .*cores.*jobqueue.yaml"):
        list(Workers(1, "slurm").each(_square, range(3)))
    gc.collect()


@pytest.mark.parametrize("cluster", ["dask", "http://host:8786", ""])
def test_an_address_that_is_none_is_refused(cluster: str) -> None:
    with pytest.raises(SettingsError, match=r"machine.cluster.*wanted: none, local, slurm"):
        parse({"machine": {"cluster": cluster}}, "the test")


def test_few_items_are_no_work_for_others() -> None:
    assert not ALONE.are_worth(1000)
    assert not Workers(2).are_worth(1)
    assert Workers(2).are_worth(2)
    assert Workers(1, "local").are_worth(2)
