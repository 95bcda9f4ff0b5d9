"""The user's own names of columns and values, readers in rows of their own, parts of PASI, and a flat export of REDCap."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.tables import Examination, TableFiles, examine
from grasp_psonet.settings import parse
from tests.cohort.made_tables import PHOTOS, Rows, as_csv, write_xlsx


def seen(
    folder: Path, visits: Rows, photos: Rows | None = PHOTOS, readings: Rows | None = None, **tables: Any
) -> Examination:
    paths = {"visits": visits, "photos": photos, "readings": readings}
    for name, rows in paths.items():
        if rows is not None:
            (folder / f"{name}.csv").write_text(as_csv(rows), encoding="utf-8")
    files = TableFiles(
        folder / "visits.csv",
        None if photos is None else folder / "photos.csv",
        None,
        False,
        None if readings is None else folder / "readings.csv",
        parse({"tables": tables}, "the test").tables,
    )
    return examine(files, Outcome(), SplitSettings(), 0)


GERMAN: Rows = [["Besuch", "Patient", "Schwere A", "Schwere B", "Hauttyp"], ["1", "a", "leicht", "Mittel", "Typ 2"]]
GERMAN += [["2", "b", "schwer", "k.A.", "Typ 3"], ["3", "c", "mittel", "", "-"]]
GERMAN_PHOTOS: Rows = [["Bild", "Besuchsnr", "Datei"], *([f"p{n}", f"{n}", f"{n}.jpg"] for n in (1, 2, 3))]
NAMES = {
    "visit_id": "Besuch",
    "patient_id": "Patient",
    "severity_reader1": "Schwere A",
    "severity_reader2": "schwere b",
    "fitzpatrick": "Hauttyp",
    "photo_id": "Bild",
    "path": "Datei",
    "photos": {"visit_id": "Besuchsnr"},
}
VALUES = {
    "severity": {"leicht": "mild", "mittel": "moderate", "schwer": "severe", "k.A.": None},
    "fitzpatrick": {"Typ 2": 2, "Typ 3": 3, "-": ""},
}


def test_own_names_and_values(tmp_path: Path) -> None:
    found = seen(tmp_path, GERMAN, GERMAN_PHOTOS, columns=NAMES, values=VALUES)
    assert told(found.faults) == []
    assert found.cohort is not None
    visits = found.cohort.visits
    assert visits["visit_id"].tolist() == ["1", "2", "3"]
    assert visits["severity_reader1"].tolist() == [0, 2, 1]
    assert visits["severity_reader2"].tolist() == [1, pd.NA, pd.NA]
    assert visits["fitzpatrick"].tolist() == ["II", "III", pd.NA]
    assert not [note for note in told(found.notes) if "tables.values" in note]


def test_messages_name_the_columns_of_the_file(tmp_path: Path) -> None:
    wrong = [*GERMAN[:2], ["2", "b", "heftig", "", "Typ 9"], ["3", "c", "mittel", "", ""]]
    found = seen(tmp_path, wrong, GERMAN_PHOTOS[:3], columns=NAMES, values=VALUES)
    assert told(found.faults) == [
        "visits.csv row 3, Hauttyp 'Typ 9': wanted I to VI or 1 to 6",
        "visits.csv row 3, Schwere A 'heftig': wanted mild, moderate, severe",
        "visits.csv row 4, Besuch '3': no photo of this visit in photos.csv",
    ]


def test_names_and_values_that_are_nowhere_are_told(tmp_path: Path) -> None:
    faults = told(
        seen(tmp_path, GERMAN, GERMAN_PHOTOS, columns=NAMES | {"patient_id": "Patientin"}, values=VALUES).faults
    )
    assert "visits.csv: no column 'Patientin', which tables.columns says is patient_id" in faults
    both = [[*GERMAN[0], "visit_id"], *([*row, "x"] for row in GERMAN[1:])]
    faults = told(seen(tmp_path, both, GERMAN_PHOTOS, columns=NAMES, values=VALUES).faults)
    assert "visits.csv: column 'visit_id' stands beside 'Besuch', which tables.columns says is it" in faults
    own = {"photos": {"view": "Ansicht", "visit_id": "Besuchsnr"}}
    faults = told(seen(tmp_path, GERMAN, GERMAN_PHOTOS, columns=NAMES | own, values=VALUES).faults)
    assert faults == ["photos.csv: no column 'Ansicht', which tables.columns says is view"]
    faults = told(
        seen(
            tmp_path, GERMAN, GERMAN_PHOTOS, columns=NAMES | {"site": "Zentrum"}, values=VALUES | {"sevrity": {1: 2}}
        ).faults
    )
    assert faults == [
        "tables.columns.site: no table has a column 'Zentrum'",
        "tables.values.sevrity: no table has a column 'sevrity'",
    ]
    extra = VALUES | {"fitzpatrick": VALUES["fitzpatrick"] | {"Typ 5": 5}}
    notes = told(seen(tmp_path, GERMAN, GERMAN_PHOTOS, columns=NAMES, values=extra).notes)
    assert "visits.csv, Hauttyp: no cell holds 'Typ 5', which tables.values.fitzpatrick names" in notes


def test_one_title_may_serve_two_columns_and_several_make_one_id(tmp_path: Path) -> None:
    visits: Rows = [
        ["record", "event", "pasi_reader1"],
        ["a", "w0", 2],
        ["a", "w4", 8],
        ["b", "w0", 20],
        ["c", "w0", 3],
    ]
    photos: Rows = [
        ["photo_id", "record", "event", "path"],
        *([f"p{n}", *row[:2], f"{n}.jpg"] for n, row in enumerate(visits[1:])),
    ]
    found = seen(tmp_path, visits, photos, columns={"visit_id": ["record", "event"], "patient_id": "record"})
    assert told(found.faults) == []
    assert found.cohort is not None
    assert found.cohort.visits["visit_id"].tolist() == ["a-w0", "a-w4", "b-w0", "c-w0"]
    assert found.cohort.visits["patient_id"].tolist() == ["a", "a", "b", "c"]
    assert found.cohort.photos["visit_id"].tolist() == ["a-w0", "a-w4", "b-w0", "c-w0"]


BARE: Rows = [["visit_id", "patient_id"], ["v1", "a"], ["v2", "a"], ["v3", "b"], ["v4", "c"]]
READINGS: Rows = [["visit_id", "reader_id", "pasi", "date"]]
READINGS += [
    [f"v{v}", reader, v * 2 + bonus, "2024-05-01"]
    for v in (1, 2, 3, 4)
    for reader, bonus in (("A", 0.5), ("B", 1), ("C", 4))
]


def test_any_number_of_readers_in_their_order(tmp_path: Path) -> None:
    found = seen(tmp_path, BARE, readings=READINGS, readers=["B", "C", "A"])
    assert told(found.faults) == []
    assert found.cohort is not None
    visits, readings = found.cohort.visits, found.cohort.readings
    assert visits["pasi_reader1"].tolist() == [3, 5, 7, 9]
    assert visits["pasi_reader2"].tolist() == [6, 8, 10, 12]
    assert visits["reader1_id"].tolist() == ["B"] * 4
    assert visits["severity_reader2"].tolist() == [1, 1, 1, 2]
    assert readings is not None
    assert readings.loc[readings["place"] == 3, "reader_id"].tolist() == ["A"] * 4
    assert len(readings) == 12


def test_where_the_first_reader_did_not_read_the_next_one_labels(tmp_path: Path) -> None:
    some = [READINGS[0], *(row for row in READINGS[1:] if row[:2] not in (["v2", "B"], ["v4", "C"]))]
    found = seen(tmp_path, BARE, readings=some, readers=["B", "C", "A"])
    assert found.cohort is not None
    assert found.cohort.visits["reader1_id"].tolist() == ["B", "C", "B", "B"]
    assert found.cohort.visits["reader2_id"].tolist() == ["C", "A", "C", "A"]
    assert found.cohort.visits["pasi_reader1"].tolist() == [3, 8, 7, 9]


def test_the_order_of_readers_is_not_guessed(tmp_path: Path) -> None:
    (fault,) = seen(tmp_path, BARE, readings=READINGS).faults
    assert fault.messages() == ["readings.csv, reader_id: 3 readers: 'A', 'B', 'C'; whose reading is the label?"]
    assert fault.remedy == "say it in tables.readers, the most trusted first: [A, B, C]"
    two = [READINGS[0], *(row for row in READINGS[1:] if row[1] == "A" or row[:2] == ["v3", "B"])]
    found = seen(tmp_path, BARE, readings=two)
    assert found.cohort is not None
    assert found.cohort.visits["pasi_reader2"].tolist() == pytest.approx([np.nan, np.nan, 7, np.nan], nan_ok=True)
    assert "readings.csv: Reader 1 is 'A', who read most visits (tables.readers)" in told(found.notes)


def test_every_planted_fault_of_readings_is_found(tmp_path: Path) -> None:
    days: Rows = [["visit_id", "patient_id", "study_day"], *([*row, "2024-05-01"] for row in BARE[1:])]
    readings: Rows = [
        ["visit_id", "reader_id", "pasi", "severity", "date"],
        ["v1", "A", 3, "", "2024-05-02"],
        ["v1", "A", 4, "", "2024-05-02"],
        ["v2", "B", 99, "", "2024-05-02"],
        ["v2", "A", "", "", "2024-05-02"],
        ["v3", "A", 3, "severe", "2024-04-30"],
        ["v9", "A", 3, "mild", "gestern"],
        ["v3", "D", 3, "", ""],
        ["v3", "", 3, "", ""],
    ]
    faults = told(seen(tmp_path, days, readings=readings, readers=["A", "B"]).faults)
    for message in (
        "readings.csv row 9, reader_id is empty: wanted the reader_id of the reading",
        "readings.csv row 7, date 'gestern': wanted a day such as 2024-03-31 (tables.dates)",
        "readings.csv row 4, pasi '99': wanted a number from 0 to 72 (decimal point)",
        "readings.csv row 6, severity 'severe': pasi 3 is mild by severity.cutoffs and severity.ties; correct one of them",
        "readings.csv row 5, reader_id 'A': a reading without pasi or severity",
        "readings.csv rows 2-3, visit_id 'v1': read twice by the same reader",
        "readings.csv row 8, reader_id 'D': is not in tables.readers",
        "readings.csv row 7, visit_id 'v9': no such visit in visits.csv",
        "visits.csv row 5, visit_id 'v4': no reading of this visit in readings.csv",
        "readings.csv row 6, date '2024-04-30': read before the visit: dates go backwards",
    ):
        assert message in faults
        faults.remove(message)
    assert faults == []


def test_readings_beside_those_of_the_visits_are_kept_and_compared(tmp_path: Path) -> None:
    """Readers A and B stand with the visits; readings.csv tells every reader, under the general words score and class."""
    visits: Rows = [["visit_id", "patient_id", "pasi_reader1", "reader1_id", "pasi_reader2", "reader2_id"]]
    visits += [[f"v{n}", f"p{n}", n, "A", n + 1, "B"] for n in range(1, 5)]
    readings: Rows = [["visit_id", "reader_id", "score"]]
    readings += [[f"v{n}", reader, f"{n + more}.0"] for n in range(1, 4) for more, reader in enumerate("ABC")]
    found = seen(tmp_path, visits, readings=readings)
    assert told(found.faults) == []
    assert "readings.csv: Reader 1 and Reader 2 are those of visits.csv; further readings are kept" in told(found.notes)
    assert found.cohort is not None
    assert found.cohort.visits["pasi_reader2"].tolist() == [2, 3, 4, 5]
    kept = found.cohort.readings
    assert kept is not None
    assert kept["pasi_reader1"].tolist() == [1, 2, 3, 2, 3, 4, 3, 4, 5]
    assert kept["place"].fillna(0).tolist() == [1, 2, 0] * 3
    readings[2][2], readings[9][0] = 9, "v9"
    assert told(seen(tmp_path, visits, readings=readings).faults) == [
        "readings.csv row 10, visit_id 'v9': no such visit in visits.csv",
        "readings.csv row 3, score '9': visits.csv says otherwise of this visit and reader (pasi_reader2)",
    ]


def test_a_second_reading_with_the_visits_wants_a_first_there(tmp_path: Path) -> None:
    second = [[*BARE[0], "pasi_reader2"], *([*row, 3] for row in BARE[1:])]
    faults = told(seen(tmp_path, second, readings=READINGS, readers=["A", "B", "C"]).faults)
    assert any(
        fault.startswith("visits.csv: a second reading stands here without a first (pasi_reader2)") for fault in faults
    )


def test_readings_without_a_score_or_class_are_told(tmp_path: Path) -> None:
    faults = told(seen(tmp_path, BARE, readings=[["visit_id", "reader_id", "note"], ["v1", "A", "x"]]).faults)
    assert any(fault.startswith("readings.csv") and "pasi" in fault for fault in faults)


def redcap() -> Rows:
    rows: Rows = [["record_id", "redcap_event_name", "pasi_total", "hauttyp", "photo_front", "photo_back"]]
    for record, event, entry in product(("1", "2", "3"), ("week_0", "week_4"), ("--1", "--2")):
        rows.append(
            [
                record + entry,
                event,
                int(record) * 4 + (entry == "--2"),
                "2",
                f"{record}_{event}.jpg",
                "" if event == "week_0" else f"{record}b.jpg",
            ]
        )
    return rows


REDCAP = {
    "columns": {
        "visit_id": ["record_id", "redcap_event_name"],
        "patient_id": "record_id",
        "pasi": "pasi_total",
        "fitzpatrick": "hauttyp",
    },
    "photo_columns": {"photo_front": "front", "photo_back": "back"},
    "double_entry": "record_id",
}


def test_a_flat_export_of_redcap_entered_twice(tmp_path: Path) -> None:
    found = seen(tmp_path, redcap(), None, **REDCAP)
    assert told(found.faults) == []
    assert found.cohort is not None
    visits, photos = found.cohort.visits, found.cohort.photos
    assert visits["visit_id"].tolist()[:3] == ["1-week_0", "1-week_4", "2-week_0"]
    assert visits["patient_id"].tolist() == ["1", "1", "2", "2", "3", "3"]
    assert visits["pasi_reader1"].tolist() == [4, 4, 8, 8, 12, 12]
    assert visits["pasi_reader2"].tolist() == [5, 5, 9, 9, 13, 13]
    assert photos["photo_id"].tolist()[:3] == ["1-week_0-front", "1-week_4-front", "1-week_4-back"]
    assert len(photos) == 9
    assert photos["view"].value_counts().to_dict() == {"front": 6, "back": 3}
    assert "photo_front" not in visits


def test_faults_of_a_flat_export(tmp_path: Path) -> None:
    rows = redcap()
    rows[2][3] = "5"  # the second entry of 1, week 0
    rows[4][2] = "achtzig"
    rows[6][4] = rows[5][4] = "1_week_0.jpg"
    rows.append(["3--1", "week_4", 12, "2", "3_week_4.jpg", "3b.jpg"])
    assert told(seen(tmp_path, rows, None, **REDCAP).faults) == [
        "visits.csv row 2, hauttyp '2': the entries of one visit differ",
        "visits.csv row 3, hauttyp '5': the entries of one visit differ",
        "visits.csv row 5, pasi_total 'achtzig': wanted a number from 0 to 72 (decimal point)",
        "visits.csv rows 12, 14, record_id and redcap_event_name '3-week_4': read twice by the same reader",
        "visits.csv rows 2, 6, photo_front or photo_back '1_week_0.jpg': the same file in several rows",
    ]
    wrong = REDCAP | {"photo_columns": {"photo_side": "side"}, "double_entry": "record"}
    faults = told(seen(tmp_path, redcap(), None, **wrong).faults)
    assert "visits.csv: no column 'record', which tables.double_entry names" in faults
    assert "visits.csv: no column 'photo_side', which tables.photo_columns names" in faults


def test_ids_that_are_no_entry_of_double_entry(tmp_path: Path) -> None:
    rows = redcap()
    rows[1][0], rows[4][0] = "1--3", "--2"  # rows 2 and 5
    rows.append(["3", "week_4", 12, "2", "3_week_4.jpg", "3b.jpg"])
    found = told(seen(tmp_path, rows, None, **REDCAP).faults)
    wanted = "is no entry of double entry; wanted an id that ends in --1 or --2"
    assert f"visits.csv row 2, record_id '1--3': {wanted}" in found
    assert f"visits.csv row 5, record_id '--2': {wanted}" in found
    merged = "is the merged record beside its own entries --1 or --2; which of them counts is not told"
    assert f"visits.csv row 14, record_id '3': {merged}" in found
    assert not any("reader" in fault for fault in found)


def test_an_id_without_an_entry_is_a_first_entry_and_said_so(tmp_path: Path) -> None:
    rows = redcap()
    for row in rows[1:]:
        row[0] = row[0].replace("2--1", "2")
    rows = [row for row in rows if row[0] != "2--2"]
    found = seen(tmp_path, rows, None, **REDCAP)
    assert told(found.faults) == []
    said = "visits.csv rows 6-7, record_id '2': ends in neither --1 nor --2; it is taken for a first entry (Reader 1)"
    assert said in told(found.notes)
    for row in rows[1:]:
        row[0] = row[0].partition("--")[0]
    once = [row for number, row in enumerate(rows) if row[:2] not in [other[:2] for other in rows[:number]]]
    assert told(seen(tmp_path, once, None, **REDCAP).faults) == [
        "visits.csv, record_id: no id ends in --1 or --2, which tables.double_entry says of this column"
    ]


def test_a_german_workbook_with_three_readers(tmp_path: Path) -> None:
    """Titles, values, marks and dates of another language, the tables as sheets of one file."""
    sheets: dict[str, Rows] = {
        "Besuche": [["Besuch", "Patient", "Datum"], *([f"B{n}", f"P{n // 2}", f"0{n + 1}.03.2024"] for n in range(6))],
        "Befunde": [["Besuch", "Arzt", "PASI"]]
        + [
            [f"B{n}", arzt, f"{n * 2 + plus},5"]
            for n in range(6)
            for arzt, plus in (("Dr. A", 0), ("Dr. B", 1), ("Dr. C", 3))
        ],
        "Fotos": [
            ["Foto", "Besuch", "Ansicht", "Datei"],
            *([f"F{n}", f"B{n}", "vorn", f"Bilder/F{n}.heic"] for n in range(6)),
        ],
    }
    path = write_xlsx(tmp_path / "Studie.xlsx", sheets)
    columns = {"visit_id": "Besuch", "patient_id": "Patient", "study_day": "Datum", "reader_id": "Arzt", "pasi": "PASI"}
    columns |= {"photo_id": "Foto", "view": "Ansicht", "path": "Datei"}
    tables = {
        "columns": columns,
        "sheets": {"visits": "Besuche", "readings": "Befunde", "photos": "Fotos"},
        "dates": "%d.%m.%Y",
        "readers": ["Dr. B", "Dr. A", "Dr. C"],
    }
    files = TableFiles(path, path, None, False, path, parse({"tables": tables}, "the test").tables)
    found = examine(files, Outcome(), SplitSettings(), 0)
    assert told(found.faults) == []
    assert found.cohort is not None
    assert found.cohort.visits["study_day"].tolist() == [0, 1] * 3
    assert found.cohort.visits["pasi_reader1"].tolist() == [n * 2 + 1.5 for n in range(6)]
    assert found.cohort.visits["pasi_reader2"].tolist() == [n * 2 + 0.5 for n in range(6)]
    assert found.cohort.readings is not None
    assert found.cohort.readings["reader_id"].nunique() == 3


def test_the_settings_of_the_documentation_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs/your-study.md").read_text(encoding="utf-8")
    blocks = [block for block in page.split("```") if block.startswith("\ntables:")]
    assert len(blocks) == 2
    forms = [parse(yaml.safe_load(block), "the page").tables for block in blocks]
    assert forms[0].titles_of("photos")["visit_id"] == (["Besuchsnummer"], True)
    assert forms[0].values_of("fitzpatrick") == {"typ 1": "I", "typ 2": "II", "unbekannt": ""}
    assert forms[1].double_entry == "record_id"
