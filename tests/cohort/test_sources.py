"""Tables in any form: the same cohort comes out, what was found without being told is said, and what is unclear is refused."""

import datetime
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.tables import Examination, TableFiles, examine
from grasp_psonet.errors import SettingsError
from grasp_psonet.setting import recorded_tree
from grasp_psonet.settings import parse
from tests.cohort.made_tables import PHOTOS, VISITS, Rows, as_csv, write_ods, write_parquet, write_xlsx
from tests.long_forms import by_day


def seen(visits: Path, photos: Path, **tables: Any) -> Examination:
    form = parse({"tables": tables}, "the test").tables
    return examine(TableFiles(visits, photos, form=form), Outcome(), SplitSettings(), 0)


def text(path: Path, rows: Rows, encoding: str = "utf-8", **form: str) -> Path:
    path.write_bytes(as_csv(rows, **form).encode(encoding))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text(tmp_path_factory.mktemp("photos") / "photos.csv", PHOTOS)


@pytest.fixture(scope="module")
def plain(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    cohort = seen(text(tmp_path_factory.mktemp("plain") / "visits.csv", VISITS), photos).cohort
    assert cohort is not None
    assert cohort.visits["pasi_reader1"].tolist() == [2.5, 12, 5, 10.1]
    return cohort.visits


DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1", "utf-16-le")
TEXT_FORMS = [
    (delimiter, encoding, decimal, is_told)
    for delimiter in DELIMITERS
    for encoding in ENCODINGS
    for decimal in (".", ",")
    for is_told in (True, False)
    if is_told or encoding in ("utf-8", "utf-8-sig", "utf-16")
]


# every pair of a delimiter and an encoding, of either and a decimal mark
BY_DAY = [form for form in TEXT_FORMS if (DELIMITERS.index(form[0]) + ENCODINGS.index(form[1])) % 2 == (form[2] == ",")]


@pytest.mark.parametrize(("delimiter", "encoding", "decimal", "is_told"), by_day(BY_DAY, TEXT_FORMS))
def test_text_of_any_form_gives_the_same_cohort(
    plain: pd.DataFrame, tmp_path: Path, delimiter: str, encoding: str, decimal: str, is_told: bool
) -> None:
    visits = text(tmp_path / "visits.csv", VISITS, encoding, delimiter=delimiter, decimal=decimal)
    tables = {"delimiter": delimiter, "encoding": encoding, "decimal": decimal} if is_told else {}
    # photos.csv is comma-separated UTF-8: what is told holds for all tables of text
    shown = text(tmp_path / "photos.csv", PHOTOS, encoding, delimiter=delimiter)
    found = seen(visits, shown, **tables)
    assert told(found.faults) == []
    assert found.cohort is not None
    pd.testing.assert_frame_equal(found.cohort.visits, plain)
    notes = " ".join(told(found.notes))
    assert ("tables.delimiter" in notes) == (not is_told and delimiter != ",")
    assert ("tables.encoding" in notes) == (not is_told and encoding == "utf-16")
    assert ("tables.decimal" in notes) == (not is_told and decimal == ",")


@pytest.mark.parametrize("kind", ["xlsx", "xlsm", "ods", "parquet"])
def test_workbooks_and_parquet_give_the_same_cohort(
    photos: Path, plain: pd.DataFrame, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"visits.{kind}"
    if kind == "ods":
        write_ods(path, {"Tabelle1": VISITS})
    elif kind == "parquet":
        write_parquet(path, VISITS)
    else:
        write_xlsx(path, {"Tabelle1": VISITS})
    found = seen(path, photos)
    assert told(found.faults) == []
    assert found.cohort is not None
    pd.testing.assert_frame_equal(found.cohort.visits, plain)


def test_rows_are_those_of_the_sheet(photos: Path, tmp_path: Path) -> None:
    rows = [*VISITS[:2], [None] * 6, ["v2", "a", "viel", None, None, None], *VISITS[3:]]
    found = seen(write_xlsx(tmp_path / "visits.xlsx", {"visits": rows}, first_row=5), photos)
    assert told(found.faults) == [
        "visits.xlsx row 8, pasi_reader1 'viel': wanted a number from 0 to 72 (decimal point)"
    ]
    parquet = [*VISITS[:2], ["v2", "a", 99.5, None, None, None], *VISITS[3:]]
    found = seen(write_parquet(tmp_path / "visits.parquet", parquet), photos)
    assert told(found.faults) == [
        "visits.parquet row 3, pasi_reader1 '99.5': wanted a number from 0 to 72 (decimal point)"
    ]


def test_the_sheet_is_the_only_one_the_one_of_the_tables_name_or_told(photos: Path, tmp_path: Path) -> None:
    other: Rows = [["a"], ["b"]]
    named = write_xlsx(tmp_path / "visits.xlsx", {"Legende": other, "Visits": VISITS})
    assert seen(named, photos).cohort is not None
    assert "visits.xlsx: sheet 'Visits' is read, of 2 sheets (tables.sheets)" in told(seen(named, photos).notes)
    unclear = write_xlsx(tmp_path / "unclear.xlsx", {"Legende": other, "Besuche": VISITS})
    (fault,) = told(seen(unclear, photos).faults)
    assert fault == "unclear.xlsx: has several sheets: 'Legende', 'Besuche'; say which in tables.sheets.visits"
    assert seen(unclear, photos, sheets={"visits": "Besuche"}).cohort is not None
    (fault,) = told(seen(unclear, photos, sheets={"visits": "Besuch"}).faults)
    assert fault == "unclear.xlsx: has no sheet 'Besuch' (tables.sheets), but 'Legende', 'Besuche'"


def test_numbers_of_a_workbook_do_not_ask_for_a_decimal_mark(photos: Path, tmp_path: Path) -> None:
    """Excel holds 10.1 as a number; '2,5' was typed as text in a German one."""
    rows = [VISITS[0], ["v1", "a", "2,5", 5.1, None, None], *VISITS[2:]]
    found = seen(write_xlsx(tmp_path / "visits.xlsx", {"visits": rows}), photos)
    assert found.cohort is not None
    assert found.cohort.visits["pasi_reader1"].tolist() == [2.5, 12, 5, 10.1]
    assert "visits.xlsx: fractions have a decimal comma (tables.decimal)" in told(found.notes)


def test_marks_that_are_mixed_or_part_thousands_are_refused(photos: Path, tmp_path: Path) -> None:
    mixed = [VISITS[0], ["v1", "a", "2,5", "5.1", None, None], *VISITS[2:]]
    found = seen(text(tmp_path / "visits.csv", mixed, delimiter=";"), photos)
    assert told(found.faults) == ["visits.csv row 2, pasi_reader1 '2,5': wanted a number from 0 to 72 (decimal point)"]
    faults = told(seen(text(tmp_path / "visits.csv", mixed, delimiter=";"), photos, decimal=",").faults)
    assert "visits.csv row 2, pasi_reader2 '5.1': wanted a number from 0 to 72 (decimal comma)" in faults
    thousands = [VISITS[0], ["v1", "a", "1,250", None, None, None], ["v2", "a", "7", None, None, None]]
    faults = told(seen(text(tmp_path / "visits.csv", thousands, delimiter=";"), photos).faults)
    assert "visits.csv: numbers such as '1,250': is the comma a decimal mark, or does it part thousands?" in faults


def test_a_header_that_can_be_parted_in_two_ways_is_refused(photos: Path, tmp_path: Path) -> None:
    visits = tmp_path / "visits.csv"
    visits.write_text("id;PASI, reader 1\nv1;2\n")
    assert told(seen(visits, photos).faults)[0] == "visits.csv: cells may be separated by ',' or ';'"
    told_so = seen(visits, photos, delimiter=";", columns={"visit_id": "id", "pasi_reader1": "PASI, reader 1"})
    assert told(told_so.faults)[0] == "visits.csv: no column 'patient_id'"
    # a comma within a title that is fitting otherwise leaves no doubt
    visits.write_text(as_csv([[*VISITS[0], "age, years"], *VISITS[1:]], ";").replace('"', ""))
    assert "separated by ';'" in told(seen(visits, photos).notes)[0]


def test_what_is_told_and_not_so_is_refused(photos: Path, tmp_path: Path) -> None:
    visits = text(tmp_path / "visits.csv", VISITS, delimiter=";")
    assert told(seen(visits, photos, delimiter=",").faults)[0] == (
        "visits.csv: cells are separated by ';'; tables.delimiter says ','"
    )
    marked = text(tmp_path / "visits.csv", VISITS, "utf-16")
    assert told(seen(marked, photos, encoding="cp1252").faults)[0] == (
        "visits.csv: begins with the byte order mark of utf-16; tables.encoding says cp1252"
    )
    assert seen(text(tmp_path / "visits.csv", VISITS, "utf-8-sig"), photos, encoding="utf-8").cohort is not None
    one_is_utf8 = seen(text(tmp_path / "visits.csv", VISITS), photos, encoding="cp1252")
    assert one_is_utf8.cohort is not None
    assert one_is_utf8.cohort.visits["site"][0] == "Köln"
    assert "visits.csv: is UTF-8 and read so; tables.encoding says cp1252" in told(one_is_utf8.notes)
    bare = text(tmp_path / "visits.csv", VISITS, "utf-16-le")
    (fault, *_) = seen(bare, photos).faults
    assert (fault.messages(), fault.remedy) == (
        ["visits.csv line 1: a NUL character, which no text has"],
        "if the file is UTF-16, say so in tables.encoding",
    )
    latin = text(tmp_path / "visits.csv", VISITS, "cp1252")
    assert told(seen(latin, photos).faults)[0] == (
        "visits.csv line 2: byte 0xf6 is not UTF-8; save the table as CSV UTF-8"
    )


def test_excels_own_first_line_names_the_delimiter(photos: Path, tmp_path: Path) -> None:
    visits = tmp_path / "visits.csv"
    visits.write_text("sep=;\r\n" + as_csv(VISITS, ";", ",").replace("2,5", "zwei"))
    assert told(seen(visits, photos).faults) == [
        "visits.csv row 2, pasi_reader1 'zwei': wanted a number from 0 to 72 (decimal comma)"
    ]


def test_errors_and_formulas_without_a_value_are_not_read_as_empty(photos: Path, tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "visits.xlsx", {"visits": [*VISITS[:3], ["v3", "b", "=2+3", "#REF!", None, None], VISITS[4]]}
    )
    faults = told(seen(path, photos).faults)
    assert (
        "visits.xlsx row 4, pasi_reader2 '#REF!': an error of the spreadsheet program, which would be read as empty"
        in faults
    )
    assert "visits.xlsx row 4, pasi_reader1 '=': a formula without its value, which would be read as empty" in faults


def test_dates_become_days_since_the_patients_first_visit(photos: Path, tmp_path: Path) -> None:
    def with_days(days: list[Any]) -> Rows:
        return [[*VISITS[0], "study_day"], *([*row, day] for row, day in zip(VISITS[1:], days, strict=True))]

    days = [datetime.date(2024, 3, 1), datetime.date(2024, 3, 15), datetime.date(2024, 1, 9), None]
    wanted = [0, 14, 0, pd.NA]
    workbook = seen(write_xlsx(tmp_path / "visits.xlsx", {"visits": with_days(days)}), photos)
    assert workbook.cohort is not None
    assert workbook.cohort.visits["study_day"].tolist() == wanted
    german = [None if day is None else day.strftime("%d.%m.%Y") for day in days]
    written = text(tmp_path / "visits.csv", with_days(german))
    found = seen(written, photos, dates="%d.%m.%Y")
    assert found.cohort is not None
    assert found.cohort.visits["study_day"].tolist() == wanted
    assert "study_day '01.03.2024'" in told(seen(written, photos).faults)[0]
    mixed = text(tmp_path / "visits.csv", with_days(["2024-03-01", 14, None, None]))
    assert told(seen(mixed, photos).faults) == [
        "visits.csv row 2, study_day '2024-03-01': wanted a whole number of days"
    ]
    impossible = text(tmp_path / "visits.csv", with_days(["2024-03-01", "2024-02-31", None, None]))
    assert told(seen(impossible, photos).faults) == [
        "visits.csv row 3, study_day '2024-02-31': wanted a whole number of days, or in all rows a day such as 2024-03-31 "
        "(tables.dates)"
    ]
    backwards = seen(text(tmp_path / "visits.csv", with_days([14, 0, 0, 0])), photos)
    assert "visits.csv row 3, study_day '0': dates go backwards: earlier than the patient's row above" in told(
        backwards.notes
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"delimiter": "::"}, "tables.delimiter"),
        ({"encoding": "rot13"}, "tables.encoding"),
        ({"encoding": "utf-7"}, "tables.encoding"),
        ({"encoding": "klingon"}, "tables.encoding"),
        ({"decimal": "'"}, "tables.decimal"),
        ({"dates": "%d.%m"}, "tables.dates"),
        ({"dates": "%Q"}, "tables.dates"),
        ({"columns": {"photos": "Foto"}}, "tables.columns.photos"),
        ({"columns": {"visit_id": {"a": "b"}}}, "tables.columns.visit_id"),
        ({"columns": {"visit_id": 3}}, "tables.columns.visit_id"),
        ({"values": {"severity": {True: "mild"}}}, "in quotes"),
        ({"values": {"severity": {"a": "mild", "A": "severe"}}}, "differ in more than case"),
        ({"values": {"severity": {"NA": "mild"}}}, "mean missing anyway"),
        ({"files": {"visit": "a.xlsx"}}, "tables.files.visit"),
        ({"files": {"visits": " "}}, "tables.files"),
        ({"readers": ["A", "A"]}, "tables.readers"),
        ({"delimeter": ";"}, "did you mean tables.delimiter"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse({"tables": settings}, "the test")
    assert told in str(raised.value)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text("ab ,;\t|\"'äß漢\n", max_size=8), min_size=4, max_size=4),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
def test_cells_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], delimiter: str, encoding: str
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    rows = [[*row, cell] for row, cell in zip(VISITS[1:], cells, strict=True)]
    visits = text(folder / "visits.csv", [[*VISITS[0], "remark"], *rows], encoding, delimiter=delimiter)
    found = seen(visits, text(folder / "photos.csv", PHOTOS))
    assert found.cohort is not None
    assert found.cohort.visits["remark"].fillna("").tolist() == cells
    shutil.rmtree(folder)


def test_defaults_of_the_form_tell_nothing() -> None:
    assert TablesSettings().titles_of("visits") == {}
    assert TablesSettings().values_of("severity_reader1") == {}


def test_each_table_may_be_written_in_its_own_way(tmp_path: Path) -> None:
    """Semicolons and decimal commas here, a bar and Latin letters there; what is said of all tables counts for the others."""
    visits = text(tmp_path / "visits.csv", VISITS, delimiter=";", decimal=",")
    photos = text(tmp_path / "photos.csv", PHOTOS, "cp1252", delimiter="|")
    forms = {"visits": {"delimiter": ";", "decimal": ","}, "photos": {"encoding": "cp1252", "delimiter": "|"}}
    found = seen(visits, photos, delimiter="tab", encoding="utf-8", forms=forms)
    assert told(found.faults) == []
    assert found.cohort is not None
    assert found.cohort.visits["pasi_reader1"].tolist() == [2.5, 12, 5, 10.1]
    assert told(seen(visits, photos, delimiter="tab", encoding="utf-8").faults)
    for wrong, name in (
        ({"delimiter": "x"}, "delimiter"),
        ({"decimal": "x"}, "decimal"),
        ({"encoding": "x"}, "encoding"),
    ):
        with pytest.raises(SettingsError, match=rf"tables\.forms\.visits\.{name}"):
            parse({"tables": {"forms": {"visits": wrong}}}, "the test")


def test_a_study_without_forms_of_its_tables_is_recorded_as_before() -> None:
    assert "forms" not in recorded_tree(TablesSettings(delimiter=";"))
    assert "forms" in recorded_tree(TablesSettings(forms={"visits": {"delimiter": ";"}}))
