"""A study from a German clinic, its tables in a workbook, with decimal commas and three readers, and photos in HEIC."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from grasp_psonet.cli import _job, main
from tests.cohort.made_tables import Rows, write_xlsx
from tests.photos.scene import HEIC

pytestmark = pytest.mark.long

SMALL = {
    "cohort": {"num_patients": 14, "num_visits": 20, "num_views": 2, "val_visits": 5, "test_visits": 5},
    "train": {"epochs": 1},
    "prune": {"k": [2], "controls": []},
    "evaluate": {"replicates": 10},
    "machine": {"processes": 1},
    "out_of_fold": {"folds": 2, "repeats": 1},
    "explain": {"flagged": 2, "errors": 2},
}
GERMAN: dict[str, Any] = {
    "sheets": {"visits": "Besuche", "readings": "Befunde"},
    "dates": "%d.%m.%Y",
    "columns": {
        "visit_id": "Besuch",
        "patient_id": "Patient",
        "study_day": "Datum",
        "fitzpatrick": "Hauttyp",
        "split": "Teil",
        "reader_id": "Ärztin",
        "pasi": "PASI gesamt",
        "date": "gelesen am",
        "photo_id": "Foto",
        "view": "Ansicht",
        "path": "Datei",
    },
    "values": {"split": {"Üben": "train", "Wahl": "val", "Prüfung": "test"}},
    "readers": ["A. Müller", "B. Jäger", "C. Groß"],
}
PARTS = {"train": "Üben", "val": "Wahl", "test": "Prüfung"}


def german_tables(photos: Path) -> dict[str, Any]:
    """Settings of the tables, with the photos' one lying here."""
    return GERMAN | {"files": {"visits": "Studie.xlsx", "readings": "Studie.xlsx", "photos": str(photos)}}


def workbook(visits: pd.DataFrame) -> dict[str, Rows]:
    """The drawn visits as a German study keeps them; C. Groß, of whose readings no label is made, read what both others did."""
    day = pd.Timestamp("2024-01-31") + pd.to_timedelta(visits["study_day"].astype(int), unit="D")
    written = day.dt.strftime("%d.%m.%Y")
    besuche: Rows = [["Besuch", "Patient", "Datum", "Hauttyp", "Teil"]]
    befunde: Rows = [["Besuch", "Ärztin", "PASI gesamt", "gelesen am"]]
    for row, visit in visits.iterrows():
        besuche.append(
            [visit["visit_id"], visit["patient_id"], written[row], visit["fitzpatrick"], PARTS[visit["split"]]]
        )
        for reader, score in (("A. Müller", "pasi_reader1"), ("B. Jäger", "pasi_reader2"), ("C. Groß", "pasi_reader1")):
            if visit[score] and (reader != "C. Groß" or visit["pasi_reader2"]):
                befunde.append([visit["visit_id"], reader, visit[score].replace(".", ","), written[row]])
    return {"Besuche": besuche, "Befunde": befunde, "Notizen": [["nichts"]]}


def as_photographed(study: Path, photos: pd.DataFrame) -> pd.DataFrame:
    """The photos of the first visit as a phone takes them: HEIC, one of them lying on its side."""
    taken = photos.index[photos["visit_id"] == photos["visit_id"].iloc[0]]
    for place, orientation in zip(taken, (1, 6), strict=True):
        name = f"photos/IMG_{orientation}.HEIC"
        shutil.copy(HEIC / f"orientation-{orientation}.heic", study / name)
        photos.loc[place, "path"] = name
    return photos


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("own") / "study"
    study.mkdir()
    assert main(["init", str(study), "--preset", "tiny"]) == 0
    settings = yaml.safe_load((study / "study.yaml").read_text())
    for group, values in SMALL.items():
        settings[group] |= values
    (study / "study.yaml").write_text(yaml.safe_dump(settings))
    assert main(["cohort", str(study)]) == 0
    return study


@pytest.fixture(scope="module")
def german(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("german") / "Studie"
    shutil.copytree(drawn, study)
    visits, photos = (
        pd.read_csv(study / name, dtype=str, keep_default_na=False) for name in ("visits.csv", "photos.csv")
    )
    for name in ("visits.csv", "photos.csv", "views.csv", "cohort.json", "truth.parquet", "truth_visits.parquet"):
        (study / name).unlink()
    write_xlsx(study / "Studie.xlsx", workbook(visits))
    names = {"photo_id": "Foto", "visit_id": "Besuch", "view": "Ansicht", "path": "Datei"}
    outside = study.with_name("Fotoliste.csv")  # a table may lie elsewhere, and the page does not say where
    as_photographed(study, photos).rename(columns=names).to_csv(outside, sep=";", index=False, encoding="utf-16")
    settings = yaml.safe_load((study / "study.yaml").read_text())
    (study / "study.yaml").write_text(
        yaml.safe_dump(settings | {"tables": german_tables(outside)}, allow_unicode=True), encoding="utf-8"
    )
    return study


def test_the_same_cohort_comes_out(drawn: Path, german: Path) -> None:
    wanted, found = _job(drawn, {}).cohort, _job(german, {}).cohort
    columns = ["visit_id", "patient_id", "pasi_reader1", "pasi_reader2", "fitzpatrick", "split", "severity_reader1"]
    pd.testing.assert_frame_equal(found.visits[columns], wanted.visits[columns])
    pd.testing.assert_frame_equal(found.photos[["photo_id", "visit_id", "view"]], wanted.photos.iloc[:, :3])
    assert found.photos["path"].str.endswith(".HEIC").sum() == 2
    assert set(found.visits["reader1_id"]) == {"A. Müller"}
    assert found.readings is not None
    assert found.readings["reader_id"].nunique() == 3


def test_from_check_to_report(german: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(german)]) == 0
    told = capsys.readouterr().out
    assert "note: Fotoliste.csv: read with cells separated by ';' (tables.delimiter)" in told
    assert "note: Fotoliste.csv: read as utf-16, which its byte order mark says (tables.encoding)" in told
    assert "note: Studie.xlsx (Befunde): fractions have a decimal comma (tables.decimal)" in told
    table = pd.read_csv(german / "check.csv")
    assert set(table["kind"]) == {"note"}
    assert main(["run", str(german)]) == 0
    assert json.loads((german / "report/results.json").read_text())["readers"] == ["Reader 1", "Reader 2"]
    page = (german / "report/report.html").read_text()
    assert ".../Fotoliste.csv" in page
    assert str(german.parent) not in page
    capsys.readouterr()
    assert main(["run", str(german), "--dry-run"]) == 0
    assert "make" not in capsys.readouterr().out


def test_a_change_of_the_form_makes_what_depends_on_it_anew(german: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(german / "report", ignore_errors=True)
    before = _job(german, {}).tables_digest
    assert _job(german, {"tables.readers": "[B. Jäger, A. Müller, C. Groß]"}).tables_digest != before
    assert _job(german, {}).tables_digest == before
    capsys.readouterr()
    (german / "visits.csv").write_text("visit_id\n")
    assert _job(german, {}).tables_digest == before, "the file that is told is read, and no other"
    (german / "visits.csv").unlink()


def test_check_csv_holds_every_fault_and_no_formula(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    shutil.copytree(drawn, study)
    photos = pd.read_csv(study / "photos.csv", dtype=str, keep_default_na=False)
    extra = photos.head(1).loc[[0] * 200].assign(photo_id=[f"=cmd|{n}" for n in range(200)], visit_id="@nobody")
    extra["path"] = [f"-none/{n}.jpg" for n in range(200)]
    pd.concat([photos, extra]).to_csv(study / "photos.csv", index=False)
    assert main(["check", str(study), "--evaluate.subgroups", "[sexx]"]) == 1
    told = capsys.readouterr().out
    assert "fault: evaluate.subgroups names 'sexx'" in told
    assert len(told.splitlines()) < 80
    first = len(photos) + 2
    assert f"fault: photos.csv rows {first}-{first + 199}, visit_id '@nobody': no such visit in visits.csv" in told
    assert "in check.csv, one row each" in told
    table = pd.read_csv(study / "check.csv", dtype=str, keep_default_na=False)
    orphans = table[table["problem"] == "no such visit in visits.csv"]
    assert orphans["row"].tolist() == [str(row) for row in range(first, first + 200)]
    assert set(orphans["value"]) == {"'@nobody"}
    assert set(orphans["remedy"]) == {"correct the id, or add the visit"}
    assert not table.apply(lambda column: column.str.startswith(("=", "+", "-", "@"))).any(axis=None)


def test_a_file_passed_over_is_noted_and_two_are_refused(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    shutil.copytree(drawn, study)
    write_xlsx(study / "visits.xlsx", {"visits": [["visit_id"]]})
    one = Path(pd.read_csv(study / "photos.csv")["path"][0])
    shutil.copy(study / one, study / one.with_name("forgotten.jpg"))
    assert main(["check", str(study)]) == 0
    told = capsys.readouterr().out
    assert "note: visits.csv: is read; visits.xlsx beside it is not" in told
    assert f"note: photos.csv '{one.parent}/forgotten.jpg': lies among the photos, and no row names it" in told
    (study / "visits.csv").unlink()
    assert main(["cohort", str(study), "--cohort_seed", "3"]) == 1
    assert "holds visits.xlsx, which was not drawn here" in capsys.readouterr().err
    (study / "visits.tsv").write_text("visit_id\tpatient_id\n")
    assert main(["check", str(study)]) == 1
    assert "holds visits.tsv and visits.xlsx" in capsys.readouterr().err


@pytest.mark.parametrize("table", ["visits", "photos", "views"])
def test_a_pipe_in_place_of_a_table_stops_every_command_at_once(
    drawn: Path, tmp_path: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    shutil.copytree(drawn, study)
    for made in ("cohort.json", "truth.parquet", "truth_visits.parquet", f"{table}.csv"):
        (study / made).unlink()
    os.mkfifo(study / f"{table}.csv")
    for command in ("check", "run", "prepare", "train"):
        assert main([command, str(study)]) == 1, command
        told = capsys.readouterr()
        assert f"{table}.csv" in told.out + told.err
        assert "is a pipe" in told.out + told.err, command


def test_only_studies_whose_patients_are_drawn_by_skin_type_are_made_anew(drawn: Path, tmp_path: Path) -> None:
    """The digest of the tables is that of before where a split is told, or no skin type is."""
    study = tmp_path / "study"
    study.mkdir()
    for name in ("photos.csv", "study.yaml"):
        shutil.copy(drawn / name, study / name)
    visits = pd.read_csv(drawn / "visits.csv", dtype=str, keep_default_na=False)

    def is_marked(table: pd.DataFrame) -> bool:
        table.to_csv(study / "visits.csv", index=False)
        job = _job(study, {})
        return job.tables_digest != job._digest_of([study / "visits.csv", study / "photos.csv", study / "views.csv"])

    assert not is_marked(visits)
    assert is_marked(visits.drop(columns="split"))
    assert is_marked(visits.assign(split=""))
    assert not is_marked(visits.drop(columns=["split", "fitzpatrick"]))
