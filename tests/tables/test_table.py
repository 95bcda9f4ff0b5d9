"""A table is written whole and right, read as it is stated, and refused in words where it is not."""

import contextlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from grasp_psonet.errors import FileError, StageError, TableError
from grasp_psonet.tables.catalogue import TABLES
from grasp_psonet.tables.columns import LABEL, LOSS, PHOTO_ID, QUERY_ID, SCORE, VISIT_ID, logit_columns
from grasp_psonet.tables.schemas.audit import AUDIT_VISITS
from grasp_psonet.tables.schemas.runs import PREDICTIONS, STEPS
from grasp_psonet.tables.schemas.traces import KEEP_LIST, QUERIES, SCORES
from grasp_psonet.tables.table import Table
from tests.long_forms import nightly
from tests.tables.frames import frame_of
from tests.tables.of_study import tables_at

pytestmark = pytest.mark.long

FILES = [table for table in TABLES if table.pattern.endswith(".parquet")]
every_file = pytest.mark.parametrize("table", FILES, ids=lambda table: table.pattern)


@every_file
@pytest.mark.parametrize("num_rows", [0, nightly(1), 50])
def test_a_table_comes_back_as_it_was(table: Table, num_rows: int, tmp_path: Path) -> None:
    written = frame_of(table, num_rows)
    table.write(written, tmp_path / "table.parquet")
    read = table.read(tmp_path / "table.parquet")
    assert_frame_equal(read, written)
    if num_rows == 50:
        nullable = [column.name for column in table.columns if column.nullable and column.place is None]
        assert read[nullable].isna().any().all(), "nothing was missing: the comparison would prove little"


@settings(max_examples=15, deadline=None)
@given(table=st.sampled_from(FILES), num_rows=st.integers(0, 30), seed=st.integers(0, 2**32), data=st.data())
def test_some_columns_are_those_of_the_whole(
    table: Table, num_rows: int, seed: int, data: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("some") / "table.parquet"
    written = frame_of(table, num_rows, seed)
    table.write(written, path)
    asked = data.draw(st.lists(st.sampled_from(list(written)), min_size=1, unique=True))
    assert_frame_equal(table.read(path, columns=asked), written[asked])


def test_every_place_is_one_table() -> None:
    for table in FILES:
        path = PurePosixPath(table.pattern.replace("*", "baseline"))
        assert tables_at(path) == [table]
        assert tables_at("deeper" / path) == []
    assert tables_at(PurePosixPath("runs/baseline/notes.parquet")) == []


def test_columns_follow_the_names_of_the_classes() -> None:
    classes = ("klar", "fast klar", "leicht", "mäßig", "schwer")
    named = PREDICTIONS.named({"class": classes})
    frame = frame_of(PREDICTIONS, 3)
    assert logit_columns(classes) == [column.name for column in named.columns if column.name.startswith("logit_")]
    assert not PREDICTIONS.faults(frame)
    faults = named.faults(frame)
    assert "it has no column 'p_klar'" in faults
    assert "column 'p_mild' is none of its own" in faults


def test_a_column_of_its_own_goes_before_one_of_many() -> None:
    column = AUDIT_VISITS.column("cutoff_distance_reader1")
    assert column is not None
    assert column.place is None
    many = AUDIT_VISITS.column("iga_reader1")
    assert many is not None
    assert many.place == "score"


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "lacking": (lambda frame: frame.drop(columns=VISIT_ID), "it has no column 'visit_id'"),
    "unknown": (lambda frame: frame.assign(rank=1), "column 'rank' is none of its own"),
    "out of order": (lambda frame: frame[[SCORE, QUERY_ID, PHOTO_ID, VISIT_ID]], "its columns are out of order: score"),
    "text as number": (lambda frame: frame.assign(visit_id=range(len(frame))), "visit_id is int64; wanted: text"),
    "number as text": (lambda frame: frame.assign(score="0.1"), "score is text; wanted: float64"),
    "missing": (lambda frame: frame.assign(photo_id=frame[PHOTO_ID].where(frame.index != 2)), "first in row 2"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_wrong_frame_is_not_written(case: str, tmp_path: Path) -> None:
    spoil, told = FAULTS[case]
    with pytest.raises(TableError, match=r"scores\.parquet cannot be written as the scores of a trace") as refused:
        SCORES.write(spoil(frame_of(SCORES, 5)), tmp_path / "scores.parquet")
    assert told in str(refused.value)
    assert "next: " in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_all_faults_of_a_frame_are_told_at_once(tmp_path: Path) -> None:
    spoilt = frame_of(QUERIES, 4).assign(label="1", used="yes", loss=float("nan"))
    with pytest.raises(TableError) as refused:
        QUERIES.write(spoilt, tmp_path / "queries.parquet")
    for told in ("label is text; wanted: number", "used is text", "loss is missing in 4 of 4 rows"):
        assert told in str(refused.value)


def test_digits_are_never_lost(tmp_path: Path) -> None:
    frame = frame_of(STEPS, 4)
    with pytest.raises(TableError, match="loss is float64; wanted: float32"):
        STEPS.write(frame.astype({LOSS: "float64"}), tmp_path / "steps.parquet")
    doubled = frame.astype(dict.fromkeys(logit_columns(["mild", "0"]), "float64"))
    STEPS.write(doubled, tmp_path / "steps.parquet")
    assert_frame_equal(STEPS.read(tmp_path / "steps.parquet"), doubled)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.parquet"
    old = frame_of(SCORES, 5)
    SCORES.write(old, path)

    def full(_: pa.Table, beside: Path, **__: bool) -> None:
        beside.write_bytes(b"PAR1 begun")
        raise OSError("no space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(FileError, match="no space left"):
        SCORES.write(frame_of(SCORES, 9), path)
    assert_frame_equal(SCORES.read(path), old)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "keep.parquet"
    KEEP_LIST.write(frame_of(KEEP_LIST, 200), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(
        StageError, match=r"keep\.parquet cannot be read as a keep list: it is no whole parquet"
    ) as refused:
        KEEP_LIST.read(path)
    assert "next: bring the file back, or make it anew with `grasp prune`" in str(refused.value)


def test_files_of_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    with pytest.raises(StageError, match="there is no such file"):
        SCORES.read(path)
    path.write_text("query_id,photo_id,visit_id,score\n")
    with pytest.raises(StageError, match="no whole parquet file"):
        SCORES.read(path)
    with pytest.raises(StageError, match="no whole parquet file"):
        SCORES.read(tmp_path)
    QUERIES.write(frame_of(QUERIES, 3), path)
    with pytest.raises(StageError, match="it has no column 'visit_id'; it has no column 'score'"):
        SCORES.read(path)
    with pytest.raises(StageError, match="it has no column 'score'"):
        SCORES.read(path, columns=[QUERY_ID, SCORE])


def test_types_and_gaps_of_a_file_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "queries.parquet"
    frame = frame_of(QUERIES, 3)
    frame.assign(label=["mild", "mild", "severe"]).to_parquet(path)
    with pytest.raises(StageError, match="label is text; wanted: number"):
        QUERIES.read(path)
    frame.assign(loss=[1.0, None, 2.0]).to_parquet(path)
    with pytest.raises(StageError, match="loss is missing in 1 rows"):
        QUERIES.read(path)


def test_a_table_written_elsewhere_has_the_stated_types(tmp_path: Path) -> None:
    """Other programs write narrower numbers, other strings and dictionaries, and further columns."""
    frame = frame_of(QUERIES, 5).assign(label=range(5))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.set_column(2, LABEL, table[LABEL].cast(pa.int32()))
    table = table.set_column(1, PHOTO_ID, table[PHOTO_ID].cast(pa.string()))
    table = table.set_column(0, QUERY_ID, table[QUERY_ID].dictionary_encode())
    table = table.append_column("remark", pa.array(["a"] * 5))
    pq.write_table(table, tmp_path / "queries.parquet")
    assert_frame_equal(QUERIES.read(tmp_path / "queries.parquet"), frame)


@settings(max_examples=50, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_named_or_changes_no_value(
    at: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.parquet"
    frame = frame_of(KEEP_LIST, 100)
    KEEP_LIST.write(frame, path)
    damaged = bytearray(path.read_bytes())
    damaged[int(at * len(damaged))] ^= 1 << bit
    path.write_bytes(damaged)
    with contextlib.suppress(StageError):
        assert_frame_equal(KEEP_LIST.read(path), frame)


def test_a_flipped_bit_in_a_number_of_rows_is_named_or_changes_no_value(tmp_path: Path) -> None:
    """No checksum covers the numbers of rows in a file's footer, where 100 stands as the bytes c8 01."""
    path = tmp_path / "keep.parquet"
    frame = frame_of(KEEP_LIST, 100)
    KEEP_LIST.write(frame, path)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    places = [at for at in range(footer, len(whole) - 8) if whole[at : at + 2] == b"\xc8\x01"]
    assert len(places) >= 2, "of the file and of its part"
    for at in places:
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            with contextlib.suppress(StageError):
                assert_frame_equal(KEEP_LIST.read(path), frame)
