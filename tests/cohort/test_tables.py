"""Reading the tables: what is right becomes a cohort, and every fault is found in one go, with its rows."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from grasp_psonet.cohort.check import check_tables
from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings, SplitSettings
from grasp_psonet.cohort.tables import Cohort, TableFiles, examine, read_cohort
from grasp_psonet.errors import TableError

VISITS = """visit_id,patient_id,study_day,pasi_reader1,reader1_id,pasi_reader2,reader2_id,fitzpatrick,split,site
v1,a,0,2.5,r1,5.1,r2,IV,train,north
v2,a,14,12,r1,,,4,train,
v3,b,0,5,r1,NA,,ii,val,south
v4,c,,10.1,r1,10,r2,,test,south
"""
PHOTOS = """photo_id,visit_id,view,path
p1,v1,front,x/1.jpg
p2,v1,back,x/2.jpg
p3,v2,front,x/3.jpg
p4,v3,,x/4.jpg
p5,v4,front,x/5.jpg
"""
VIEWS = "code,body_region,side,required\nfront,trunk,,yes\nback,trunk,,no\n"

Write = Callable[..., tuple[Path, Path, Path]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(visits: str = VISITS, photos: str = PHOTOS, views: str | None = VIEWS) -> tuple[Path, Path, Path]:
        files = tmp_path / "visits.csv", tmp_path / "photos.csv", tmp_path / "views.csv"
        for file, text in zip(files, (visits, photos, views), strict=True):
            if text is not None:
                file.write_text(text, encoding="utf-8", newline="")
        return files

    return _write


def read(files: tuple[Path, Path, Path], seed: int = 0) -> Cohort:
    return read_cohort(TableFiles(*files), Outcome(), SplitSettings(), seed)


def faults_of(files: tuple[Path, Path, Path]) -> list[str]:
    return told(examine(TableFiles(*files), Outcome(), SplitSettings(), 0).faults)


def notes_of(files: tuple[Path, Path, Path]) -> list[str]:
    return told(examine(TableFiles(*files), Outcome(), SplitSettings(), 0).notes)


def test_a_cohort_holds_what_the_files_say(write: Write) -> None:
    cohort = read(write())
    visits = cohort.visits
    assert list(visits.columns[:11]) == [
        "visit_id", "patient_id", "study_day", "pasi_reader1", "reader1_id", "pasi_reader2", "reader2_id", "fitzpatrick",
        "split", "severity_reader1", "severity_reader2",
    ]  # fmt: skip
    assert list(visits.index) == [0, 1, 2, 3]
    assert visits["severity_reader1"].tolist() == [0, 2, 0, 2]
    assert visits["severity_reader2"].tolist() == [1, pd.NA, pd.NA, 1]
    assert visits["fitzpatrick"].tolist() == ["IV", "IV", "II", pd.NA]
    assert visits["study_day"].tolist() == [0, 14, 0, pd.NA]
    assert visits["pasi_reader2"].isna().tolist() == [False, True, True, False]
    assert visits["site"].tolist() == ["north", pd.NA, "south", "south"]
    assert cohort.photos["view"].tolist() == ["front", "back", "front", pd.NA, "front"]
    assert cohort.photos["path"].tolist()[0] == "x/1.jpg"
    assert cohort.views is not None
    assert cohort.views["required"].tolist() == [True, False]


def test_columns_may_stand_in_any_order_and_optional_ones_may_be_missing(write: Write) -> None:
    visits = "\ufeffsplit,severity_reader1,patient_id,visit_id\r\ntrain,Severe,a,v1\r\nTRAIN,mild,a,v2\r\nval,moderate,b,v3\r\n"
    visits += ",,,\r\n\r\ntest, mild ,c,v4\r\n"
    cohort = read(write(visits, views=None))
    assert cohort.visits["severity_reader1"].tolist() == [2, 0, 1, 0]
    assert cohort.visits["split"].tolist() == ["train", "train", "val", "test"]
    for column in ("study_day", "pasi_reader1", "pasi_reader2", "reader2_id", "fitzpatrick", "severity_reader2"):
        assert cohort.visits[column].isna().all(), column
    assert cohort.views is None


def test_every_planted_fault_is_found_in_one_go(write: Write) -> None:
    visits = """visit_id,patient_id,study_day,pasi_reader1,pasi_reader2,severity_reader2,fitzpatrick,split,reader1-ID
v1,a,0,2.5,5.1,,IV,train,r
v2,a,soon,72.5,,,VII,val,r
v2,b,0,"4,5",,bad,II,val,r
,c,0,1,,,I,testing,r
v5,d,0,,,,I,train,r
v6,,0,3,11,mild,I,,r
v7,e,0,nan,-1,,I,train
v8,f,0,inf,,,I,train,r
"""
    photos = """photo_id,visit_id,view,path
p1,v1,front,x/1.jpg
p1,v2,front,x/2.jpg
,v5,front,x/3.jpg
p4,v6,frnt,x/4.jpg
p5,v9,front,x/5.jpg
p6,v9,front,./x/5.jpg
p7,v7,front,
"""
    views = "code,required\nfront,perhaps\nfront,no\n"
    faults = "\n".join(faults_of(write(visits, photos, views))) + "\n"
    pasi = "wanted a number from 0 to 72 (decimal point)"
    for message in (
        "visits.csv: no column 'reader1-ID' is known; did you mean 'reader1_id'?",
        "visits.csv row 8: more or fewer cells than the 9 columns of the header",
        "visits.csv row 3, study_day 'soon': wanted a whole number of days",
        f"visits.csv row 3, pasi_reader1 '72.5': {pasi}",
        f"visits.csv row 4, pasi_reader1 '4,5': {pasi}",
        f"visits.csv row 9, pasi_reader1 'inf': {pasi}",
        f"visits.csv row 8, pasi_reader2 '-1': {pasi}",
        "visits.csv row 4, severity_reader2 'bad': wanted mild, moderate, severe",
        "visits.csv row 7, severity_reader2 'mild': pasi_reader2 11 is severe by severity.cutoffs and severity.ties;"
        " correct one of them",
        "visits.csv rows 6, 8, pasi_reader1: empty; Reader 1 must have read every visit",
        "visits.csv row 3, fitzpatrick 'VII': wanted I to VI or 1 to 6",
        "visits.csv row 5, visit_id is empty: wanted the visit_id of the row",
        "visits.csv row 7, patient_id is empty: wanted the patient_id of the row",
        "visits.csv rows 3-4, visit_id 'v2': stands in several rows; wanted one row per visit",
        "visits.csv row 5, split 'testing': wanted train, val or test",
        "visits.csv row 7, split is empty: wanted a split in every row, or in none",
        "visits.csv rows 2-3, split train and val: patient 'a' must be in one split only",
        "photos.csv rows 2-3, photo_id 'p1': stands in several rows; photo ids are unique in a study",
        "photos.csv row 4, photo_id is empty: wanted the photo_id of the photo",
        "photos.csv rows 6-7, path 'x/5.jpg': the same file in several rows",
        "photos.csv row 8, path is empty: wanted the path of the photo",
        "photos.csv rows 6-7, visit_id 'v9': no such visit in visits.csv",
        "visits.csv row 9, visit_id 'v8': no photo of this visit in photos.csv",
        "photos.csv row 5, view 'frnt': no such code in views.csv",
        "views.csv row 2, required 'perhaps': wanted yes or no",
        "views.csv rows 2-3, code 'front': stands in several rows; wanted one row per view",
    ):
        assert message + "\n" in faults
        faults = faults.replace(message + "\n", "")
    assert faults == "", "letters that nobody planted"


@pytest.mark.parametrize(
    ("header", "messages"),
    [
        (
            "visit_id,patient_id,pasi_reader_1",
            ["visits.csv: no column 'pasi_reader_1' is known; did you mean 'pasi_reader1'?"],
        ),
        ("visit_id,pasi_reader1", ["visits.csv: no column 'patient_id'"]),
        ("visit_id,patient_number,pasi_reader1", ["visits.csv: no column 'patient_id'; is 'patient_number' meant?"]),
        ("visit_id,patient_id", ["visits.csv: no column 'pasi_reader1' or 'severity_reader1'"]),
        (
            "visit_id,patient_id,pasi_reader1,site,site",
            ["visits.csv: column 'site' stands 2 times in the header"],
        ),
        ("visit_id,patient_id,pasi_reader1,pasi_reader3,age", []),
        ("visit_id,patient_id,pasi_reader1,study_date", []),
    ],
)
def test_column_names(write: Write, header: str, messages: list[str]) -> None:
    columns = header.split(",")
    rows = [
        ",".join("1" if "pasi" in c else f"v{n}" if c == "visit_id" else f"x{n}" for c in columns) for n in range(1, 5)
    ]
    files = write("\n".join([header, *rows]) + "\n")
    assert faults_of(files) == messages


def test_files_that_are_no_tables(write: Write) -> None:
    files = write()
    files[0].unlink()
    files[1].write_bytes(PHOTOS.encode() + "p6,v1,front,Fuß.jpg\n".encode("latin-1"))
    files[2].write_text('code,required\n"front,yes\n')
    missing, encoding, broken = faults_of(files)
    assert missing == "visits.csv: cannot be read (No such file or directory)"
    assert encoding == "photos.csv line 7: byte 0xdf is not UTF-8; save the table as CSV UTF-8"
    assert broken == "views.csv line 2: a quote is opened and never closed: the file ends in it"
    assert faults_of(write(VISITS, "", "\n"))[:2] == [
        "photos.csv: no header in row 1; wanted the names of the columns",
        "views.csv: no header in row 1; wanted the names of the columns",
    ]
    assert "visits.csv: no rows below the header" in faults_of(write(VISITS.splitlines()[0]))


def test_an_empty_cell_is_one_fault_only(write: Write) -> None:
    photos = PHOTOS + ",,,\np6,,front,x/6.jpg\n"
    assert faults_of(write(photos=photos)) == ["photos.csv row 8, visit_id is empty: wanted the visit_id of the photo"]


def test_rows_are_counted_over_blank_rows(write: Write) -> None:
    lines = VISITS.splitlines()
    text = "\n".join([lines[0], "", lines[1], ",,,,,,,,,", lines[2].replace("12", "many"), lines[3], lines[4]])
    assert faults_of(write(text)) == [
        "visits.csv row 5, pasi_reader1 'many': wanted a number from 0 to 72 (decimal point)"
    ]


def test_a_long_list_of_faults_ends_in_a_count(write: Write) -> None:
    text = VISITS + "".join(f"w{i},d{i},0,bad{i},r1,,,I,train,x\n" for i in range(60))
    with pytest.raises(TableError) as raised:
        read(write(text))
    message = str(raised.value)
    assert message.startswith(
        "120 fault(s) in the tables (the header is row 1):\n  visits.csv rows 6-65, pasi_reader1 'bad0', 'bad1', 'bad2' and 57 "
        "more values: wanted a number"
    )
    assert "visits.csv rows 6-65, visit_id 'w0', 'w1', 'w2' and 57 more values: no photo of this visit" in message
    assert "grasp check" in message


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("v\u00e9", "ve\u0301")])
def test_one_patient_under_two_spellings_is_a_fault(write: Write, one: str, other: str) -> None:
    visits = VISITS.replace("v1,a,", f"v1,{one},").replace("v2,a,14,12,r1,,,4,train", f"v2,{other},14,12,r1,,,4,test")
    files = TableFiles(*write(visits))
    (fault,) = told(check_tables(files, Outcome(), SplitSettings(), 0).faults)
    assert fault.startswith("visits.csv rows 2-3, patient_id ")
    assert "is spelt in several ways" in fault


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ("a" * 5000, "holds more than 200 letters"),
        ("a/b", "holds a slash, or is a path; an id is none"),
        ("a\\b", "holds a slash, or is a path; an id is none"),
        ("..", "holds a slash, or is a path; an id is none"),
    ],
)
def test_ids_that_are_texts_or_paths_are_faults(write: Write, told: str, problem: str) -> None:
    visits, photos = VISITS.replace("v1,a,", f"{told},a,"), PHOTOS.replace(",v1,", f",{told},")
    found = faults_of(write(visits, photos.replace("p3,", f"{told},")))
    assert len(found) == 3
    assert all(problem in fault and len(fault) < 300 for fault in found)
    assert found[0].startswith("visits.csv row 2, visit_id ")
    long = PHOTOS.replace("x/1.jpg", "x/" + "1" * 2000)
    assert "holds more than 1024 letters" in faults_of(write(VISITS, long))[0]


@pytest.mark.parametrize(("split", "given"), [("train", "val"), ("val", "test"), ("test", "val")])
def test_a_split_column_must_train_validate_and_test(write: Write, split: str, given: str) -> None:
    (fault,) = faults_of(write(VISITS.replace(split, given)))
    assert fault.startswith(f"visits.csv, split: no visit is in {split!r}")
    assert f"0 in {split}" in fault


def test_a_class_that_trains_nothing_is_told(write: Write) -> None:
    more = "v5,d,0,7,r1,,,I,val,x\n"
    photos = PHOTOS + "p6,v5,front,x/6.jpg\n"
    told = (
        "no visit of split train is moderate by Reader 1: the network cannot learn this class, and answers with others"
    )
    assert told in notes_of(write(VISITS + more, photos))


def test_too_few_patients_to_draw_splits(write: Write) -> None:
    text = VISITS.replace(",train", ",").replace(",val", ",").replace(",test", ",").replace("v4,c", "v4,b")
    assert faults_of(write(text)) == [
        "visits.csv has 2 patient(s) and no split column; drawing splits takes at least 3"
    ]


def test_what_is_odd_but_usable_is_a_note(write: Write) -> None:
    notes = notes_of(write())
    assert "visits.csv row 4, visit_id 'v3': lacks view 'front', which is required" in notes
    assert any(
        note.startswith("no visit is moderate by Reader 1: the network cannot learn this class") for note in notes
    )
    told = "no visit of split val is severe by Reader 1: the AUC that chooses does not exist"
    assert any(note.startswith(told) for note in notes)
    assert faults_of(write()) == []


def test_the_side_of_a_tie_is_a_setting(write: Write) -> None:
    upper = read_cohort(TableFiles(*write()), Outcome(SeveritySettings(ties=("upper", "upper"))), SplitSettings(), 0)
    assert upper.visits["severity_reader1"].tolist() == [0, 2, 1, 2]
    assert upper.visits["severity_reader2"].tolist() == [1, pd.NA, pd.NA, 2]


def test_check_sums_up_a_faultless_cohort(write: Write) -> None:
    result = check_tables(TableFiles(*write()), Outcome(), SplitSettings(), 0)
    assert result.faults == []
    assert result.photos.index.tolist() == [2, 3, 4, 5, 6]
    assert result.summary["num_patients"] == 3
    assert result.summary["photos_per_visit"] == [1, 1.0, 2]
    assert result.summary["visits_by_split_and_class"]["train"] == {"mild": 1, "moderate": 0, "severe": 1}
    assert result.summary["visits_by_fitzpatrick"] == {"II": 1, "IV": 2}
    assert (result.summary["num_read_twice"], result.summary["num_readers_differ"]) == (2, 2)
    assert check_tables(TableFiles(*write("visit_id\n")), Outcome(), SplitSettings(), 0).summary == {}


@pytest.mark.process
def test_tables_and_photos_are_read_without_torch() -> None:
    rooms = "grasp_psonet.cohort.check, grasp_psonet.photos.store, grasp_psonet.photos.check"
    code = f"import sys, {rooms}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_a_score_that_no_column_holds_is_noted(write: Write) -> None:
    classes = "visit_id,patient_id,severity_reader1,split\nv1,a,mild,train\nv2,b,severe,val\nv3,c,moderate,test\n"
    photos = "photo_id,visit_id,view,path\np1,v1,,x/1.jpg\np2,v2,,x/2.jpg\np3,v3,,x/3.jpg\n"
    files = write(classes, photos)
    (note,) = [note for note in notes_of(files) if "severity.score_column" in note]
    assert note.startswith("visits.csv has no column 'pasi_reader1': classes are taken as they stand")
    without = Outcome(SeveritySettings(score_column=None))
    assert not [
        note for note in told(examine(TableFiles(*files), without, SplitSettings(), 0).notes) if "score" in note
    ]
    assert not [note for note in notes_of(write()) if "score_column" in note]


def test_a_reader_is_no_likeness(write: Write) -> None:
    """pasi_reader1 is not severity_reader1 misspelt, though half of their letters are the same."""
    without = Outcome(SeveritySettings(score_column=None))
    faults = told(examine(TableFiles(*write()), without, SplitSettings(), 0).faults)
    assert "visits.csv: no column 'severity_reader1'" in faults
    near = VISITS.replace("pasi_reader1", "severety_grade_reader1")
    hinted = told(examine(TableFiles(*write(near)), without, SplitSettings(), 0).faults)
    assert "visits.csv: no column 'severity_reader1'; is 'severety_grade_reader1' meant?" in hinted
