"""Original photos are read again only when they have changed, and the note of them decides nothing."""

import os
import shutil
import time
from pathlib import Path

import pytest

from grasp_psonet.cli import main
from grasp_psonet.errors import PhotoError
from grasp_psonet.settings import load
from grasp_psonet.stages.checking import photo_digests
from grasp_psonet.stages.checking.photo_digests import NOTE, photo_files_digest
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("photos") / "study"
    words = ["--cohort.num_views", "1", "--cohort.edge_px", "32", "--machine.processes", "1"]
    assert main(["cohort", str(study), "--preset", "tiny", *words]) == 0
    long_ago_ns = time.time_ns() - 10**12
    for photo in (study / "photos").rglob("*.jpg"):
        os.utime(photo, ns=(long_ago_ns, long_ago_ns))
    return study


@pytest.fixture
def study(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "study"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The photos that were read, as they are."""
    found: list[Path] = []
    file_digest = photo_digests.file_digest

    def counted(path: Path) -> str:
        found.append(path)
        return file_digest(path)

    monkeypatch.setattr(photo_digests, "file_digest", counted)
    return found


def _digest(study: Path) -> str:
    return photo_files_digest(Job(Study(study), load(study / "study.yaml")))


def test_only_a_changed_photo_is_read_again(study: Path, read: list[Path]) -> None:
    photos = sorted((study / "photos").rglob("*.jpg"))
    first = _digest(study)
    assert sorted(read) == photos
    read.clear()
    assert _digest(study) == first
    assert read == []
    with photos[3].open("ab") as file:
        file.write(b"more")
    assert _digest(study) != first
    assert read == [photos[3]]


def test_a_photo_that_changed_a_moment_ago_is_read_again(study: Path, read: list[Path]) -> None:
    photo = sorted((study / "photos").rglob("*.jpg"))[0]
    os.utime(photo)
    _digest(study)
    read.clear()
    _digest(study)
    assert read == [photo]


@pytest.mark.parametrize("damage", ["deleted", "emptied", "another digest", "not UTF-8"])
def test_a_damaged_note_costs_a_reading_and_nothing_else(study: Path, read: list[Path], damage: str) -> None:
    first = _digest(study)
    note = study / NOTE
    if damage == "deleted":
        note.unlink()
    elif damage == "emptied":
        note.write_text("")
    elif damage == "not UTF-8":
        note.write_bytes(note.read_bytes()[:100] + b"\xff" + note.read_bytes()[101:])
    else:
        text = note.read_text()
        at = text.rindex('"', 0, text.rindex("]")) - 1
        note.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    read.clear()
    assert _digest(study) == first
    assert len(read) == len(list((study / "photos").rglob("*.jpg")))


def test_a_photo_that_went_away_is_named_also_by_the_note(study: Path) -> None:
    _digest(study)
    gone = sorted((study / "photos").rglob("*.jpg"))[5]
    gone.unlink()
    with pytest.raises(PhotoError, match=gone.name):
        _digest(study)


def test_another_order_of_photos_csv_is_another_digest(study: Path) -> None:
    first = _digest(study)
    header, one, two, *rest = (study / "photos.csv").read_text().splitlines()
    (study / "photos.csv").write_text("\n".join([header, two, one, *rest]) + "\n")
    assert _digest(study) != first
