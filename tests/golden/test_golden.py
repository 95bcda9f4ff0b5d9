"""No number moves: the tiny study gives the contents that were written down."""

import json
from pathlib import Path

import pytest

from tests.golden.content import content_digests, differences, machine, values

pytestmark = pytest.mark.long

GOLDEN = Path(__file__).with_name("tiny.json")


@pytest.mark.process
def test_the_tiny_study_gives_the_contents_written_down(tiny_demo: Path) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = content_digests(tiny_demo)
    if golden["machine"] == machine():
        assert differences(found, golden["digests"]) == []
    assert found.keys() == golden["digests"].keys()
    for what, tolerance in (("probability", 1e-4), ("score", 1e-3 * max(map(abs, golden["values"]["score"].values())))):
        # other processors add floats in another order
        assert values(tiny_demo)[what] == pytest.approx(golden["values"][what], rel=0, abs=tolerance)
