"""Files are written whole or not at all, and every fault of the disk is told with the file's name."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from grasp_psonet.errors import FileError
from grasp_psonet.files import read_json, reading, write_json, write_whole

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
