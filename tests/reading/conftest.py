"""The app of a small study: made once, copied for each test."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("django", reason="the extra `reading` is not installed")

from tests.reading.playground import Playground, copied, make_playground


@pytest.fixture(scope="module")
def memory_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, where there is such a place: a real server waits for the disk at every answer, and no test here
    cuts the power."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="grasp-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return make_playground(tmp_path_factory.mktemp("reading") / "study")


@pytest.fixture
def playground(template: Playground, tmp_path: Path) -> Iterator[Playground]:
    """A study of one's own, with a round that is not open."""
    from django.db import connections

    yield copied(template, tmp_path / "study")
    connections.close_all()


@pytest.fixture
def opened(playground: Playground) -> Playground:
    """The same with an open round."""
    playground.open_round()
    return playground
