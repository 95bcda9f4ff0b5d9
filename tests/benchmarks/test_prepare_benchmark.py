"""The benchmark of preparing: both ways make the same pictures of the files that it draws."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import photo_findings, prepare
from grasp_psonet.cli import main
from grasp_psonet.photos.store import open_store


def test_both_ways_make_the_same_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "SIZE", (1200, 900))
    monkeypatch.setattr(prepare, "PROCESSES", 1)
    photos = tmp_path / "photos"
    photos.mkdir()
    prepare.draw_photos(photos, 6)
    files = sorted(photos.iterdir())
    assert len({file.read_bytes() for file in files}) == 6, "equal files would be read from memory"
    plain = prepare.plain_loop(photos, 6)
    prepare.ours(photos, 6, tmp_path / "store")
    made = open_store(tmp_path / "store").pixels
    assert np.abs(plain.astype(int) - made).mean() < 0.5
    assert np.abs(plain[0].astype(int) - plain[1]).mean() > 5, "all scenes are alike: nothing is proved"
    told = prepare.one("plain", photos, 6)
    assert set(told) == {"seconds", "cpu_s", "peak_mib"}
    assert told["cpu_s"] > 0


def test_what_is_said_of_photos_is_held_against_what_was_planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_findings, "_COPIED", 20)
    small = ["--photos.edge_px", "48", "--cohort.num_views", "4", "--machine.processes", "1"]
    assert main(["init", str(tmp_path / "study"), "--preset", "tiny"]) == 0
    found = photo_findings.figures_of(tmp_path / "study", *small)
    assert found["photos"] > 40
    assert set(found["named"]) == set(found["planted"]) == {"blur", "under_exposure"}
    assert all(found["named"][what] <= found["planted"][what] for what in found["planted"])
    assert found["copies_found"]["darker"] > 0.8
    assert found["copies_found"]["cropped_by_a_tenth"] < 0.5
