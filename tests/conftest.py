"""What all tests share: one thread of torch, so that parallel workers do not fight over cores; one finished study; and how
they are shared out.

The tests of a file stay with one worker, for they share what it sets up; those marked ``alone`` need nothing of it. All that
read the finished study stay with one worker, which makes it once. What is marked ``long`` goes first, so that no worker is
left with it at the end.
"""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch  # not by the process that only hands the tests out

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished tiny demo, as the real command makes it. A test that changes anything in it works on a copy.

    All in one process, which changes no byte (the killed pipeline retrains in others) and spares loading torch in each.
    """
    study = tmp_path_factory.mktemp("demo") / "tiny"
    command = [sys.executable, "-m", "grasp_psonet", "demo", str(study), "--preset", "tiny", "--machine.processes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    return study


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (item.get_closest_marker("long") is None, not _reads_the_demo(item)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    if _reads_the_demo(item):
        return "tiny_demo"
    return item.nodeid if item.get_closest_marker("alone") else item.nodeid.partition("::")[0]


def _reads_the_demo(item: pytest.Item) -> bool:
    return "tiny_demo" in getattr(item, "fixturenames", ())
