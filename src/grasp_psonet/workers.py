"""Work that goes side by side: in processes of this machine, or as tasks of a Dask cluster.

What is handed out is a function with its argument, what comes back its result; the results come in the order of the arguments,
so that nothing made of them depends on who did which, or on how many there were.
"""

import importlib.metadata
import os
import platform
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from grasp_psonet.device import resolved_device
from grasp_psonet.errors import WorkerError
from grasp_psonet.progress import show_plainly

if TYPE_CHECKING:
    from dask.distributed import Client

A = TypeVar("A")
R = TypeVar("R")

AHEAD = 3  # arguments that a worker may be ahead of the results taken, so that memory does not grow with the study
_ANSWERS_WITHIN_S = 30  # a scheduler
_SHOWS_WITHIN_S = 10.0  # a file written here, on a worker's disk
_SAME = ("grasp-psonet", "numpy", "pandas", "pillow", "timm", "torch")


@dataclass(frozen=True)
class Workers:
    """Who does work that goes side by side.

    ``cluster``: none (processes of this machine), local (a Dask cluster of this machine), slurm (one that asks SLURM for
    workers, by Dask's own ``jobqueue.yaml``), or the address of a scheduler, ``tcp://host:8786`` or ``tls://host:8786``.
    ``processes``: how many processes, or how many workers a cluster that is started here has. ``place``: a folder that the
    workers of a cluster must see as this machine does. ``device``: auto, cpu or cuda, of networks in the work; where it is
    cuda, only workers of the cluster with a resource ``GPU`` are asked. None: the work has no network.
    """

    processes: int = 1
    cluster: str = "none"
    place: Path | None = None
    device: str | None = None

    @property
    def needs_gpu(self) -> bool:
        """Whether only workers with a GPU can do the work."""
        return self.device is not None and resolved_device(self.device) == "cuda"

    @property
    def are_processes(self) -> bool:
        """Whether the workers are processes of this machine."""
        return self.cluster == "none"

    def are_worth(self, num_items: int, at_least: int = 2) -> bool:
        """Whether so many pieces of work are handed out, rather than done here one after the other."""
        return num_items >= at_least and not (self.are_processes and self.processes == 1)

    def each(self, do: Callable[[A], R], items: Sequence[A], ahead: int = AHEAD) -> Iterator[R]:
        """``do(item)`` of every item, in their order; at most ``ahead`` items a worker are under way beyond those yielded.

        ``do`` and the items travel to other processes. Where the iterator is left early, or a piece of work fails, what is
        under way is ended. Raises WorkerError where a worker is ended from outside, or the cluster cannot be used; what the
        work itself raises comes through.
        """
        if not items:
            return
        with self._executor(len(items)) as (executor, num_workers):
            todo, waiting = iter(items), deque[Future[R]]()
            for item in islice(todo, max(1, ahead) * num_workers):
                waiting.append(executor.submit(do, item))
            while waiting:
                result = executor.result(waiting.popleft())
                for item in islice(todo, 1):
                    waiting.append(executor.submit(do, item))
                yield result

    @contextmanager
    def _executor(self, num_items: int) -> Iterator[tuple["_Submits", int]]:
        if self.are_processes:
            num = min(self.processes, num_items)
            with _processes(num) as pool:
                yield _Submits(pool, (BrokenProcessPool,), _ended), num
            return
        with _connected(self) as (client, num), _seen(self.place) as seen:
            resources = {"GPU": 1} if self.needs_gpu else None
            executor = client.get_executor(pure=False, resources=resources)
            asked = _Asked(_versions(), seen, self.device, resolved_device(self.device or "cpu"))
            try:
                yield _Submits(executor, _lost_by_dask(), _given_up, asked), num
            except BaseException:
                executor.shutdown(wait=False)
                raise
            executor.shutdown()


ALONE = Workers()


@dataclass(frozen=True)
class _Asked:
    """What a worker must have in common with the machine that asks, so that its work has the same bytes."""

    versions: dict[str, str]
    seen: Path | None
    device: str | None
    found_device: str

    def refuse_unless_same(self) -> None:
        """Raises WorkerError naming the worker where it has other versions, another device, or does not see the folder."""
        host, own = platform.node(), _versions()
        other = [
            f"{name} {own[name]} (here {version})" for name, version in self.versions.items() if own[name] != version
        ]
        if other:
            raise WorkerError(
                f"worker {host} has other versions, which would give other bytes: {', '.join(other)}\n"
                "  next: start the workers from the environment that `grasp` runs in"
            )
        if self.device is not None and resolved_device(self.device) != self.found_device:
            raise WorkerError(
                f"machine.device {self.device} is {resolved_device(self.device)} on worker {host}, {self.found_device} here\n"
                "  next: set machine.device to cpu or cuda"
            )
        until = time.monotonic() + _SHOWS_WITHIN_S  # disks of other machines show a new file late
        while self.seen is not None and not self.seen.exists():
            if time.monotonic() > until:
                raise WorkerError(
                    f"worker {host} does not see the study in {self.seen.parent}\n"
                    "  next: keep the study on a disk that all machines share, under the same path"
                )
            time.sleep(0.2)


@dataclass(frozen=True)
class _Submits:
    """An executor; ``asked``: what its workers must have in common with this machine.

    ``lost``: what the executor raises where a worker is gone with its work; ``told``: what is said then.
    """

    executor: Executor
    lost: tuple[type[Exception], ...]
    told: Callable[[Exception], str]
    asked: _Asked | None = None

    def submit(self, do: Callable[[A], R], item: A) -> "Future[R]":
        if self.asked is None:
            return self.executor.submit(do, item)
        return self.executor.submit(_as_asked, do, item, self.asked)

    def result(self, future: "Future[R]") -> R:
        """What the work returned or raised; WorkerError where its worker is gone."""
        try:
            return future.result()
        except self.lost as error:
            raise WorkerError(self.told(error)) from None


def _as_asked(do: Callable[[A], R], item: A, asked: _Asked) -> R:
    asked.refuse_unless_same()
    return do(item)


def _ended(_: Exception) -> str:
    return (
        "a process of this work was ended from outside, or ran out of memory\n"
        "  next: run again, it goes on from what is done; with machine.processes 1 if it happens once more"
    )


def _given_up(error: Exception) -> str:
    return (
        f"the cluster gave a piece of work up: {error}\n"
        "  next: look at the worker's log (memory?); then run again, it goes on from what is done"
    )


def _lost_by_dask() -> tuple[type[Exception], ...]:
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    return KilledWorker, CommClosedError, CancelledError


@contextmanager
def _processes(num: int) -> Iterator[ProcessPoolExecutor]:
    # "spawn": a forked child would inherit the threads of torch in an unusable state
    spawn = get_context("spawn")
    # no event: it would wait for a worker that was killed in its sleep. A pipe's end comes to all, also if this process ends
    stopped, stop = spawn.Pipe(duplex=False)
    with stop, stopped, ProcessPoolExecutor(num, spawn, initializer=_start, initargs=(stopped,)) as pool:
        try:
            yield pool
        except BaseException:
            stop.close()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start(stopped: Connection) -> None:
    """Log lines as in the parent; the worker ends, silently, when it is interrupted, told to, or its parent has ended."""
    show_plainly()
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

    def watch() -> None:
        with suppress(EOFError, OSError):
            stopped.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _SAME:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return {name: found.get(name, "not installed") for name in ("python", *_SAME)}


@contextmanager
def _seen(place: Path | None) -> Iterator[Path | None]:
    """A file of a name that nobody has, in the folder that the workers must see."""
    if place is None:
        yield None
        return
    file = place.resolve() / f".seen-{uuid.uuid4().hex}"
    file.touch()
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def _connected(workers: Workers) -> Iterator[tuple["Client", int]]:
    """A client of the cluster and its number of workers. Raises WorkerError where there is none."""
    try:
        from dask.distributed import Client
    except ImportError:
        raise WorkerError(
            f"machine.cluster is {workers.cluster!r}, which takes Dask\n  next: pip install 'grasp-psonet[cluster]'"
        ) from None
    with _cluster(workers) as address:
        try:
            client = Client(address, timeout=_ANSWERS_WITHIN_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise WorkerError(
                f"no scheduler answers at {workers.cluster}: {error or type(error).__name__}\n"
                "  next: start one (`dask scheduler`), or set machine.cluster to none"
            ) from None
        with client:
            yield client, _num_workers(client, workers)


def _num_workers(client: "Client", workers: Workers) -> int:
    """How many can do the work; where the cluster starts them itself, how many it was asked for."""
    if not workers.cluster.startswith(("tcp://", "tls://")):
        return workers.processes
    found = client.scheduler_info(n_workers=-1)["workers"].values()
    able = [one for one in found if not workers.needs_gpu or one["resources"].get("GPU", 0) >= 1]
    if not able:
        what = (
            "with a resource GPU (`dask worker --resources GPU=1`), which machine.device cuda takes,"
            * workers.needs_gpu
        )
        raise WorkerError(
            f"the scheduler at {workers.cluster} has no worker {what}".rstrip() + "\n"
            "  next: `dask worker` beside it, from the environment that `grasp` runs in"
        )
    return len(able)


@contextmanager
def _cluster(workers: Workers) -> Iterator[Any]:
    """What a client connects to: an address, or a cluster that is started here and ends with the work."""
    if workers.cluster == "local":
        from dask.distributed import LocalCluster

        resources = {"GPU": 1} if workers.needs_gpu else {}
        with LocalCluster(
            n_workers=workers.processes, threads_per_worker=1, dashboard_address=None, resources=resources
        ) as cluster:
            yield cluster
    elif workers.cluster == "slurm":
        with _slurm(workers) as cluster:
            yield cluster
    else:
        yield workers.cluster


@contextmanager
def _slurm(workers: Workers) -> Iterator[Any]:
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError:
        raise WorkerError(
            "machine.cluster is 'slurm', which takes dask-jobqueue\n  next: pip install 'grasp-psonet[cluster]'"
        ) from None
    extra = ["--resources GPU=1"] if workers.needs_gpu else []
    try:
        cluster = SLURMCluster(processes=1, worker_extra_args=extra)
    except (OSError, ValueError) as error:
        raise WorkerError(
            f"no SLURM cluster: {error}\n"
            "  next: queue, cores, memory and walltime stand in Dask's own ~/.config/dask/jobqueue.yaml"
        ) from None
    with cluster:
        cluster.scale(jobs=workers.processes)
        yield cluster
