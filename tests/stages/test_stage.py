"""A stage is missing, partial or complete; it knows what made it, and leaves all or nothing."""

import errno
import importlib.metadata
import os
from dataclasses import replace
from pathlib import Path

import pytest

from grasp_psonet import proof, stage
from grasp_psonet.errors import FileError, StageError
from grasp_psonet.proof import read_note
from grasp_psonet.stage import Task, judge, run_task


class _Work:
    """A task that writes its settings into one file, and counts how often it ran."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source.txt"
        self.source.write_text("one")
        self.place = folder / "stage"
        self.made = 0
        self.fail_after_writing = False

    def task(self, value: int = 1, resumable: bool = False) -> Task:
        def make(folder: Path) -> None:
            self.made += 1
            self.left_before = sorted(path.name for path in folder.iterdir())
            (folder / "out.txt").write_text(f"{value} {self.source.read_text()}")
            if self.fail_after_writing:
                raise KeyboardInterrupt

        return Task("work", self.place, {"group": {"value": value}}, {"source": self.source}, make, resumable)


@pytest.fixture
def work(tmp_path: Path) -> _Work:
    return _Work(tmp_path)


def test_a_complete_stage_stands_and_a_second_run_skips_it(work: _Work) -> None:
    assert judge(work.task()).state == "missing"
    assert run_task(work.task())
    assert judge(work.task()).state == "valid"
    assert not run_task(work.task())
    assert work.made == 1


def test_a_changed_setting_or_input_is_named_and_redone(work: _Work) -> None:
    run_task(work.task())
    assert judge(work.task(2)).why == "setting changed: group.value"
    work.source.write_text("two")
    assert judge(work.task()).why == "input changed: source"
    assert run_task(work.task())
    assert (work.place / "out.txt").read_text() == "1 two"


def test_an_interrupted_stage_leaves_its_place_empty_and_starts_afresh(work: _Work) -> None:
    work.fail_after_writing = True
    with pytest.raises(KeyboardInterrupt):
        run_task(work.task())
    assert not work.place.exists()
    assert judge(work.task()).state == "partial"
    work.fail_after_writing = False
    run_task(work.task())
    assert work.left_before == ["identity.json"]
    assert judge(work.task()).state == "valid"


def test_a_resumable_stage_gets_back_what_it_left_but_not_from_other_settings(work: _Work) -> None:
    work.fail_after_writing = True
    with pytest.raises(KeyboardInterrupt):
        run_task(work.task(resumable=True))
    with pytest.raises(KeyboardInterrupt):
        run_task(work.task(resumable=True))
    assert work.left_before == ["identity.json", "out.txt"]
    with pytest.raises(KeyboardInterrupt):
        run_task(work.task(2, resumable=True))
    assert work.left_before == ["identity.json"]


def test_the_verdict_on_a_partial_stage_says_whether_it_goes_on(work: _Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.fail_after_writing = True
    with pytest.raises(KeyboardInterrupt):
        run_task(work.task(resumable=True))
    assert judge(work.task(resumable=True)).why == "was interrupted; goes on where it stopped"
    other = "was interrupted under other {}; starts again"
    assert judge(work.task(2, resumable=True)).why == other.format("settings (group.value)")
    assert judge(work.task(2)).why == "was interrupted"
    work.source.write_text("two")
    assert judge(work.task(resumable=True)).why == other.format("inputs (source)")
    work.source.write_text("one")
    monkeypatch.setattr(stage, "versions", lambda: {"python": "0"})
    assert judge(work.task(resumable=True)).why.startswith("was interrupted under other versions (")
    (work.place.with_name("stage.partial") / "identity.json").unlink()
    assert judge(work.task(resumable=True)).why == "was interrupted; starts again"


def test_a_resumed_stage_is_closed_without_what_a_killed_writer_left(work: _Work) -> None:
    work.fail_after_writing = True
    with pytest.raises(KeyboardInterrupt):
        run_task(work.task(resumable=True))
    left = work.place.with_name("stage.partial") / "anchors/step-7.safetensors.partial/.tmpOfTheLibrary"
    left.parent.mkdir(parents=True)
    left.write_text("ha")
    work.fail_after_writing = False
    run_task(work.task(resumable=True))
    assert "out.txt" in work.left_before, "it began afresh: nothing was there to sweep"
    assert not list(work.place.rglob("*OfTheLibrary"))


def test_two_processes_never_fill_the_same_folder(work: _Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second holder of the folder is refused (flock tells two openings of a folder apart within a process too)."""
    monkeypatch.setattr(stage, "_PATIENCE_S", 0.3)

    def make_while_another_tries(folder: Path) -> None:
        with pytest.raises(StageError, match="another process is at work"):
            run_task(work.task())
        (folder / "out.txt").write_text("first")

    run_task(replace(work.task(), make=make_while_another_tries))
    assert (work.place / "out.txt").read_text() == "first"


def test_a_failed_redo_keeps_the_old_stage(work: _Work) -> None:
    run_task(work.task())
    work.fail_after_writing = True
    with pytest.raises(KeyboardInterrupt):
        run_task(work.task(2))
    assert (work.place / "out.txt").read_text() == "1 one"


def test_a_missing_input_is_named(work: _Work) -> None:
    work.source.unlink()
    assert judge(work.task()).state == "waiting"
    with pytest.raises(StageError, match="needs source first"):
        run_task(work.task())


def test_nothing_in_the_note_depends_on_the_clock(work: _Work) -> None:
    run_task(work.task())
    first = (work.place / "stage.json").read_bytes()
    run_task(work.task(2))
    run_task(work.task(1))
    assert (work.place / "stage.json").read_bytes() == first


def test_a_damaged_note_is_told(work: _Work) -> None:
    run_task(work.task())
    (work.place / "stage.json").write_text("{")
    with pytest.raises(StageError, match=r"(?s)is damaged.*delete the folder"):
        read_note(work.place)


def test_a_stage_killed_between_its_note_and_its_place_is_only_moved(work: _Work) -> None:
    run_task(work.task())
    whole = {path.name: path.read_bytes() for path in work.place.iterdir()}
    work.place.rename(work.place.with_name("stage.partial"))
    assert judge(work.task()).state == "partial"
    assert run_task(work.task())
    assert work.made == 1
    assert {path.name: path.read_bytes() for path in work.place.iterdir()} == whole
    work.place.rename(work.place.with_name("stage.partial"))
    run_task(work.task(2))
    assert work.made == 2


def test_a_package_that_runs_from_its_source_has_no_version_and_still_leaves_its_note(
    work: _Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "grasp-psonet":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(stage, "_version", stage._version.__wrapped__)  # a version is read once per process
    assert run_task(work.task())
    noted = read_note(work.place)["versions"]
    assert noted["grasp-psonet"] == "not installed"
    assert noted["numpy"] == real("numpy")


def test_what_stood_is_parked_until_the_new_one_stands(work: _Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the two renames: the place is empty, the old and the new lie beside it, and either way goes on."""
    run_task(work.task())
    parked, partial = work.place.with_name("stage.old"), work.place.with_name("stage.partial")
    rename = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self == partial:
            raise KeyboardInterrupt
        return rename(self, target)

    for value, text in ((2, "2 one"), (1, "1 one")):  # go on with the new settings, or back to the old
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", killed)
            with pytest.raises(KeyboardInterrupt):
                run_task(work.task(2))
        assert not work.place.exists()
        assert (parked / "out.txt").read_text() == "1 one"
        made = work.made
        run_task(work.task(value))
        assert work.made == made, "what was whole is made again"
        assert (work.place / "out.txt").read_text() == text
        assert not parked.exists()
        run_task(work.task(1))


def test_an_input_is_proven_before_it_is_used(work: _Work) -> None:
    run_task(work.task())
    source = work.place / "out.txt"
    after = replace(work.task(), title="after", folder=work.place.with_name("after"), inputs={"work": work.place})
    about = source.stat()
    source.write_text("9 one")
    os.utime(source, ns=(about.st_atime_ns, about.st_mtime_ns))
    proof._proven.clear()  # as in a new process
    with pytest.raises(StageError, match=r"stage/out\.txt is damaged: its 5 bytes are not those that were made"):
        run_task(after)
    assert not after.folder.exists()


def test_a_note_that_cannot_be_written_leaves_the_stage_as_it_was(work: _Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"cannot be written: No space left on device"):
        run_task(work.task())
    assert not work.place.exists()
