"""No number moves: the tiny study gives the contents that were written down."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.content import content_digests, differences, machine, values

pytestmark = pytest.mark.long

GOLDEN = Path(__file__).with_name("tiny.json")


@pytest.mark.process
def test_the_tiny_study_gives_the_contents_written_down(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grasp_psonet", "demo", str(tmp_path / "tiny"), "--preset", "tiny"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = content_digests(tmp_path / "tiny")
    if golden["machine"] == machine():
        assert differences(found, golden["digests"]) == []
    assert found.keys() == golden["digests"].keys()
    for what, tolerance in (("probability", 1e-4), ("score", 1e-3 * max(map(abs, golden["values"]["score"].values())))):
        # other processors add floats in another order
        assert values(tmp_path / "tiny")[what] == pytest.approx(golden["values"][what], rel=0, abs=tolerance)
