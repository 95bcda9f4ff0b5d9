"""The hostile-input suite itself: how many cases it has, that no two are one, and that each is bounded in time and memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUITE = ("tests/cohort/test_hostile_tables.py", "tests/photos/test_hostile.py", "tests/photos/test_hostile_places.py")
BOUNDS = {"folder", "_bounded"}  # fixtures that measure time and memory of a case
FEWEST = 250
COLLECT = """
import json, sys, pytest
class Recorder:
    def pytest_collection_finish(self, session):
        found = [[item.nodeid, sorted(item.fixturenames)] for item in session.items]
        print("FOUND" + json.dumps(found))
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[Recorder()]))
"""


def _collected() -> list[tuple[str, list[str]]]:
    """Name and fixtures of each case of the suite, by a collection of its own."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, *SUITE], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    found: list[tuple[str, list[str]]] = json.loads(line.removeprefix("FOUND"))
    return found


@pytest.mark.process
def test_the_suite_has_its_cases_and_bounds_each(request: pytest.FixtureRequest) -> None:
    here = [
        (item.nodeid, sorted(item.fixturenames))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.nodeid.split("::")[0] in SUITE
    ]
    is_whole = {name.split("::")[0] for name, _ in here} == set(SUITE) and len(request.session.items) > 2000
    cases = here if is_whole else _collected()  # a run of all tests has collected them
    names = [name for name, _ in cases]
    assert len(set(names)) == len(names)
    assert len(names) >= FEWEST, f"{len(names)} cases"
    for part in SUITE:
        assert any(name.startswith(part) for name in names), part
    of_strings = ("test_no_cell_is_a_formula", "test_no_part_of_a_row", "test_formulas_at_any_place", "test_any_bytes")
    unbounded = [
        name
        for name, fixtures in cases
        if not BOUNDS & set(fixtures) and not name.split("::")[1].startswith(of_strings)
    ]
    assert unbounded == [], "each case measures its time"
