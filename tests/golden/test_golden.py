"""No number moves: the tiny study gives the contents that were written down."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.content import content_digests, differences, machine

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
    else:  # other processors add floats in another order: names of files, and what no float sum is in
        assert found.keys() == golden["digests"].keys()
        drawn = {name: digest for name, digest in found.items() if Path(name).parent.name in ("", "store")}
        assert {name: golden["digests"][name] for name in drawn if name.endswith(".csv")} == {
            name: digest for name, digest in drawn.items() if name.endswith(".csv")
        }
