"""A study of precomputed features, from files of every kind to report and predictions; and what is said of bad files."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import save_file

from grasp_psonet.cli import main
from grasp_psonet.errors import FeatureError, SettingsError, StudyError
from grasp_psonet.evidence.evaluate import figure_of_split
from grasp_psonet.features.files import look_at, read_vectors
from grasp_psonet.features.store import open_features
from grasp_psonet.settings import load
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.kind import kind_of, refuse_settings_of_photos
from grasp_psonet.stages.names import Training
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study

pytestmark = pytest.mark.long

LENGTH, CROWD = 6, 1000
SETTINGS: dict[str, Any] = {
    "network": {"feature_length": 8, "attention_hidden": 4, "head_hidden": 4},
    "train": {"epochs": 2, "optimizer": {"lr": 1e-2}},
    "prune": {"k": [4, "stand_out", "pattern_of_worst"]},
    "evaluate": {"replicates": 10, "training_seeds": 2},
    "explain": {"flagged": 2, "errors": 2},
    "out_of_fold": {"folds": 2, "repeats": 1},
    "machine": {"processes": 1},
}
CLASSES = ("mild", "moderate", "severe")


def _write(folder: Path, name: str, vectors: np.ndarray, kind: int) -> str:
    """The vectors in a file of one of eight kinds; its name."""
    path = folder / f"{name}{('.npy', '.npz', '.npz', '.h5', '.hdf5', '.safetensors', '.parquet', '.parquet')[kind]}"
    if kind == 0:
        np.save(path, vectors)
    elif kind == 1:
        np.savez(path, features=vectors, coords=np.zeros((len(vectors), 2)))
    elif kind == 2:
        np.savez(path, anything=vectors.astype(np.float16))
    elif kind in (3, 4):
        with h5py.File(path, "w") as file:  # as CLAM and TRIDENT do; some with an axis in front
            file["features"] = vectors if kind == 3 else vectors[None]
            file["coords"] = np.zeros((len(vectors), 2))
    elif kind == 5:
        save_file({"features": vectors}, path)
    elif kind == 6:
        pq.write_table(pa.table({f"f{n}": column for n, column in enumerate(vectors.T)}), path)
    else:
        names = [f"patch-{name}-{n}" for n in range(len(vectors))]
        pq.write_table(pa.table({"features": list(vectors), "photo_id": names}), path)
    return path.name


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 visits of 2 to 5 vectors and one of a thousand; the class shows in the vectors."""
    folder = tmp_path_factory.mktemp("bags") / "study"
    (folder / "files").mkdir(parents=True)
    rng = np.random.default_rng(3)
    visits, files = [], []
    for v in range(24):
        label, count = v % 3, CROWD if v == 0 else int(rng.integers(2, 6))
        vectors = rng.normal(size=(count, LENGTH)).astype(np.float32)
        vectors[:, 0] += label if v % 4 else 2 - label
        split = ("train", "train", "val", "test")[v // 6]
        visits.append((f"v{v:02d}", f"p{v:02d}", CLASSES[label], CLASSES[(v + v % 2) % 3], split))
        files.append((f"v{v:02d}", f"files/{_write(folder / 'files', f'v{v:02d}', vectors, v % 8)}"))
    columns = ["visit_id", "patient_id", "severity_reader1", "severity_reader2", "split"]
    pd.DataFrame(visits, columns=columns).to_csv(folder / "visits.csv", index=False)
    pd.DataFrame(files, columns=["visit_id", "path"]).to_csv(folder / "features.csv", index=False)
    (folder / "study.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(study: Path) -> Path:
    assert main(["run", str(study)]) == 0
    return study


def test_check_counts_the_vectors(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(study)]) == 0
    told = capsys.readouterr().out
    assert "no faults" in told
    assert f", {CROWD}]" in told


@pytest.mark.whole
def test_every_run_is_trained_with_every_seed_and_stands_with_its_mean(made: Path) -> None:
    results = json.loads((made / "report/results.json").read_text(encoding="utf-8"))
    assert results["training_seeds"] == 2
    job = Job(Study(made), load(made / "study.yaml"))
    figures = pd.read_parquet(made / "evaluation/figures.parquet")
    choice = json.loads((made / "evaluation/choice.json").read_text(encoding="utf-8"))
    for name in ("baseline", "cosine-k4", "cosine-k4-random"):
        runs = [TrainedRun(job, one) for one in (name, f"{name}-seed1")]
        assert [run.inputs.seed for run in runs] == [0, 1]
        assert runs[0].inputs.removed == runs[1].inputs.removed
        assert not runs[0].predictions.equals(runs[1].predictions)
        by_seed = {
            split: [figure_of_split(run.predictions, job.outcome, split) for run in runs] for split in ("val", "test")
        }
        (arm,) = [arm for arm in results["arms"] if arm["name"] == name]
        assert arm["val_auc"] == pytest.approx(np.mean(by_seed["val"]))
        row = figures[(figures["run"] == name) & (figures["reader"] == "reader1") & (figures["metric"] == "auc")]
        assert row.loc[row["group"] == "all", "value"].item() == pytest.approx(np.mean(by_seed["test"]))
        if name != "cosine-k4-random":
            assert choice["val_auc_by_run"][name] == arm["val_auc"]


def test_splits_that_are_drawn_are_the_same_for_every_training_seed(study: Path, tmp_path: Path) -> None:
    shutil.copytree(
        study, tmp_path / "drawn", ignore=shutil.ignore_patterns("runs", "traces", "prunings", "evaluation")
    )
    visits = pd.read_csv(tmp_path / "drawn/visits.csv").drop(columns="split")
    visits.to_csv(tmp_path / "drawn/visits.csv", index=False)
    fractions = {"split.train": "0.5", "split.val": "0.25", "split.test": "0.25"}
    words = [word for name, value in fractions.items() for word in (f"--{name}", value)]
    for command in ("features", "folds", "train"):
        assert main([command, str(tmp_path / "drawn"), *words]) == 0
    settings = load(tmp_path / "drawn/study.yaml", fractions)
    assert run_task(train_task(Job(Study(tmp_path / "drawn"), settings), Training("baseline", 1)))
    first, second = (
        pd.read_parquet(tmp_path / "drawn/runs" / run / "predictions.parquet") for run in ("baseline", "baseline-seed1")
    )
    assert first["split"].nunique() == 3
    assert first[["visit_id", "split"]].equals(second[["visit_id", "split"]])
    assert not first["p_mild"].equals(second["p_mild"])


@pytest.mark.whole
def test_every_vector_is_where_its_file_has_it(made: Path) -> None:
    store = open_features(made / "features")
    files = pd.read_csv(made / "features.csv").set_index("visit_id")["path"]
    for visit_id, rows in store.index.groupby("visit_id")["row"]:
        np.testing.assert_array_equal(store.gather(list(rows)), read_vectors(made / files[visit_id]))
    names = store.index.set_index("row")["photo_id"]
    assert names[0] == "v00-00001"
    assert names[CROWD - 1] == f"v00-{CROWD:05d}"
    assert set(names[store.index["visit_id"] == "v07"].str.startswith("patch-v07-")) == {True}


@pytest.mark.whole
def test_the_whole_pipeline_runs_on_vectors(made: Path) -> None:
    results = json.loads((made / "report/results.json").read_text(encoding="utf-8"))
    assert results["encoder"] == "precomputed features"
    scores = pd.read_parquet(made / "traces/cosine/scores.parquet")
    assert (scores.groupby("photo_id")["score"].apply(lambda score: score.abs().max()) > 0).mean() > 0.9
    keep = pd.read_parquet(made / "prunings/cosine-k4/keep.parquet")
    assert (~keep["kept"]).sum() == 4
    like_the_worst = pd.read_parquet(made / "prunings/cosine-pattern_of_worst/keep.parquet").query("not kept")
    named = pd.read_parquet(made / "prunings/cosine-pattern_of_worst/named.parquet")
    assert set(like_the_worst["reason"]) <= {"looks like the worst of the most harmful group"}
    assert set(like_the_worst["photo_id"]) <= set(named.loc[named["is_named"], "photo_id"])
    assert len(set(named.loc[named["is_example"], "group"])) == 1, "one class is the most harmful"
    assert not (made / "store").exists()
    maps = pd.read_parquet(made / "explain/index.parquet")
    assert len(maps)
    assert maps["file"].isna().all()
    page = (made / "report/report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert str(maps["photo_id"].iloc[0]) in page
    assert "Grad-CAM inside the bag" not in page


@pytest.mark.whole
def test_large_visits_keep_the_influence_of_each_vector_on_itself(made: Path) -> None:
    own = pd.read_parquet(made / "audit/self_influence.parquet").groupby("visit_id").size()
    counts = open_features(made / "features").index.groupby("visit_id").size()
    assert own["v00"] == CROWD
    assert (own.drop("v00") == counts.loc[own.drop("v00").index] ** 2).all()


@pytest.mark.whole
def test_a_second_run_finds_nothing_to_do(made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*/stage.json")}
    assert len(before) > 8
    assert main(["run", str(made)]) == 0
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*/stage.json")} == before


@pytest.mark.whole
def test_predictions_of_the_same_files_are_the_runs_own(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["predict", str(made / "runs/baseline"), str(made / "files")]) == 0
    lines = capsys.readouterr().out.splitlines()
    head, rows = lines[0].split(","), [line.split(",") for line in lines[1:]]
    told = pd.DataFrame(rows, columns=head).set_index("visit_id")["p_severe"].astype(float)
    own = pd.read_parquet(made / "runs/baseline/predictions.parquet").set_index("visit_id")["p_severe"]
    np.testing.assert_allclose(told.loc[own.index], own, atol=1e-4)


@pytest.mark.whole
def test_a_file_that_changes_makes_the_features_anew(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made / "files/v08.npy"
    before = path.read_bytes()
    np.save(path, np.load(path) + 1)
    assert main(["run", str(made), "--dry-run"]) == 0
    told = capsys.readouterr()
    path.write_bytes(before)
    assert "features: would run (input changed: feature files)" in told.out + told.err


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_bytes(b"nonsense"), "cannot be read"),
        (lambda path: np.savez(path, a=np.zeros((2, 3)), b=np.zeros((2, 3))), "has no array 'features'; it has: a, b"),
        (lambda path: np.savez(path, features=np.zeros((0, 3))), "the bag is empty"),
        (lambda path: np.savez(path, features=np.zeros(3)), r"holds \[3\] in 'features'; wanted: \[vectors, length\]"),
        (lambda path: np.savez(path, features=np.full((2, 3), np.nan)), "NaN or infinite numbers in 2 of 2"),
        (lambda path: np.savez(path, features=np.array([["a", "b"]])), "wanted: numbers"),
        (lambda path: np.savez(path, features=np.array([[{}]], dtype=object)), "cannot be read"),
        (lambda path: np.savez(path, features=np.zeros((2, 3)), photo_id=np.array(["a"])), "names 1 in 'photo_id'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, make: Any, told: str) -> None:
    path = tmp_path / "bag.npz"
    make(path)
    with pytest.raises(FeatureError, match=f"bag.npz.*{told}"):  # noqa: PT012  a look at the header, or the reading
        look_at(path)
        read_vectors(path)


def test_a_key_names_the_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "bag.npz", a=np.ones((2, 3)), b=np.full((4, 3), 2.0))
    assert read_vectors(tmp_path / "bag.npz", "b").tolist() == [[2.0] * 3] * 4
    assert look_at(tmp_path / "bag.npz", "a").num_vectors == 2
    with pytest.raises(FeatureError, match=r"wanted: \.safetensors, \.npy"):
        look_at(tmp_path / "bag.pt")


def test_check_tells_every_bad_file_at_once(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(study / "features.csv")
    table["path"] = [str(study / path) for path in table["path"]]
    np.save(tmp_path / "long.npy", np.zeros((2, LENGTH + 1)))
    np.save(tmp_path / "odd.npy", np.full((2, LENGTH), np.inf))
    table.loc[3, "path"], table.loc[5, "path"] = str(tmp_path / "odd.npy"), "gone.npy"
    (tmp_path / "visits.csv").write_bytes((study / "visits.csv").read_bytes())
    table.to_csv(tmp_path / "features.csv", index=False)
    assert main(["check", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "odd.npy holds NaN or infinite" in told
    assert "gone.npy does not exist" in told
    table.loc[3, "path"] = table.loc[5, "path"] = str(tmp_path / "long.npy")
    table.to_csv(tmp_path / "features.csv", index=False)
    assert main(["check", str(tmp_path)]) == 1
    assert "the same vectors in several rows" in capsys.readouterr().out
    table.loc[5, "path"] = str(study / "files/v05.safetensors")
    table.to_csv(tmp_path / "features.csv", index=False)
    assert main(["check", str(tmp_path)]) == 1
    assert f"long.npy holds vectors of length {LENGTH + 1}; those of" in capsys.readouterr().out


def test_maps_of_pixels_are_refused_before_anything_is_made(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    for command in ("run", "features"):
        assert main([command, str(study), "--explain.methods", "[integrated_gradients]"]) == 1
        told = capsys.readouterr().err
        assert (
            "explain.methods names integrated_gradients; a study of precomputed features has no photos to map" in told
        )


def test_what_has_no_meaning_without_photos_is_refused(study: Path, tmp_path: Path) -> None:
    settings = load(study / "study.yaml", {"network.train": "last 2 blocks"})
    with pytest.raises(SettingsError, match="has no encoder"):
        refuse_settings_of_photos(settings.network, settings.train.augmentation)
    changed = load(study / "study.yaml", {"train.augmentation.flip": "true"})
    with pytest.raises(SettingsError, match="no photos to change"):
        refuse_settings_of_photos(changed.network, changed.train.augmentation)
    for name in ("photos.csv", "features.csv"):
        (tmp_path / name).write_text("visit_id\n")
    with pytest.raises(StudyError, match=r"photos.csv and features.csv"):
        kind_of(Study(tmp_path))
