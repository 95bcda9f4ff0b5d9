"""What all tests share: one thread of torch, so that parallel workers do not fight over cores; one finished study; and how
they are shared out.

The tests of a file stay with one worker (``--dist loadfile``), for they share what it sets up; the finished study is made once
for all workers. One worker begins by making it, the others by what is marked ``long`` and does not read it, so that nobody
waits for it; what takes no time comes last, so that the workers end together.
"""

import contextlib
import fcntl
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grasp_psonet.cli import main

_BENCHMARKS = Path(__file__).parent / "benchmarks"
_MAKES_THE_DEMO = Path(__file__).parent / "golden" / "test_golden.py"


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch  # not by the process that only hands the tests out

    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk() -> Iterator[None]:
    """No test cuts the power: a pipeline waits 320 times for the disk, some 2 seconds of it. Other processes wait as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def tiny_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished tiny demo. A test that changes anything in it works on a copy.

    Made in the test's process, which changes no byte (the killed pipeline runs and retrains in others) and spares loading
    torch again. The worker that comes first makes it, in a folder that all workers see; the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    study = shared / "tiny-demo" / "tiny"
    with (shared / "tiny-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not study.parent.exists():
            _make_demo(study)
    return study


def _make_demo(study: Path) -> None:
    made = study.parent.with_name("tiny-demo.being-made") / study.name
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert main(["demo", str(made), "--preset", "tiny", "--machine.processes", "1"]) == 0
    assert "report.html" in told.getvalue()
    made.parent.rename(study.parent)
    assert (
        main(["run", str(study)]) == 0
    )  # notes the digests of its photos where they now lie: later looks write nothing


@pytest.hookimpl(tryfirst=True)  # before markers choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _BENCHMARKS in item.path.parents:
            item.add_marker("benchmark")
    items.sort(key=lambda item: (item.path != _MAKES_THE_DEMO, not _is_long(item), _reads_the_demo(item)))


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


def _reads_the_demo(item: pytest.Item) -> bool:
    return "tiny_demo" in getattr(item, "fixturenames", ())
