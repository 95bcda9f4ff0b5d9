"""``grasp import``: every kind on a look-alike of the true layout, then `grasp check` on what was written."""

import os
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.cli import main
from grasp_psonet.cohort.importing.kinds import KINDS
from grasp_psonet.cohort.importing.request import PHOTO_ENDINGS, skin_type
from grasp_psonet.errors import TableError
from grasp_psonet.photos.files.formats import ENDINGS
from grasp_psonet.stages import commands


def _photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(path.as_posix().encode())
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24, 3)).astype(np.uint8)).save(path)


def _import(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    code = main(["import", *map(str, words)])
    told = capsys.readouterr()
    assert code == 0, told.err
    return told.out


def _refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main(["import", *map(str, words)]) == 1
    return capsys.readouterr().err


def _tables(study: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    visits, photos = (
        pd.read_csv(study / name, dtype=str, keep_default_na=False) for name in ("visits.csv", "photos.csv")
    )
    return visits.set_index("visit_id"), photos


def _checks(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", str(study), "--network.weights", "random"])
    assert code == 0, capsys.readouterr().out


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_photos_are_those_that_are_read() -> None:
    assert PHOTO_ENDINGS == ENDINGS


def test_the_kinds_of_the_help_are_those_that_are_read() -> None:
    assert tuple(KINDS) == commands.KINDS


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Nine visits in folders, two photos each."""
    source = tmp_path / "source"
    for number in range(9):
        for view in ("front", "back"):
            _photo(source / f"v{number}" / f"{view}.png")
    (source / "v0" / "notes.txt").write_text("no photo")
    return source


def test_one_folder_per_visit(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tmp_path / "labels.csv"
    rows = [f"v{n};p{n // 2};{2.5 * n}" for n in range(9)] + ["v77;p77;3"]
    labels.write_text("visit_id;patient_id;pasi_reader1\n" + "\n".join(rows) + "\n")
    before = _files(folders)
    study = tmp_path / "study"
    told = _import(capsys, "folder", study, folders, "--labels", labels)
    assert "visits.csv: 9 visits" in told
    assert "1 row(s) of labels.csv name visits without photos" in told
    visits, photos = _tables(study)
    assert visits.loc["v3", ["patient_id", "pasi_reader1"]].tolist() == ["p1", "7.5"]
    assert photos["path"].tolist()[:2] == ["v0/back.png", "v0/front.png"]
    assert photos["photo_id"].tolist()[:3] == ["v0-01", "v0-02", "v1-01"], (
        "ids stand in every output: no names of files"
    )
    assert _files(folders) == before
    assert _files(study) == {"visits.csv", "photos.csv", "study.yaml"}
    assert "root: ../source" in (study / "study.yaml").read_text(encoding="utf-8")
    _checks(study, capsys)


def test_what_a_folder_holds_beside_photos_is_told(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.bmp", "b.bmp", "c.bmp", "d.BMP", "README", ".DS_Store"):
        (folders / "v1" / name).write_bytes(b"x")
    os.mkfifo(folders / "v1" / "pipe.jpg")
    (folders / "v1" / "gone.png").symlink_to("nowhere.png")
    (folders / "v99").symlink_to(folders / "v1")
    began = time.monotonic()
    told = _import(capsys, "folder", tmp_path / "study", folders)
    assert time.monotonic() - began < 30, "the pipe was waited for"
    other = "are no photos that are read, and are passed over"
    assert f"note: 4 files that end in .bmp {other}: v1/a.bmp, v1/b.bmp, v1/c.bmp and 1 more" in told
    assert f"note: 1 files that end in .txt {other}: v0/notes.txt" in told
    assert f"note: 1 files that end in nothing {other}: v1/README" in told
    assert "note: 1 hidden files are passed over: v1/.DS_Store" in told
    assert (
        "note: 2 end as photos and are no regular files (pipes, broken links), and are passed over: v1/gone.png" in told
    )
    assert "note: 1 linked folders are not entered: v99" in told
    assert len(_tables(tmp_path / "study")[1]) == 18


def test_a_pattern_that_fits_but_for_case_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _photo(tmp_path / "photos" / "p1_front.png")
    _photo(tmp_path / "photos" / "P2_front.PNG")
    _photo(tmp_path / "photos" / "scan.png")
    words = ("--pattern", r"(?P<visit_id>p\d)_(?P<view>\w+)\.png")
    told = _refused(capsys, "folder", tmp_path / "study", tmp_path / "photos", *words)
    assert "P2_front.PNG does not match --pattern, but for upper and lower case: begin it with (?i)" in told
    assert "scan.png does not match --pattern\n" in told
    assert "2 fault(s) in 3 names of photos" in told


def test_labels_of_a_workbook_and_decimal_commas(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"v{n}", f"p{n}", f"{n},5") for n in range(9)]
    labels = pd.DataFrame(rows, columns=["visit_id", "patient_id", "pasi_reader1"])
    labels.to_excel(tmp_path / "labels.xlsx", index=False)
    _import(capsys, "folder", tmp_path / "study", folders, "--labels", tmp_path / "labels.xlsx")
    assert _tables(tmp_path / "study")[0].loc["v3", "pasi_reader1"] == "3,5"
    _checks(tmp_path / "study", capsys)
    labels.assign(pasi_reader1=[n + 0.5 for n in range(9)]).to_excel(tmp_path / "numbers.xlsx", index=False)
    _import(capsys, "folder", tmp_path / "other", folders, "--labels", tmp_path / "numbers.xlsx")
    assert _tables(tmp_path / "other")[0].loc["v3", "pasi_reader1"] == "3.5"
    _checks(tmp_path / "other", capsys)


def test_photos_inside_the_study_need_no_root_and_copies_stand_in_it(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _import(capsys, "folder", tmp_path, folders)
    assert _tables(tmp_path)[1]["path"][0] == "source/v0/back.png"
    assert "root: null" in (tmp_path / "study.yaml").read_text(encoding="utf-8")
    study = tmp_path / "other"
    told = _import(capsys, "folder", study, folders, "--copy")
    assert "fill in pasi_reader1" in told
    assert "every visit counts as a patient of its own" in told
    assert (study / "photos/v0/back.png").read_bytes() == (folders / "v0/back.png").read_bytes()
    assert _tables(study)[1]["path"][0] == "photos/v0/back.png"
    assert (folders / "v0/back.png").exists()


def test_names_told_apart_by_a_pattern(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    for patient, day, view in (("p1", 0, "face"), ("p1", 0, "arm"), ("p1", 14, "face"), ("p2", 0, "face")):
        _photo(source / f"{patient}_day{day}_{view}.png")
    pattern = r"(?P<patient_id>p\d+)_day(?P<study_day>\d+)_(?P<view>\w+)\.png"
    _import(capsys, "folder", tmp_path / "study", source, "--pattern", pattern)
    visits, photos = _tables(tmp_path / "study")
    assert sorted(visits.index) == ["p1-0", "p1-14", "p2-0"]
    assert visits.loc["p1-14", "study_day"] == "14"
    assert photos[photos["visit_id"] == "p1-0"]["view"].tolist() == ["arm", "face"]
    _photo(source / "IMG_0001.png")
    told = _refused(capsys, "folder", tmp_path / "again", source, "--pattern", pattern)
    assert "IMG_0001.png does not match --pattern" in told
    assert not (tmp_path / "again").exists(), "something was written all the same"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--pattern", "(p"], "is no regular expression"),
        (["--pattern", "(?P<view>.*)"], "has no group visit_id or patient_id"),
        (["--trap", "2"], "takes no --trap"),
        (["--column", "a=b"], "takes no --column"),
        (["--column", "ab"], "is no OURS=THEIRS"),
        (["--photos", "nowhere"], "is not a folder"),
    ],
)
def test_words_that_are_refused(
    folders: Path, tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in _refused(capsys, "folder", tmp_path / "study", folders, *words)
    assert not (tmp_path / "study").exists()


def test_tables_that_are_there_are_left_alone(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "visits.csv").write_text("mine")
    assert "holds visits.csv already" in _refused(capsys, "folder", study, folders)
    assert _files(study) == {"visits.csv"}
    assert (study / "visits.csv").read_text() == "mine"


def test_photos_beside_folders_and_missing_labels_are_named(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("visit_id,pasi_reader1\nv0,3\nv0,4\n")
    told = _refused(capsys, "folder", tmp_path / "study", folders, "--labels", labels)
    assert "row 3, visit_id 'v0' stands twice" in told
    assert "visit v8 has photos and no row in labels.csv" in told
    _photo(folders / "beside.png")
    assert "lie beside the folders of visits" in _refused(capsys, "folder", tmp_path / "study", folders)


def _redcap(tmp_path: Path, text: str) -> Path:
    export = tmp_path / "export.csv"
    export.write_text(text, encoding="utf-8")
    return export


def test_redcap_events_repeats_and_double_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = _redcap(
        tmp_path,
        "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,pasi_total,sex,photo_face,photo_arm,pic\n"
        "7--1,baseline_arm_1,,,12.5,f,7face.png,,\n"
        "7--2,baseline_arm_1,,,10,f,,,\n"
        "7--1,week_4_arm_1,,,3,f,[document],,\n"
        "7--1,week_4_arm_1,extra_photos,1,,,,[document],\n"
        "8,baseline_arm_1,,1,2,m,a/8.png,,\n"
        "8,baseline_arm_1,,2,7,m,b/8.png,,\n"
        "9,baseline_arm_1,,,6,m,,,\n"
        "10,baseline_arm_1,,,30,m,c/8.png,,\n",
    )
    documents = tmp_path / "documents"
    for name in (
        "7face.png",
        "7--1_week_4_arm_1_photo_face.png",
        "7--1_week_4_arm_1_photo_arm.png",
        "77_x_photo_arm.png",
    ):
        _photo(documents / name)
    _photo(documents / "a/8.png")
    _photo(documents / "b/8.png")
    _photo(documents / "c/8.png")
    words = ("--photos", documents, "--column", "pasi=pasi_total", "--column", "sex=sex")
    told = _import(capsys, "redcap", tmp_path / "study", export, *words)
    visits, photos = _tables(tmp_path / "study")
    assert sorted(visits.index) == [
        *("10-baseline_arm_1", "7-baseline_arm_1", "7-week_4_arm_1", "8-baseline_arm_1-1", "8-baseline_arm_1-2")
    ]
    assert visits.loc["7-baseline_arm_1", ["patient_id", "pasi_reader1", "pasi_reader2", "sex"]].tolist() == [
        *("7", "12.5", "10", "f")
    ]
    assert visits.loc["7-week_4_arm_1", ["pasi_reader1", "pasi_reader2"]].tolist() == ["3", ""]
    assert "1 of 6 events have no photo" in told
    of_week = photos[photos["visit_id"] == "7-week_4_arm_1"].set_index("view")["path"]
    assert of_week.to_dict() == {
        "photo_face": "7--1_week_4_arm_1_photo_face.png",
        "photo_arm": "7--1_week_4_arm_1_photo_arm.png",
    }
    assert photos[photos["visit_id"] == "8-baseline_arm_1-2"]["path"].tolist() == ["b/8.png"]
    _checks(tmp_path / "study", capsys)


def test_redcap_double_entry_of_another_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = _redcap(tmp_path, "record_id,iga,photo_1\n5--1,3,a.png\n5--2,4,\n")
    _photo(tmp_path / "photos" / "a.png")
    _import(
        capsys, "redcap", tmp_path / "study", export, "--photos", tmp_path / "photos", "--column", "iga_reader*=iga"
    )
    assert _tables(tmp_path / "study")[0].loc["5", ["iga_reader1", "iga_reader2"]].tolist() == ["3", "4"]


def test_redcap_ids_that_are_no_entry_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = _redcap(tmp_path, "record_id,pasi,photo_1\n5--1,3,a.png\n5--2,4,\n5,3,\n6--3,4,\n")
    _photo(tmp_path / "photos" / "a.png")
    words = ("--photos", tmp_path / "photos", "--column", "pasi=pasi")
    told = _refused(capsys, "redcap", tmp_path / "study", export, *words)
    assert "export.csv row 4, record_id '5': is the merged record beside its own entries" in told
    assert "export.csv row 5, record_id '6--3': is no entry of double entry" in told


def test_redcap_faults_are_all_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = _redcap(
        tmp_path,
        "record_id;redcap_event_name;pasi_a;sex;photo_1\n1;base;3;f;lost.png\n1;base;4;m;\n2;base;5;f;[document]\n",
    )
    _photo(tmp_path / "photos" / "here.png")
    words = ("--photos", tmp_path / "photos", "--column", "pasi_reader1=pasi_a", "--column", "sex=sex")
    told = _refused(capsys, "redcap", tmp_path / "study", export, *words)
    for words_told in (
        "export.csv row 2, photo_1 'lost.png': no such file",
        "row 3, pasi_reader1 '4': another row of 1-base says '3'",
        "row 3, sex 'm'",
        "row 4, photo_1 '[document]': no file of the ZIP is called 2_..._photo_1",
    ):
        assert words_told in told
    told = _refused(capsys, "redcap", tmp_path / "study", export, "--column", "pasi_reader1=pasi_b")
    assert "has no column pasi_b" in told
    assert "seen: record_id, redcap_event_name, pasi_a, sex, photo_1" in told
    assert "no reading is named" in _refused(capsys, "redcap", tmp_path / "study", export)
    told = _refused(
        capsys, "redcap", tmp_path / "study", export, "--column", "pasi_reader1=pasi_a", "--column", "photos=x*"
    )
    assert "has no photo field x*" in told


TRAP_HEAD = ",image,dark_corner,hair,gel_border,gel_bubble,ruler,ink,patches,vasc,label,label_string\n"


def _traps(source: Path, number: int = 1) -> None:
    image = 0
    for split, count in (("train", 6), ("val", 4), ("test", 4)):
        rows = []
        for i in range(count):
            malignant = i % 2
            rows.append(
                f"{image},ISIC_{image:07d}.png,{malignant},0,0,0,1,0,0,0,{malignant},{('benign', 'malignant')[malignant]}"
            )
            image += 1
        path = source / "trap-sets" / f"isic_annotated_{split}{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TRAP_HEAD + "\n".join(rows) + "\n")


def test_isic_trap_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, photos_folder = tmp_path / "debiasing-skin", tmp_path / "isic"
    _traps(source, 3)
    for image in range(13):  # the 14th is not there
        _photo(photos_folder / f"ISIC_{image:07d}.jpg")
    study = tmp_path / "study"
    told = _import(capsys, "isic-traps", study, source, "--photos", photos_folder, "--trap", "3")
    visits, photos = _tables(study)
    assert visits["split"].value_counts().to_dict() == {"train": 6, "val": 4, "test": 3}
    assert visits.loc["ISIC_0000001", "diagnosis_reader1"] == "malignant"
    assert photos.set_index("photo_id").loc["ISIC_0000001", ["path", "dark_corner", "ruler"]].tolist() == [
        *("ISIC_0000001.jpg", "1", "1")
    ]
    for words in ("1 of 14 photos are not there", "licence: ", "CC BY-NC", "cite: Bissoto", "tells no patients"):
        assert words in told
    _checks(study, capsys)
    told = _refused(capsys, "isic-traps", tmp_path / "other", source, "--photos", photos_folder, "--trap", "4")
    assert "holds no trap-sets/isic_annotated_train4.csv" in told


def test_a_photo_in_two_trap_splits_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _traps(tmp_path)
    path = tmp_path / "trap-sets/isic_annotated_val1.csv"
    path.write_text(path.read_text() + "0,ISIC_0000000.png,0,0,0,0,0,0,0,0,0,benign\n")
    _photo(tmp_path / "ISIC_0000000.jpg")
    assert "ISIC_0000000 stands in two rows or two splits" in _refused(
        capsys, "isic-traps", tmp_path / "study", tmp_path
    )


PAD_HEAD = (
    "patient_id,lesion_id,smoke,drink,background_father,background_mother,age,pesticide,gender,skin_cancer_history,cancer_history,"
    "has_piped_water,has_sewage_system,fitspatrick,region,diameter_1,diameter_2,diagnostic,itch,grew,hurt,changed,bleed,elevation,"
    "img_id,biopsed\n"
)


def _pad(source: Path) -> None:
    rows = []
    for number, diagnostic in enumerate(["NEV", "SEK", "ACK", "BCC", "SCC", "MEL"] * 3):
        patient, lesion = f"PAT_{number // 2 + 1}", 100 + number
        for photo in range(1 + number % 2):
            name = f"{patient}_{lesion}_{photo}.png"
            full = f"False,False,POMERANIA,GERMANY,{40 + number},False,FEMALE,True,True,True,True,3.0,NECK,6.0,5.0"
            few = f",,,,{40 + number},,,,,,,,ARM,,"
            rows.append(
                f"{patient},{lesion},{few if number % 3 else full},{diagnostic},True,True,False,UNK,True,True,{name},True"
            )
            _photo(source / "images" / f"imgs_part_{1 + number % 3}" / name)
    source.mkdir(exist_ok=True)
    (source / "metadata.csv").write_text(PAD_HEAD + "\n".join(rows) + "\n")


def test_pad_ufes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "pad"
    _pad(source)
    told = _import(capsys, "pad-ufes", tmp_path / "study", source)
    visits, photos = _tables(tmp_path / "study")
    assert len(visits) == 18
    assert len(photos) == 27
    assert visits.loc[
        "PAT_1-100", ["cancer_reader1", "diagnostic", "fitzpatrick", "age", "sex", "region"]
    ].tolist() == [*("benign", "NEV", "III", "40", "female", "neck")]
    assert visits.loc["PAT_2-103", "cancer_reader1"] == "cancer"
    assert photos[photos["visit_id"] == "PAT_1-101"]["path"].tolist() == [
        "images/imgs_part_2/PAT_1_101_0.png",
        "images/imgs_part_2/PAT_1_101_1.png",
    ]
    assert "licence: CC BY 4.0" in told
    assert "cite: Pacheco" in told
    _checks(tmp_path / "study", capsys)
    told = _import(capsys, "pad-ufes", tmp_path / "six", source, "--label", "diagnostic")
    assert "these classes have no order" in told
    assert set(_tables(tmp_path / "six")[0]["diagnostic_reader1"]) == {"NEV", "SEK", "ACK", "BCC", "SCC", "MEL"}
    _checks(tmp_path / "six", capsys)
    assert "is none of cancer, diagnostic" in _refused(capsys, "pad-ufes", tmp_path / "x", source, "--label", "age")


def _scin(source: Path) -> None:
    cases = ["case_id,source,age_group,sex_at_birth,fitzpatrick_skin_type"]
    cases[0] += "".join(f",image_{n}_path" for n in (1, 2, 3)) + "".join(f",image_{n}_shot_type" for n in (1, 2, 3))
    labels = ["case_id,dermatologist_fitzpatrick_skin_type_label_1,weighted_skin_condition_label"]
    told = [
        "{'Eczema': 0.6, 'Urticaria': 0.4}",
        "{'Urticaria': 1.0}",
        "{'Acne': 0.5, 'Eczema': 0.5}",
        "{}",
        "{'Tinea': 1.0}",
    ]
    for number in range(30):
        case = f"-{1000 + number}"
        names = [f"dataset/images/{case}{photo}.png" for photo in range(1 + number % 3)]
        for name in names:
            _photo(source / name)
        shots = ["CLOSE_UP", "AT_DISTANCE", "AT_AN_ANGLE"][: len(names)]
        cells = [*names, *[""] * (3 - len(names)), *shots, *[""] * (3 - len(names))]
        cases.append(f"{case},SCIN,AGE_30_TO_39,FEMALE,FST3," + ",".join(cells))
        labels.append(f'{case},{"FST5" if number % 2 else ""},"{told[number % 5]}"')
    (source / "dataset/scin_cases.csv").write_text("\n".join(cases) + "\n")
    (source / "dataset/scin_labels.csv").write_text("\n".join(labels) + "\n")


def test_scin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "scin"
    _scin(source)
    told = _import(capsys, "scin", tmp_path / "study", source, "--classes", "Urticaria, Eczema")
    visits, photos = _tables(tmp_path / "study")
    assert visits["condition_reader1"].value_counts().to_dict() == {"Eczema": 6, "Urticaria": 6}
    assert visits.loc["case-1000", ["patient_id", "fitzpatrick", "age", "sex"]].tolist() == [
        *("case-1000", "III", "age_30_to_39", "female")
    ]
    assert visits.loc["case-1001", "fitzpatrick"] == "V"
    assert photos[photos["visit_id"] == "case-1001"][["view", "path"]].to_numpy().tolist() == [
        ["close_up", "dataset/images/-10010.png"],
        ["at_distance", "dataset/images/-10011.png"],
    ]
    assert "18 of 30 cases are none of Urticaria, Eczema" in told
    assert "SCIN Data Use License" in told
    assert "classes: [Urticaria, Eczema]" in (tmp_path / "study" / "study.yaml").read_text(encoding="utf-8")
    _checks(tmp_path / "study", capsys)


def test_fitzpatrick17k(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "fitz"
    rows = [
        "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,three_partition_label,qc,url,url_alphanum"
    ]
    for number in range(30):
        name = f"{number:032x}"
        three = ("non-neoplastic", "benign", "malignant")[number % 3]
        scale = number % 7 or -1
        rows.append(f"{name},{scale},3,psoriasis,inflammatory,{three},1 Diagnostic,http://x/{number},x{number}")
        if number < 28:
            _photo(source / "images" / f"{name}.jpg")
    (source / "fitzpatrick17k.csv").write_text("\n".join(rows) + "\n")
    told = _import(capsys, "fitzpatrick17k", tmp_path / "study", source)
    visits, photos = _tables(tmp_path / "study")
    assert len(visits) == len(photos) == 28
    assert visits.iloc[0][["three_partition_label_reader1", "fitzpatrick", "label", "qc"]].tolist() == [
        *("non-neoplastic", "", "psoriasis", "1 Diagnostic")
    ]
    assert visits.iloc[1]["fitzpatrick"] == "I"
    assert "2 of 30 photos are not there" in told
    assert "CC BY-NC-SA" in told
    _checks(tmp_path / "study", capsys)


def test_an_unknown_layout_names_the_columns_wanted_and_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metadata.csv").write_text("id,diagnosis\n1,BCC\n")
    told = _refused(capsys, "pad-ufes", tmp_path / "study", tmp_path)
    assert "wanted: patient_id, lesion_id, img_id, diagnostic" in told
    assert "seen: id, diagnosis" in told
    told = _refused(capsys, "scin", tmp_path / "study", tmp_path)
    assert "holds no scin_cases.csv or" in told
    assert "there are metadata.csv" in told


def test_none_of_the_photos_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _pad(tmp_path / "pad")
    _photo(tmp_path / "elsewhere" / "other.png")
    told = _refused(capsys, "pad-ufes", tmp_path / "study", tmp_path / "pad", "--photos", tmp_path / "elsewhere")
    assert "none of the 27 photos of the table" in told


def test_a_study_yaml_that_is_there_is_told_what_it_has_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _pad(tmp_path / "pad")
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.yaml").write_text("seed: 4\n")
    told = _import(capsys, "pad-ufes", study, tmp_path / "pad")
    assert (study / "study.yaml").read_text() == "seed: 4\n"
    assert "class_column: cancer" in told
    assert "root: ../pad" in told


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [("3.0", "III"), ("FST6", "VI"), ("iv", "IV"), ("-1", ""), ("", ""), ("NONE_SELECTED", ""), ("UNK", "")],
)
def test_skin_types(cell: str, wanted: str) -> None:
    assert skin_type(cell) == wanted


@pytest.mark.parametrize("cell", ["7", "0", "dark", "3.5"])
def test_skin_types_that_are_none(cell: str) -> None:
    with pytest.raises(TableError, match="is none of I to VI"):
        skin_type(cell)


def test_a_pipe_is_no_photo(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(folders / "v0" / "pipe.png")
    _import(capsys, "folder", tmp_path / "study", folders)
    assert len(_tables(tmp_path / "study")[1]) == 18
