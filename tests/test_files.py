"""Files are written whole or not at all, and every fault of the disk is told with the file's name."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from grasp_psonet.errors import FileError
from grasp_psonet.files import read_json, reading, sweep, write_json, write_whole

FULL = Path("/dev/full")  # every write to it ends as on a disk without space


def test_a_file_stands_only_once_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "out.txt"
    place.write_text("before")
    seen = []

    def write(beside: Path) -> None:
        beside.write_text("half")
        seen.append(place.read_text())
        beside.write_text("whole")

    write_whole(place, write)
    assert seen == ["before"]
    assert place.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "out.txt"
    place.write_text("before")

    def write(beside: Path) -> None:
        beside.write_text("half")
        raise ValueError("the program's own")

    with pytest.raises(ValueError, match="the program's own"):
        write_whole(place, write)
    assert place.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize(
    "write",
    [
        lambda: FULL.write_text("x" * 100_000),
        lambda: save_file({"weight": np.zeros(100_000)}, FULL),
        lambda: pd.DataFrame({"x": np.arange(100_000)}).to_parquet(FULL),
    ],
    ids=["text", "safetensors", "parquet"],
)
def test_a_full_disk_is_told_with_the_file_and_what_to_do(tmp_path: Path, write: object) -> None:
    with pytest.raises(FileError, match=r"(?s)step-7\.safetensors cannot be written: .*\n  next: make room"):
        write_whole(tmp_path / "step-7.safetensors", lambda beside: write())  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere/out\.json cannot be written: No such file or directory"):
        write_json(tmp_path / "nowhere/out.json", {})


def test_what_a_killed_writer_leaves_is_swept_whatever_its_library_called_it(tmp_path: Path) -> None:
    """The kill is a fork that ends without a word, in the middle of a write beside which a library keeps a file of its own."""
    place = tmp_path / "anchors/step-7.safetensors"
    place.parent.mkdir()

    def write(beside: Path) -> None:
        beside.with_name(".tmpOfTheLibrary").write_text("ha")
        os._exit(0)

    child = os.fork()
    if child == 0:
        write_whole(place, write)
    os.waitpid(child, 0)
    left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ["anchors/step-7.safetensors.partial/.tmpOfTheLibrary"]
    sweep(tmp_path)
    assert list(place.parent.iterdir()) == []
    write_whole(place, lambda beside: beside.write_text("whole"))
    assert [path.name for path in place.parent.iterdir()] == ["step-7.safetensors"]


def test_json_keeps_the_order_that_it_is_told(tmp_path: Path) -> None:
    write_json(tmp_path / "out.json", {"b": 1, "a": 2}, sort_keys=False)
    assert list(json.loads((tmp_path / "out.json").read_text())) == ["b", "a"]


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    table, note = tmp_path / "table.parquet", tmp_path / "note.json"
    pd.DataFrame({"x": range(1000)}).to_parquet(table)
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(FileError, match=r"table\.parquet cannot be read"), reading(table):
        pd.read_parquet(table)
    note.write_bytes(b'{"a": "\xff')
    with pytest.raises(FileError, match=r"note\.json cannot be read"):
        read_json(note)
    with pytest.raises(ZeroDivisionError), reading(note):
        raise ZeroDivisionError
