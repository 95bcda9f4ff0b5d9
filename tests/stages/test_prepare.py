"""``grasp check`` and ``grasp prepare`` on photos of one's own: copies, leaks, pipes, damage, interruption."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.cli import main
from grasp_psonet.photos import workers
from grasp_psonet.settings import load
from grasp_psonet.stages.checking.photo_digests import NOTE
from grasp_psonet.stages.declared.declaring import needs_of, recorded
from grasp_psonet.stages.declared.needs import PrepareNeeds, TrainNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study
from tests.photos.scene import HEIC
from tests.photos.test_near import blotches

pytestmark = pytest.mark.long

NUM_VISITS = 12


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """12 visits of 6 patients with two photos each, in all three splits."""
    folder = tmp_path / "study"
    (folder / "photos").mkdir(parents=True)
    splits = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    classes = ["mild", "moderate", "severe"] * 4
    visits = [(f"v{n}", f"p{n // 2 if n < 6 else n}", classes[n], splits[n]) for n in range(NUM_VISITS)]
    pd.DataFrame(visits, columns=["visit_id", "patient_id", "severity_reader1", "split"]).to_csv(
        folder / "visits.csv", index=False
    )
    rows = []
    for n in range(2 * NUM_VISITS):
        Image.fromarray(blotches(n)).save(folder / f"photos/{n}.jpg", quality=90)
        rows.append((f"ph{n}", f"v{n // 2}", "face" if n % 2 else "back", f"photos/{n}.jpg"))
    pd.DataFrame(rows, columns=["photo_id", "visit_id", "view", "path"]).to_csv(folder / "photos.csv", index=False)
    (folder / "study.yaml").write_text("photos: {edge_px: 32}\nmachine: {processes: 1}\nnetwork: {weights: random}\n")
    return folder


def _told(words: list[str], capsys: pytest.CaptureFixture[str], code: int) -> str:
    capsys.readouterr()
    assert main(words) == code
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return told.out + told.err


def test_the_same_bytes_in_two_splits_stop_check_and_prepare(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(study / "photos/0.jpg", study / "photos/23.jpg")
    shutil.copy(study / "photos/2.jpg", study / "photos/3.jpg")  # both of visit v1: a note
    for command in ("check", "prepare"):
        told = _told([command, str(study)], capsys, 1)
        assert (
            "equal bytes) of different splits: ph0 (split train, patient_id p0, visit_id v0), ph23 (split test" in told
        )
    assert "note: the same photo (equal bytes) of one visit: ph2" in _told(["check", str(study)], capsys, 1)
    assert not (study / "store").exists()
    accepted = ["--photos.duplicates", "accept"]
    _told(["prepare", str(study), *accepted], capsys, 0)
    pairs = pd.read_parquet(study / "quality/near_duplicates.parquet")
    assert pairs[["photo_id", "other_photo_id", "across"]].to_numpy().tolist() == [
        ["ph0", "ph23", "splits"],
        ["ph2", "ph3", "visit"],
    ]
    assert "note: the same photo (equal bytes) of different splits" in _told(
        ["check", str(study), *accepted], capsys, 0
    )


def test_a_copy_stored_anew_in_another_split_is_a_leak(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open(study / "photos/0.jpg") as image:
        image.resize((48, 48)).save(study / "photos/23.png")
    photos = pd.read_csv(study / "photos.csv")
    photos.loc[23, "path"] = "photos/23.png"
    photos.to_csv(study / "photos.csv", index=False)
    told = _told(["prepare", str(study)], capsys, 1)
    assert "1 pair(s) of photos look almost the same in two splits" in told
    assert "ph0 (visit v0) and ph23 (visit v11)" in told
    assert not (study / "quality").exists()
    _told(["prepare", str(study), "--photos.duplicates", "accept"], capsys, 0)
    photos.loc[23, "path"] = "photos/23.jpg"
    photos.to_csv(study / "photos.csv", index=False)
    _told(["prepare", str(study)], capsys, 0)
    assert pd.read_parquet(study / "quality/near_duplicates.parquet").empty


def test_a_mirrored_copy_is_a_leak_and_check_says_who_looks_for_copies(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Image.open(study / "photos/0.jpg") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(study / "photos/23.jpg", quality=90)
    told = _told(["check", str(study)], capsys, 0)
    assert "mirrored or turned) are looked for by `grasp prepare`; here, files of equal bytes alone" in told
    told = _told(["prepare", str(study)], capsys, 1)
    assert "ph0 (visit v0) and ph23 (visit v11), correlation" in told
    assert ", mirrored\n" in told
    _told(["prepare", str(study), "--photos.duplicates", "accept"], capsys, 0)
    told = _told(["check", str(study), "--photos.duplicates", "accept"], capsys, 0)
    assert "mirrored or turned): 1 across splits (quality/near_duplicates.parquet), as `grasp prepare` found" in told
    (study / "quality/near_duplicates.parquet").write_bytes(b"torn")
    assert "are looked for by `grasp prepare`" in _told(
        ["check", str(study), "--photos.duplicates", "accept"], capsys, 0
    )


def test_pipes_and_links_out_are_named_and_nothing_waits(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (study / "photos/1.jpg").unlink()
    os.mkfifo(study / "photos/1.jpg")
    shutil.move(study / "photos/2.jpg", tmp_path / "2.jpg")
    (study / "photos/2.jpg").symlink_to(tmp_path / "2.jpg")
    told = _told(["check", str(study)], capsys, 1)
    assert "photos.csv row 3, path 'photos/1.jpg': cannot be opened: it is a pipe" in told
    assert "photos.csv row 4, path 'photos/2.jpg': is reached by a link that leads out of" in told
    monkeypatch.chdir(study)
    standing_in_it = _told(["check", "."], capsys, 1)
    assert "2 fault(s)" in standing_in_it, "the other photos are there"
    assert "photos.csv row 3, path 'photos/1.jpg': cannot be opened: it is a pipe" in standing_in_it
    assert "2 of 24 photos of photos.csv are not there" in _told(["prepare", str(study)], capsys, 1)
    told = _told(["check", str(study), "--photos.links", "anywhere"], capsys, 1)
    assert "row 4" not in told


def test_an_interrupted_prepare_goes_on_with_the_next_photo(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, decoded = workers.decode_photo, []

    def stopping(path: Path, *how: Any) -> Any:
        if len(decoded) == 9:
            raise KeyboardInterrupt
        decoded.append(path.name)
        return real(path, *how)

    monkeypatch.setattr(workers, "decode_photo", stopping)
    assert "run the same command again to go on" in _told(["prepare", str(study)], capsys, 130)
    decoded += ["here"]
    assert "goes on where it stopped" in _told(["prepare", str(study)], capsys, 0)
    assert decoded == [f"{n}.jpg" for n in range(9)] + ["here"] + [f"{n}.jpg" for n in range(9, 24)]
    assert not (study / "store/journal.jsonl").exists()


def test_formats_stand_side_by_side(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = pd.read_csv(study / "photos.csv")
    for row, kind in ((0, "webp"), (1, "tiff"), (2, "png")):
        with Image.open(study / f"photos/{row}.jpg") as image:
            image.save(study / f"photos/{row}.{kind}")
        photos.loc[row, "path"] = f"photos/{row}.{kind}"
    shutil.copy(HEIC / "orientation-6.heic", study / "photos/3.heic")
    photos.loc[3, "path"] = "photos/3.heic"
    photos.to_csv(study / "photos.csv", index=False)
    _told(["check", str(study)], capsys, 0)
    _told(["prepare", str(study), "--machine.processes", "2"], capsys, 0)
    index = pd.read_parquet(study / "store/index.parquet")
    assert (index["width_px"][3], index["height_px"][3]) == (120, 80)
    assert np.load(study / "store/photos.npy").std(axis=(1, 2, 3)).min() > 5


def test_nothing_is_told_of_when_photos_were_taken_or_where_they_lie(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The note of what was read: no absolute path, no time of a file, which is often that of the shot."""
    taken_ns = 1_600_000_000_123_456_789
    os.utime(study / "photos/0.jpg", ns=(taken_ns, taken_ns))
    _told(["prepare", str(study)], capsys, 0)
    note = (study / NOTE).read_text()
    assert "photos/0.jpg" in note
    for secret in (str(taken_ns), str(taken_ns // 10**9), str(study), str(study.resolve())):
        assert secret not in note


def test_settings_added_later_leave_stages_made_before_as_they_are(study: Path) -> None:
    """Recorded only where they are not what all stages before them were made with; and read back where they are."""
    plain = load(study / "study.yaml")
    assert recorded(needs_of(PrepareNeeds, plain)) == {"photos.edge_px": 32}
    assert "photos.fit" not in recorded(needs_of(TrainNeeds, plain))
    padded = load(study / "study.yaml", {"photos.fit": "pad", "photos.damaged": "skip"})
    wanted = {"photos.edge_px": 32, "photos.fit": "pad", "photos.damaged": "skip"}
    assert recorded(needs_of(PrepareNeeds, padded)) == wanted
    assert recorded(needs_of(TrainNeeds, padded))["photos.fit"] == "pad"
    assert Job(Study(study), padded).settings.photos.fit == "pad"
