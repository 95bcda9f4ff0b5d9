"""A study from Python: what is read is what stands in the folder, errors say what to run, and the notebook runs."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import grasp_psonet
from grasp_psonet.cli import main
from grasp_psonet.errors import SettingsError, StageError, StudyError, TableError
from grasp_psonet.stages.open_study import STEP_OF
from grasp_psonet.stages.steps import NAMES
from grasp_psonet.tables.catalogue import TABLES

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "explore_a_study.ipynb"


@pytest.fixture
def study(tiny_demo: Path) -> grasp_psonet.OpenStudy:
    return grasp_psonet.open_study(tiny_demo)


@pytest.fixture
def own_copy(tiny_demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_demo, tmp_path / "study"))


def test_tables_are_those_in_the_folder(study: grasp_psonet.OpenStudy, tiny_demo: Path) -> None:
    trace = study.traces[0]
    assert study.scores().equals(pd.read_parquet(tiny_demo / "traces" / trace / "scores.parquet"))
    assert study.predictions().equals(pd.read_parquet(tiny_demo / "runs" / "baseline" / "predictions.parquet"))
    assert len(study.attention()) == len(study.photos) > 0
    assert list(study.visits["visit_id"]) == list(pd.read_csv(tiny_demo / "visits.csv")["visit_id"])
    assert set(study.visits["split"]) == {"train", "val", "test"}
    assert study.views is not None
    lists = study.keep_lists()
    removed = {name: int((~study.keep_list(name)["kept"]).sum()) for name in lists["run"]}
    assert removed == dict(zip(lists["run"], lists["k"], strict=True))
    assert max(removed.values()) > 0
    assert study.runs[0] == "baseline"
    assert study.chosen_run in study.runs
    assert study.results["chosen"] == study.chosen_run


def test_a_change_of_a_frame_does_not_reach_the_study(study: grasp_psonet.OpenStudy) -> None:
    visits = study.visits
    visits["split"] = "nowhere"
    assert "nowhere" not in set(study.visits["split"])


def test_photos_are_the_stored_pixels(study: grasp_psonet.OpenStudy, tiny_demo: Path) -> None:
    pixels = np.load(tiny_demo / "store" / "photos.npy")
    index = pd.read_parquet(tiny_demo / "store" / "index.parquet")
    row = index.iloc[7]
    assert np.array_equal(study.photo(row["photo_id"]), pixels[7])
    of_visit = study.photos_of(row["visit_id"])
    assert list(of_visit) == list(index.loc[index["visit_id"] == row["visit_id"], "photo_id"])
    assert np.array_equal(of_visit[row["photo_id"]], pixels[7])
    assert pixels[7].std() > 1


def test_every_table_that_was_made_can_be_read(study: grasp_psonet.OpenStudy) -> None:
    places = study.tables()["place"]
    assert {"audit/review.parquet", "store/index.parquet", "truth.parquet"} <= set(places)
    assert all(len(study.table(place).columns) for place in places)


def test_a_step_is_known_for_every_kind_of_folder() -> None:
    kinds = {table.pattern.partition("/")[0] for table in TABLES if "/" in table.pattern}
    assert kinds - {"revisions"} <= STEP_OF.keys()  # which no step makes
    assert set(STEP_OF.values()) <= set(NAMES)


def test_a_finished_study_makes_nothing_and_its_status_says_so(study: grasp_psonet.OpenStudy) -> None:
    assert study.run() == []
    status = study.status()
    assert set(status["state"]) == {"valid"}
    assert list(dict.fromkeys(status["step"])) == list(NAMES)


def test_stages_run_from_python_as_on_the_command_line(own_copy: Path, tiny_demo: Path) -> None:
    for made in ("store", "features"):
        shutil.rmtree(own_copy / made)
    heard: list[str] = []
    study = grasp_psonet.open_study(own_copy)
    with pytest.raises(StageError, match=r"(?s)store is not made yet.*study\.run\(until='prepare'\)"):
        study.photo("any")
    assert study.run(until="features", on_progress=lambda title, done, total: heard.append(title)) == [
        "prepare",
        "features",
    ]
    assert heard
    assert (own_copy / "store" / "photos.npy").read_bytes() == (tiny_demo / "store" / "photos.npy").read_bytes()


def test_settings_stand_in_for_those_of_the_file(tiny_demo: Path) -> None:
    study = grasp_psonet.open_study(tiny_demo, {"prune.k": (2,), "prune.rule": "each", "trace.pairs": "all", "seed": 5})
    assert (study.settings.prune.k, study.settings.prune.rule, study.settings.seed) == ((2,), "each", 5)
    assert "stale" in set(study.status()["state"])
    with pytest.raises(SettingsError, match=r"train\.epoch: no such setting; did you mean train\.epochs"):
        grasp_psonet.open_study(tiny_demo, {"train.epoch": 3})


def test_what_was_made_under_other_settings_is_read_with_a_warning(
    tiny_demo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "grasp_psonet"):
        grasp_psonet.open_study(tiny_demo).predictions()
        assert not caplog.records
        grasp_psonet.open_study(tiny_demo, {"train.epochs": 99}).predictions()
    assert "runs/baseline: setting changed: train.epochs; what is read was made before" in caplog.text


def test_errors_say_what_to_run(study: grasp_psonet.OpenStudy, own_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not a folder"):
        grasp_psonet.open_study(tmp_path / "nowhere")
    with pytest.raises(StageError, match=r"(?s)there are baseline, .*study\.run\(until='retrain'\)"):
        study.predictions("cosine-k77")
    with pytest.raises(StudyError, match=r"no photo of the study is called 'v-9'"):
        study.photo("v-9")
    with pytest.raises(StudyError, match=r"no visit of the study is called 'v-9'"):
        study.photos_of("v-9")
    with pytest.raises(StudyError, match=r"visits\.csv is no table that a study makes"):
        study.table("visits.csv")
    with pytest.raises(StudyError, match="until is 'everything', which is no step"):
        study.run(until="everything")
    shutil.rmtree(own_copy / "traces")
    with pytest.raises(StageError, match=r"(?s)traces/cosine is not made yet.*study\.run\(until='trace'\)"):
        grasp_psonet.open_study(own_copy).scores()
    assert "waiting" in set(grasp_psonet.open_study(own_copy).status()["state"])


def test_damage_is_named(own_copy: Path) -> None:
    file = own_copy / "runs" / "baseline" / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(StageError, match=r"predictions\.parquet is damaged"):
        grasp_psonet.open_study(own_copy).predictions()


def test_faults_of_the_tables_are_all_told(tmp_path: Path) -> None:
    main(["init", str(tmp_path)])
    (tmp_path / "visits.csv").write_text("visit_id,patient_id,pasi_reader1\nv1,p1,99\nv1,p1,3\n")
    (tmp_path / "photos.csv").write_text("photo_id,visit_id,path\na,v2,a.jpg\n")
    with pytest.raises(TableError, match=r"(?s)99.*no such visit"):
        _ = grasp_psonet.open_study(tmp_path).visits


def test_the_check_is_a_table(tiny_demo: Path, tmp_path: Path) -> None:
    assert "fault" not in set(grasp_psonet.open_study(tiny_demo).check()["kind"])
    main(["init", str(tmp_path)])
    (tmp_path / "visits.csv").write_text("visit_id,patient_id,pasi_reader1\nv1,p1,99\nv2,p1,3\n")
    (tmp_path / "photos.csv").write_text("photo_id,visit_id,path\na,v1,a.jpg\nb,v2,b.jpg\n")
    found = grasp_psonet.open_study(tmp_path).check()
    faults = found[found["kind"] == "fault"]
    assert faults.loc[faults["value"] == "99", ["file", "row", "column"]].to_numpy().tolist() == [
        ["visits.csv", 2, "pasi_reader1"]
    ]
    assert set(faults.loc[faults["file"] == "photos.csv", "row"]) == {2, 3}
    assert not (tmp_path / "check.csv").exists()


def test_the_notebook_runs(
    tiny_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRASP_STUDY", str(tiny_demo))
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == 12
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "outputs of a run were committed"
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), names)
    assert names["made"] == []
    assert names["photo"].ndim == 3
    assert "chosen: " in capsys.readouterr().out
