"""Bad input on the main path: a clear letter and exit code 1, or a stated, sensible result; never a traceback."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import ArrowInvalid

from grasp_psonet.cli import main

pytestmark = pytest.mark.long

SMALL = ["--cohort.num_patients", "14", "--cohort.num_visits", "20", "--cohort.num_views", "2"]
SMALL += ["--cohort.val_visits", "5", "--cohort.test_visits", "5"]
SMALL += ["--train.epochs", "1", "--prune.k", "[2]", "--evaluate.replicates", "10", "--machine.processes", "1"]
SMALL += ["--out_of_fold.folds", "2", "--out_of_fold.repeats", "1"]
QUICK = [*SMALL, "--explain.flagged", "2", "--explain.errors", "2", "--prune.controls", "[]"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("bad") / "study"
    assert main(["cohort", str(study), "--preset", "tiny", *QUICK]) == 0
    return study


@pytest.fixture
def study(drawn: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "study"
    shutil.copytree(drawn, copy)
    return copy


def _edit(study: Path, table: str, change: "pd.DataFrame") -> None:
    change.to_csv(study / table, index=False)


def _visits(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "visits.csv", dtype=str, keep_default_na=False)


def _photos(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "photos.csv", dtype=str, keep_default_na=False)


def _told(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    assert main(words) == code
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return told.out + told.err


def test_a_missing_photo(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = study / _photos(study)["path"][3]
    gone.unlink()
    told = _told(["run", str(study)], capsys)
    assert "1 of" in told
    assert gone.name in told
    assert "grasp check" in told
    told = _told(["check", str(study)], capsys)
    assert "row 5" in told
    assert gone.name in told


def test_a_photo_that_is_no_photo(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / _photos(study)["path"][0]).write_bytes(b"not a photo at all")
    told = _told(["run", str(study)], capsys)
    assert _photos(study)["photo_id"][0] in told
    assert not (study / "store").exists()


def test_a_column_nearly_right(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _edit(study, "visits.csv", _visits(study).rename(columns={"pasi_reader1": "pasi_reader_1"}))
    assert "pasi_reader1" in _told(["run", str(study)], capsys)


def test_a_visit_without_photos(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = _photos(study)
    lost = photos["visit_id"][0]
    _edit(study, "photos.csv", photos[photos["visit_id"] != lost])
    assert lost in _told(["run", str(study)], capsys)


def test_a_setting_with_a_typo(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean train.epochs?" in _told(["train", str(study), "--train.epoch", "3"], capsys)


def test_a_study_without_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "visits.csv" in _told(["run", str(tmp_path)], capsys)
    assert "is not a folder" in _told(["run", str(tmp_path / "nowhere")], capsys)


def test_a_stage_asked_for_before_its_inputs(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "prepare comes first: not made yet" in _told(["train", str(study)], capsys)
    assert "grasp run" in _told(["trace", str(study)], capsys)
    for command in ("prune", "retrain", "evaluate", "audit", "explain", "diagnose", "report"):
        assert "grasp run" in _told([command, str(study)], capsys), command


def test_tables_of_ones_own_are_never_drawn_over(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "cohort.json").unlink()
    before = (study / "visits.csv").read_bytes()
    assert "left alone" in _told(["cohort", str(study)], capsys)
    assert (study / "visits.csv").read_bytes() == before


@pytest.mark.parametrize("own", ["visits.csv", "photos/mine.jpg"])
def test_what_was_drawn_and_then_changed_is_never_drawn_over(
    study: Path, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (study / own).open("a") as file:
        file.write("mine")
    told = _told(["cohort", str(study), "--cohort_seed", "5"], capsys)
    assert own in told
    assert "left alone" in told
    assert (study / own).read_text(errors="replace").endswith("mine")


def test_a_drawn_cohort_left_as_it_is_can_be_drawn_anew(study: Path) -> None:
    before = (study / "visits.csv").read_bytes()
    assert main(["cohort", str(study), "--cohort_seed", "5"]) == 0
    assert (study / "visits.csv").read_bytes() != before


def test_faults_of_the_file_system_are_told(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "study.yaml").unlink()
    (study / "study.yaml").mkdir()
    assert "wanted a file" in _told(["check", str(study)], capsys)
    assert "check the path" in _told(["init", str(study / "visits.csv")], capsys)


def test_a_damaged_note_of_the_cohort_is_told(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "cohort.json").write_text("{bad")
    assert "is damaged" in _told(["cohort", str(study)], capsys)


def test_usage_errors_end_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["nonsense"],
        ["train"],
        ["train", "STUDY", "--train.epochs"],
        ["train", "STUDY", "word"],
        ["doctor", "--foo", "3"],
        ["init"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.whole
def test_nothing_to_trace_prunes_nothing_and_says_so(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--trace.drop_doubtful_queries", "true", "--trace.near_cutoff", "72"]
    told = _told(["run", str(study), *words], capsys, code=0)
    assert "no validation error to trace" in told
    assert "removes nothing: its run is the baseline" in told
    results = json.loads((study / "report/results.json").read_text())
    assert results["chosen"] == "baseline"
    assert [arm["name"] for arm in results["arms"]] == ["baseline"]


@pytest.mark.whole
def test_a_class_absent_from_validation_and_test_is_stated(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    visits = _visits(study)
    severe = (visits["pasi_reader1"].astype(float) > 10) & (visits["split"] != "train")
    assert severe.any()
    photos = _photos(study)
    _edit(study, "visits.csv", visits[~severe])
    _edit(study, "photos.csv", photos[~photos["visit_id"].isin(visits["visit_id"][severe])])
    told = _told(["run", str(study)], capsys, code=0)
    assert "AUC is not estimable" in told
    assert "not estimable" in (study / "report/report.html").read_text()
    figures = pd.read_parquet(study / "evaluation/figures.parquet")
    whole = figures[(figures["group"] == "all") & (figures["metric"] == "auc") & (figures["reader"] == "reader1")]
    assert whole["value"].isna().all()
    assert whole["why_not"].str.contains("severe").all()


@pytest.mark.whole
def test_a_study_with_one_reader_and_no_skin_types_and_k_beyond_the_training_set(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two oddities that do not meet, in one run: no second reading, and a k that takes all that is eligible."""
    columns = ["pasi_reader2", "reader2_id", "fitzpatrick", "study_day", "reader1_id"]
    _edit(study, "visits.csv", _visits(study).drop(columns=columns))
    told = _told(["run", str(study), "--prune.k", "[5000]"], capsys, code=0)
    assert "no curve" in told
    assert json.loads((study / "report/results.json").read_text())["readers"] == ["Reader 1"]
    assert "more than the" in told
    keep = pd.read_parquet(study / "prunings/cosine-k5000/keep.parquet")
    assert keep.groupby("visit_id")["kept"].any().all()


def test_predict_refuses_what_is_no_run_and_what_holds_no_photos(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a complete run" in _told(["predict", str(study), str(tmp_path)], capsys)
    out = tmp_path / "missing" / "table.csv"
    assert f"there is no folder {out.parent}" in _told(
        ["predict", str(study), str(tmp_path), "--out", str(out)], capsys
    )
    (tmp_path / "taken.csv").mkdir()
    out = tmp_path / "taken.csv"
    assert f"{out} is a folder" in _told(["predict", str(study), str(tmp_path), "--out", str(out)], capsys)


def test_a_cohort_of_other_settings_is_not_taken_for_this_one(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(["run", str(study), "--cohort_seed", "7"], capsys)
    assert "made with other settings" in told
    assert "grasp cohort" in told


def test_a_cohort_interrupted_while_it_was_put_in_place_is_drawn_again(study: Path) -> None:
    before = {path.name: path.read_bytes() for path in study.iterdir() if path.is_file()}
    (study / "cohort.json").write_text(json.dumps({"interrupted": {}}))
    (study / "truth.parquet").unlink()
    (study / "cohort.partial").mkdir()
    assert main(["cohort", str(study)]) == 0
    assert {path.name: path.read_bytes() for path in study.iterdir() if path.is_file()} == before
    assert not (study / "cohort.partial").exists()


def test_a_stage_is_not_made_from_what_other_settings_made(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", str(study)]) == 0
    told = _told(["train", str(study), "--photos.edge_px", "96"], capsys)
    assert "prepare comes first: setting changed: photos.edge_px" in told


def test_photos_of_a_size_that_no_disk_holds(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "photos.edge_px is 1000000; wanted: 16 to 4096" in _told(
        ["run", str(study), "--photos.edge_px", "1000000"], capsys
    )


def test_a_disk_without_room_for_the_store(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    told = _told(["prepare", str(study)], capsys)
    assert "photos.npy takes" in told
    assert "next: make room" in told


def test_an_error_of_a_file_that_nobody_named(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ArrowInvalid("Parquet magic bytes not found in footer")

    monkeypatch.setattr("grasp_psonet.stages.pipeline.make_step", broken)
    assert "Parquet magic bytes not found" in _told(["prepare", str(study)], capsys)
    monkeypatch.setattr("grasp_psonet.stages.pipeline.make_step", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(["prepare", str(study)])
