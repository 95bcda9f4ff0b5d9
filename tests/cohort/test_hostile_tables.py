"""Tables that are damaged or made to do harm: each gives a clear fault or a right result, in bounded time and memory."""

import hashlib
import io
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grasp_psonet.cohort.faults import as_table, told
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.tables import Examination, TableFiles, examine
from grasp_psonet.settings import parse
from grasp_psonet.tables.safe_csv import safe_cell, write_safe_csv
from tests.cohort import hostile_files as hostile
from tests.cohort.made_tables import PHOTOS, VISITS, Rows, as_csv, write_ods, write_parquet, write_xlsx
from tests.long_forms import nightly

pytestmark = pytest.mark.long

SECONDS, GIB = 20, 1.0
READINGS: Rows = [["visit_id", "reader_id", "pasi"], *([f"v{n}", "A", n] for n in range(1, 5))]
VIEWS: Rows = [["code", "required"], ["front", "no"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Tables of a study without faults; afterwards nothing has changed in it, and neither time nor memory ran away."""
    for name, rows in {"visits": VISITS, "photos": PHOTOS, "views": VIEWS}.items():
        (tmp_path / f"{name}.csv").write_text(as_csv(rows), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    began, most = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield tmp_path
    assert time.monotonic() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < GIB * 2**20


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_size < 2**30]
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.resolve() != Path("/dev/null")
    }


def seen(folder: Path, visits: str = "visits.csv", **tables: Any) -> Examination:
    """What is found; every fault can be written down, and names a file."""
    readings = folder / "readings.csv"
    is_there = readings.exists() or readings.is_symlink()
    form = parse({"tables": tables}, "the test").tables
    files = TableFiles(
        folder / visits, folder / "photos.csv", folder / "views.csv", False, readings if is_there else None, form
    )
    before = digests(folder)
    found = examine(files, Outcome(), SplitSettings(), 0)
    assert digests(folder) == before
    table = as_table(found.faults, found.notes)
    assert (table.loc[table["kind"] == "fault", "problem"] != "").all()
    assert (found.cohort is None) == (len(found.faults) > 0)
    return found


@pytest.mark.parametrize("table", ["visits", "photos", "readings"])
@pytest.mark.parametrize("name", hostile.no_regular_files())
def test_what_is_no_regular_file_is_named_and_not_opened(folder: Path, name: str, table: str) -> None:
    make, message = hostile.no_regular_files()[name]
    (folder / f"{table}.csv").unlink(missing_ok=True)
    make(folder / f"{table}.csv")
    faults = told(seen(folder).faults)
    assert any(fault.startswith(f"{table}.csv: {message}") for fault in faults), faults


@pytest.mark.parametrize("name", hostile.texts())
def test_text_that_is_no_table(folder: Path, name: str) -> None:
    raw, message = hostile.texts()[name]
    (folder / "visits.csv").write_bytes(raw)
    faults = told(seen(folder).faults)
    assert any(message in fault for fault in faults), faults


@pytest.mark.parametrize("name", hostile.workbooks())
def test_workbooks_made_to_do_harm(folder: Path, name: str) -> None:
    make, message = hostile.workbooks()[name]
    file = name.partition(",")[0]
    make(folder / file)
    found = seen(folder, file)
    if message == "":
        assert told(found.faults) == []
    elif message == "?":  # refused, or read as it stands, but nothing is fetched and nothing grows
        written = " ".join(told(found.faults)) + str(None if found.cohort is None else found.cohort.visits.to_dict())
        assert "root:" not in written
        assert "haha" not in written
    else:
        assert any(message in fault for fault in told(found.faults)), told(found.faults)


def test_what_is_wrong_with_a_workbook_of_several_tables_is_told_once(folder: Path) -> None:
    book = write_xlsx(folder / "book.xlsx", {"visits": VISITS, "photos": PHOTOS, "readings": READINGS})
    book.write_bytes(book.read_bytes()[:-200])
    form = parse({}, "the test").tables
    found = examine(TableFiles(book, book, None, False, book, form), Outcome(), SplitSettings(), 0)
    assert told(found.faults) == ["book.xlsx: is damaged: no whole zip file, as workbooks are"]


@pytest.mark.parametrize("seed", [0, 1, nightly(2), nightly(3), nightly(4)])
@pytest.mark.parametrize("how", ["cut", "turned"])
@pytest.mark.parametrize("kind", ["xlsx", "ods", "parquet", "csv"])
def test_damaged_files_are_told_or_read(folder: Path, kind: str, how: str, seed: int) -> None:
    file = folder / f"damaged.{kind}"
    if kind == "xlsx":
        write_xlsx(file, {"visits": VISITS})
    elif kind == "ods":
        write_ods(file, {"visits": VISITS})
    elif kind == "parquet":
        write_parquet(file, VISITS)
    else:
        file.write_text(as_csv(VISITS), encoding="utf-8")
    file.write_bytes(hostile.damaged(file.read_bytes(), how, seed))
    found = seen(folder, file.name)
    if how == "cut" and kind in ("xlsx", "ods", "parquet"):
        assert found.cohort is None


UNSEEN = ["\x07", "\x1b[2J", "\u202e", "\u2066", "\u200b", "\ufeff", "\x85", "\n", "\t"]
ODD = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "'",
    '"',
    "..x",
    "<script>",
    "'; DROP TABLE",
    "%s{0}",
    "e\u0301",
    "عربي",
    "🦶",
    "a" * 200,
]


@pytest.mark.parametrize("column", ["visit_id", "patient_id", "photo_id", "path"])
@pytest.mark.parametrize("odd", UNSEEN, ids=ascii)
def test_characters_that_cannot_be_seen_are_faults_of_ids(folder: Path, column: str, odd: str) -> None:
    table, rows = ("visits", VISITS) if column in VISITS[0] else ("photos", PHOTOS)
    place = rows[0].index(column)
    changed = [
        [f"v{odd}1" if r == 1 and c == place else cell for c, cell in enumerate(row)] for r, row in enumerate(rows)
    ]
    (folder / f"{table}.csv").write_text(as_csv(changed), encoding="utf-8")
    faults = told(seen(folder).faults)
    (fault,) = [fault for fault in faults if "cannot be seen" in fault]
    assert fault.startswith(f"{table}.csv row 2, {column} ")
    assert odd not in fault


@pytest.mark.parametrize("odd", ODD, ids=lambda text: ascii(text[:12]))
def test_odd_ids_stay_what_they_are_and_are_no_formulas(folder: Path, odd: str) -> None:
    visits = [[odd if cell == "v1" else cell for cell in row] for row in VISITS]
    photos = [[odd if cell == "v1" else cell for cell in row] for row in PHOTOS]
    (folder / "visits.csv").write_text(as_csv(visits), encoding="utf-8")
    (folder / "photos.csv").write_text(as_csv([*photos, ["p9", odd, "none", "x/9.jpg"]]), encoding="utf-8")
    (fault,) = seen(folder).faults
    assert fault.messages()[0].startswith("photos.csv row 6, view 'none'")
    (folder / "photos.csv").write_text(as_csv(photos), encoding="utf-8")
    cohort = seen(folder).cohort
    assert cohort is not None
    assert cohort.visits["visit_id"][0] == odd
    written = folder / "written.csv"
    write_safe_csv(cohort.visits[["visit_id"]], written)
    cell = pd.read_csv(written, dtype=str, keep_default_na=False, encoding="utf-8-sig")["visit_id"][0]
    is_formula = odd[0] in "=@"  # +1 and -1 are numbers
    assert cell == ("'" + odd if is_formula else odd)


RIGHT = {"5.": 5, ".5": 0.5, "1e1": 10, "+5": 5, "-0": 0, "72.0": 72, " 7 ": 7, "1e-400": 0}
WRONG = [
    "1e400",
    "-1e400",
    "inf",
    "-inf",
    "12,5 %",
    "1_000",
    "0x10",
    "١٢",
    "1 2",
    "½",
    "--5",
    "True",
    "５",
    "1,250.5",
    "null",
]
WRONG += ["None", "72.0000001", "9" * 400, "-1", "1e", "#N/A", "=5", "5;6"]


@pytest.mark.parametrize("cell", [*RIGHT, *WRONG, "NaN", "N/A", "  "])
def test_numbers(folder: Path, cell: str) -> None:
    rows = [VISITS[0], ["v1", "a", cell, None, None, None], ["v2", "a", 1.5, None, None, None], *VISITS[3:]]
    (folder / "visits.csv").write_text(as_csv(rows), encoding="utf-8")
    found = seen(folder)
    if cell in RIGHT:
        assert found.cohort is not None
        assert found.cohort.visits["pasi_reader1"][0] == RIGHT[cell]
    elif cell in WRONG:
        assert "row 2, pasi_reader1" in told(found.faults)[0]
    else:
        assert told(found.faults) == ["visits.csv row 2, pasi_reader1: empty; Reader 1 must have read every visit"]


@pytest.mark.parametrize("cell", ["1e400", "1.5", "9e9", "2024-13-01", "zwölf", "0x1", "1,5"])
def test_days(folder: Path, cell: str) -> None:
    rows = [[*VISITS[0], "study_day"], *([*row, day] for row, day in zip(VISITS[1:], [cell, 3, 0, 0], strict=True))]
    (folder / "visits.csv").write_text(as_csv(rows), encoding="utf-8")
    assert told(seen(folder).faults) == [f"visits.csv row 2, study_day {cell!r}: wanted a whole number of days"]


PARQUETS: dict[str, tuple[pd.DataFrame, str]] = {
    "lists": (pd.DataFrame({"visit_id": [["v1"], ["v2"]], "patient_id": ["a", "b"]}), "column 'visit_id' holds"),
    "records": (pd.DataFrame({"visit_id": [{"a": 1}, {"a": 2}]}), "column 'visit_id' holds"),
    "bytes": (pd.DataFrame({"visit_id": [b"v1", b"v2"]}), "column 'visit_id' holds"),
    "no rows": (pd.DataFrame({"visit_id": [], "patient_id": [], "pasi_reader1": []}), "no rows below the header"),
    "no columns": (pd.DataFrame(index=range(3)), "no header in row 1"),
    "infinite": (
        pd.DataFrame({"visit_id": ["v1"], "patient_id": ["a"], "pasi_reader1": [float("inf")]}),
        "pasi_reader1 'inf': wanted a number",
    ),
}


@pytest.mark.parametrize("name", PARQUETS)
def test_parquet_that_is_no_table(folder: Path, name: str) -> None:
    frame, message = PARQUETS[name]
    frame.to_parquet(folder / "visits.parquet")
    faults = told(seen(folder, "visits.parquet").faults)
    assert any(message in fault for fault in faults), faults


def test_a_table_without_end_of_faults_is_told_in_short(folder: Path) -> None:
    rows = [PHOTOS[0], *([f"p{n}", f"nobody{n}", f"{n}", f"{n}.jpg"] for n in range(20_000))]
    (folder / "photos.csv").write_text(as_csv(rows), encoding="utf-8")
    found = seen(folder)
    messages = told(found.faults)
    assert len(messages) < 10
    assert max(map(len, messages)) < 300
    assert len(as_table(found.faults, found.notes)) == 40_000 + 4


@settings(max_examples=40, deadline=None)
@given(raw=st.binary(max_size=400), ending=st.sampled_from(["csv", "tsv", "parquet", "txt", "doc"]))
def test_any_bytes_are_told_or_read(tmp_path_factory: pytest.TempPathFactory, raw: bytes, ending: str) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "photos.csv").write_text(as_csv(PHOTOS))
    (folder / f"visits.{ending}").write_bytes(raw)
    assert seen(folder, f"visits.{ending}").cohort is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert cell.replace("'", "") == text.replace("'", "")
    assert safe_cell(cell) == cell
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        float(cell)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="a1=+-@;,|\t\r\n\" '", max_size=9), min_size=1, max_size=3))
def test_no_part_of_a_row_is_a_formula_whatever_separates_cells(cells: list[str]) -> None:
    """As programs of other languages part it: at any of the separators, whatever is quoted."""
    written = io.StringIO()
    pd.DataFrame([[safe_cell(cell) for cell in cells]]).to_csv(written, index=False, header=False)
    for separator in (";", ",", "\t", "|"):
        for line in re.split("[\r\n]", written.getvalue()):
            for part in line.split(separator):
                plain = part.strip().strip('"').strip()
                assert not plain.startswith(("=", "@", "+", "-")) or re.fullmatch(r"[+-][\d.,e+-]+[,;|\t]?.*", plain), (
                    part
                )


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a,+cmd|x", "a,'+cmd|x"),
        ("a\n@SUM(1)", "a\n'@SUM(1)"),
        ('a; "=1"', 'a;\' "=1"'),
        ("\t=1", "'\t'=1"),
        ("\rx", "'\rx"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("a;-5;b", "a;-5;b"),
        ("-12,5", "-12,5"),
        ("a;-1+2", "a;'-1+2"),
        ("a = b", "a = b"),
    ],
)
def test_formulas_at_any_place_of_a_cell_are_disarmed(text: str, safe: str) -> None:
    assert safe_cell(text) == safe
