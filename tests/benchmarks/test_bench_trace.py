"""The trace benchmark's short form: every figure is there, and the ways of scoring agree."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.trace import main

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
CONVNEXT = {"convnext_tiny_224_q1", "convnext_tiny_224_q9", "convnext_tiny_224_q64", "demo_convnext_q9"}
KEYS = CONVNEXT | {"vit_small_224_q9", "demo_vit_q9"}


@pytest.mark.process
@pytest.mark.nightly
def test_short_form_has_every_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Here, but for the figures of memory: each of those has a process of its own."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["trace", "--short", "--neighbours", "vmap"])
    main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    others = {
        "vmap",
        "vmap_vit",
        "memory",
        "device",
        "threads",
        "cpu_s",
        "details",
        "together_over_training",
        "projection_spearman_4096",
    }
    others |= {"families_median", "families_worst"}
    assert KEYS | others == figures.keys()
    for key in KEYS:
        told = figures["details"][key]
        assert figures[key] == round(told["ratio"], 3)
        assert told["ours_photos_per_s"] == pytest.approx(told["num_photos"] / told["ours_s"])
    ratios = figures["details"]["families"]["families"].values()
    assert 0 < min(ratios) <= figures["families_median"] <= figures["families_worst"] == max(ratios)
    for neighbours in ("neighbours", "neighbours_vit"):
        assert 0 < figures["details"][neighbours]["largest_gap_over_largest_score"]["vmap"] < 1e-4
    memory = figures["memory"]["ours_and_step"]["demo_convnext_q9"]
    assert memory["step_bytes"] / 10 < memory["ours_bytes"] < 10 * memory["step_bytes"]
