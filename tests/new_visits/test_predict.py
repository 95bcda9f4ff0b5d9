"""``grasp predict`` on a finished study: answers, calibration, distance, quality, files, and what is refused."""

import json
import os
import re
import shutil
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.cli import main
from grasp_psonet.errors import GraspError
from grasp_psonet.evidence.calibration import with_temperature
from grasp_psonet.features.store import open_features
from grasp_psonet.photos.workers import PhotoForm
from grasp_psonet.stages.new_visits import calibrated
from grasp_psonet.stages.new_visits.calibrated import calibration_of
from grasp_psonet.stages.new_visits.found import NewPhoto, decoded, photos_in
from grasp_psonet.stages.new_visits.pixels import PixelFile
from grasp_psonet.stages.new_visits.predict import named_run, predict_visits_in
from grasp_psonet.stages.new_visits.reach import _Space
from grasp_psonet.tables.schemas.runs import NEW_PHOTOS, NEW_VISITS
from tests.small_study import write_study


def _noise(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (80, 80, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def batch(tiny_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits of the study's test split, and one of noise whose name is a formula."""
    folder = tmp_path_factory.mktemp("batch")
    predictions = pd.read_parquet(tiny_demo / "runs/baseline/predictions.parquet")
    for visit_id in predictions.loc[predictions["split"] == "test", "visit_id"].head(2):
        shutil.copytree(tiny_demo / "photos" / visit_id, folder / visit_id)
    for number in range(3):
        _noise(folder / "=1+1" / f"{number}.png", number)
    (folder / "=1+1" / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture(scope="module")
def written(tiny_demo: Path, batch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "answers"
    assert main(["predict", str(tiny_demo / "runs/baseline"), str(batch), "--out", str(out)]) == 0
    return out


def test_the_files_hold_the_same_answers(tiny_demo: Path, written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {
        *("visits.parquet", "visits.csv", "photos.parquet", "photos.csv"),
        *("predictions.json", "predictions.html"),
    }
    visits = NEW_VISITS.read(written / "visits.parquet")
    photos = NEW_PHOTOS.read(written / "photos.parquet")
    told = json.loads((written / "predictions.json").read_text(encoding="utf-8"))
    assert [visit["visit_id"] for visit in told["visits"]] == list(visits["visit_id"])
    assert [len(visit["photos"]) for visit in told["visits"]] == list(visits["num_photos"])
    assert len(pd.read_csv(written / "photos.csv")) == len(photos) == visits["num_photos"].sum()
    np.testing.assert_allclose(photos.groupby("visit_id")["attention"].sum(), 1, atol=1e-5)
    recorded = pd.read_parquet(tiny_demo / "runs/baseline/predictions.parquet").set_index("visit_id")
    for visit in visits[visits["visit_id"] != "=1+1"].to_dict("records"):
        for name in ("p_mild", "p_moderate", "p_severe"):
            assert visit[name] == pytest.approx(recorded.loc[visit["visit_id"], name], abs=1e-5)
    attention = pd.read_parquet(tiny_demo / "runs/baseline/attention.parquet")
    mine = photos[photos["visit_id"] == visits["visit_id"].iloc[-1]]
    own = attention[attention["visit_id"] == visits["visit_id"].iloc[-1]]
    np.testing.assert_allclose(sorted(mine["attention"]), sorted(own["attention"]), atol=1e-5)


def test_noise_is_far_and_of_unusual_quality(written: Path) -> None:
    visits = NEW_VISITS.read(written / "visits.parquet").set_index("visit_id")
    photos = NEW_PHOTOS.read(written / "photos.parquet").set_index("visit_id")
    assert bool(visits.loc["=1+1", "is_far"])
    assert visits.loc["=1+1", "nearer"] == 1
    assert photos.loc["=1+1", "is_far"].all()
    assert "far from the visits that trained" in visits.loc["=1+1", "warnings"]
    others = visits.drop("=1+1")
    assert others["distance"].max() < visits.loc["=1+1", "distance"]
    assert not others["is_far"].all()


def test_what_a_spreadsheet_would_run_is_disarmed(written: Path) -> None:
    assert "\n'=1+1," in (written / "visits.csv").read_text(encoding="utf-8-sig")
    assert "=1+1" in set(NEW_VISITS.read(written / "visits.parquet")["visit_id"]), (
        "the parquet file holds the id as it is"
    )


def test_the_page_is_offline_and_names_no_place(written: Path, batch: Path) -> None:
    page = (written / "predictions.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"<script|https?://|src=\"(?!data:)|url\(", page)
    assert page.count("data:image/jpeg;base64,") >= 3
    assert "not calibrated" in page
    for file in written.iterdir():
        assert str(batch).encode() not in file.read_bytes(), file.name
        assert b"/tmp/" not in file.read_bytes(), file.name


def test_notes_are_told_and_the_table_alone_is_printed(
    tiny_demo: Path, batch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(tiny_demo / "runs/baseline"), str(batch)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "visit_id,num_photos,p_mild,p_moderate,p_severe,predicted"
    assert "notes.txt" in told.err
    assert "probabilities are not calibrated: validation has" in told.err
    assert "visit =1+1: far from the visits that trained" in told.err
    assert main(["predict", str(tiny_demo), str(batch), "--out", str(tmp_path / "table.csv")]) == 0
    assert (tmp_path / "table.csv").read_bytes().startswith(b"\xef\xbb\xbf"), "Excel knows UTF-8 by it"
    assert (tmp_path / "table.csv").read_text(encoding="utf-8-sig") == told.out


def test_of_a_study_the_chosen_run_answers(tiny_demo: Path, tmp_path: Path) -> None:
    chosen = json.loads((tiny_demo / "evaluation/choice.json").read_text(encoding="utf-8"))["run"]
    assert named_run(tiny_demo).name == chosen
    copy = Path(shutil.copytree(tiny_demo, tmp_path / "study"))
    choice = json.loads((copy / "evaluation/choice.json").read_text(encoding="utf-8"))
    (copy / "evaluation/choice.json").write_text(json.dumps(choice | {"run": "cosine-k3"}))
    with pytest.raises(GraspError, match=r"choice\.json is damaged"):
        named_run(copy)
    shutil.rmtree(copy / "evaluation")
    with pytest.raises(GraspError, match=r"has no evaluation yet.*\n.*runs/baseline"):
        named_run(copy)


def test_the_same_photos_have_the_stored_features(tiny_demo: Path) -> None:
    run = named_run(tiny_demo / "runs/baseline")
    photos = pd.read_csv(tiny_demo / "photos.csv").head(40)
    table = tiny_demo.parent / "head.csv"
    photos.to_csv(table, index=False)
    found, _ = photos_in(_moved(table, tiny_demo))
    new = decoded(found, PhotoForm(run.settings.edge_px, run.settings.fit))
    stored = open_features(tiny_demo / "features").vectors[:40, 0]
    space = _Space(run)
    np.testing.assert_allclose(space.vectors_of(new), space.whiten(stored), atol=1e-3)
    assert np.abs(space.whiten(stored)).max() > 1


def _moved(table: Path, folder: Path) -> Path:
    place = folder.parent / "tables"
    place.mkdir(exist_ok=True)
    (place / "photos").unlink(missing_ok=True)
    (place / "photos").symlink_to(folder / "photos")
    return Path(table.rename(place / table.name))


def test_a_table_names_the_photos(tiny_demo: Path, batch: Path) -> None:
    rows = [
        (f"w-{i % 2}", path.relative_to(batch).as_posix()) for i, path in enumerate(sorted(batch.glob("v-*/*.jpg")))
    ]
    assert rows, "the demo's photos are JPEG"
    table = batch / "new.csv"
    pd.DataFrame(rows, columns=["visit_id", "path"]).to_csv(table, index=False)
    new = predict_visits_in(tiny_demo / "runs/baseline", table)
    assert set(new.visits["visit_id"]) == {"w-0", "w-1"}
    assert new.photos["photo_id"].str.fullmatch(r"w-[01]-\d\d").all()
    assert set(new.names["path"]) == {path for _, path in rows}
    bad = batch / "bad.csv"
    bad.write_text(f"visit_id,path\nw,{rows[0][1]}\nw,{rows[0][1]}\nw,../x.jpg\n,a.jpg\nw,/etc/hosts\n")
    with pytest.raises(GraspError) as error:
        photos_in(bad)
    for words in ("rows 2-3", "each file once", "row 4", "row 6", "leaves the folder", "visit_id is empty"):
        assert words in str(error.value)
    table.unlink()
    bad.unlink()


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    _noise(tmp_path / "elsewhere" / "x.png", 1)
    (tmp_path / "new" / "v").mkdir(parents=True)
    (tmp_path / "new" / "v" / "a.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    with pytest.raises(GraspError, match=r"a\.png in v is a link that leads out of"):
        photos_in(tmp_path / "new")


def test_every_unreadable_photo_is_named_and_a_pipe_is_not_opened(tiny_demo: Path, tmp_path: Path) -> None:
    _noise(tmp_path / "v" / "good.png", 1)
    (tmp_path / "v" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0torn")
    (tmp_path / "v" / "empty.png").write_bytes(b"")
    os.mkfifo(tmp_path / "v" / "pipe.png")
    with pytest.raises(GraspError, match=r"3 of 4 photos cannot be read") as error:
        predict_visits_in(tiny_demo / "runs/baseline", tmp_path)
    assert all(name in str(error.value) for name in ("torn.jpg", "empty.png", "it is a pipe, not a regular file"))


def test_places_that_are_refused(
    tiny_demo: Path, written: Path, batch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tiny_demo / "runs/baseline")
    for words, told in (
        ([run, str(batch / "nowhere")], "neither a folder nor a table"),
        ([run, str(next(batch.glob("v-*/*.jpg")))], "is a photo"),
        ([run, str(batch), "--out", str(written)], "holds predictions already"),
        ([run, str(batch), "--out", str(batch / "a" / "b")], "there is no folder"),
        ([str(batch), str(batch)], "is not a complete run"),
    ):
        assert main(["predict", *words]) == 1
        assert told in capsys.readouterr().err


def test_without_features_there_is_an_answer_and_no_distance(tiny_demo: Path, batch: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_demo, tmp_path / "study"))
    shutil.rmtree(copy / "features")
    new = predict_visits_in(copy / "runs/baseline", batch)
    assert new.visits["distance"].isna().all()
    assert new.visits["is_far"].isna().all()
    assert any("`grasp features STUDY` makes them" in note for note in new.notes)


def test_validation_calibrates_where_it_is_large_enough(tiny_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = named_run(tiny_demo / "runs/baseline")
    assert calibration_of(run).source == "none"
    monkeypatch.setattr(calibrated, "FEWEST_VISITS", 3)
    found = calibration_of(run)
    assert (found.source, found.num_visits) == ("validation", len(run.predictions_of("val")))
    assert found.temperature is not None
    test = run.predictions_of("test")
    logits = test[["logit_mild", "logit_moderate", "logit_severe"]].to_numpy()
    np.testing.assert_allclose(found.probabilities(logits), with_temperature(logits, found.temperature))
    assert found.error_as_said is not None
    assert not np.allclose(found.probabilities(logits), test[["p_mild", "p_moderate", "p_severe"]])


@pytest.fixture(scope="module")
def vectors_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained study of precomputed features, whose folds trained networks of the run's recipe."""
    folder = tmp_path_factory.mktemp("vectors") / "study"
    write_study(folder, {})
    (folder / "study.yaml").write_text(
        "network: {feature_length: 8, attention_hidden: 4, head_hidden: 0}\n"
        "train: {epochs: 3, optimizer: {lr: 0.01}}\n"
        "out_of_fold: {model: head, folds: 2, repeats: 1}\nmachine: {processes: 1}\n"
    )
    assert all(main([step, str(folder)]) == 0 for step in ("features", "folds", "train"))
    return folder


def test_networks_of_the_folds_calibrate_and_vectors_have_distances(
    vectors_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "near.npy", np.load(vectors_study / "v40.npy"))
    np.save(tmp_path / "far.npy", np.full((3, 6), 60, np.float32))
    out = tmp_path / "out"
    assert main(["predict", str(vectors_study / "runs/baseline"), str(tmp_path), "--out", str(out)]) == 0
    told = json.loads((out / "predictions.json").read_text(encoding="utf-8"))
    assert told["calibration"]["source"] == "out_of_fold"
    assert told["calibration"]["num_visits"] == 40
    visits = NEW_VISITS.read(out / "visits.parquet").set_index("visit_id")
    assert bool(visits.loc["far", "is_far"])
    assert not bool(visits.loc["near", "is_far"])
    calibrated_p = visits.filter(like="calibrated_")
    np.testing.assert_allclose(calibrated_p.sum(axis=1), 1)
    page = (out / "predictions.html").read_text(encoding="utf-8")
    assert "are calibrated" in page
    assert "<img" not in page
    assert "not calibrated" not in capsys.readouterr().err


def test_no_output_names_a_file_and_a_list_on_request_does(
    tiny_demo: Path, batch: Path, written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(path for path in batch.rglob("*") if path.is_file())
    for output in written.iterdir():
        data = output.read_bytes()
        assert not [file.name for file in files if file.stem.encode() + file.suffix.encode() in data], output.name
    photos = NEW_PHOTOS.read(written / "photos.parquet")
    assert photos.loc[photos["visit_id"] == "=1+1", "photo_id"].tolist() == ["=1+1-01", "=1+1-02", "=1+1-03"]
    run, names = str(tiny_demo / "runs/baseline"), tmp_path / "names.csv"
    assert main(["predict", run, str(batch), "--out", str(tmp_path / "out"), "--names", str(names)]) == 0
    told = pd.read_csv(names)
    assert told.loc[told["path"] == "=1+1/0.png", "photo_id"].empty, "a path that begins a formula is disarmed"
    assert told.set_index("photo_id")["path"]["'=1+1-02"] == "'=1+1/1.png"
    assert len(told) == len(photos)
    capsys.readouterr()
    for wrong in (names, tmp_path / "none" / "names.csv", tmp_path / "names.txt"):
        assert main(["predict", run, str(batch), "--names", str(wrong)]) == 1
        assert "next: name a new file that ends in .csv" in capsys.readouterr().err


def test_a_folder_without_photos_says_what_was_looked_for(tmp_path: Path) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    told = r"empty holds no photo: looked for files that end in \.jpg, .* there is nothing at all"
    with pytest.raises(GraspError, match=told) as error:
        photos_in(place)
    assert "next: name a folder with one folder of photos per visit" in str(error.value)
    (place / "v1" / "deep").mkdir(parents=True)
    (place / "v1" / "scan.bmp").write_bytes(b"BM")
    (place / ".cache").mkdir()
    with pytest.raises(GraspError, match=r"there is 1 file\(s\) with \.bmp, 1 folder\(s\), 1 folder\(s\) within those"):
        photos_in(place)
    _noise(place / "v2" / "a.png", 1)
    with pytest.raises(GraspError, match=r"no photo in v1 under .*: looked for files that end in \.jpg"):
        photos_in(place)


def test_a_photo_larger_than_the_setting_is_refused_and_allowed_by_it(
    tiny_demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(tiny_demo, tmp_path / "study"))
    Path(tmp_path / "new" / "v").mkdir(parents=True)
    Image.new("L", (1500, 1000), 120).save(tmp_path / "new" / "v" / "large.png")
    settings = copy / "study.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(re.sub(r"most_megapixels: \d+", "most_megapixels: 1", text), encoding="utf-8")
    assert settings.read_text(encoding="utf-8") != text, "the setting does not stand in the file"
    assert main(["predict", str(copy / "runs/baseline"), str(tmp_path / "new")]) == 1
    assert "1500 x 1000 are 2 million, more than the 1 of photos.most_megapixels" in capsys.readouterr().err
    settings.write_text(text, encoding="utf-8")
    assert main(["predict", str(copy / "runs/baseline"), str(tmp_path / "new")]) == 0


def test_decoded_photos_lie_on_disk_under_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pixels = PixelFile(3, 4)
    shown = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    pixels.write(2, shown)
    assert list(tmp_path.iterdir()) == []
    assert (pixels[2] == shown).all()
    assert (pixels[1:] == np.stack([np.zeros_like(shown), shown])).all()
    assert (pixels[[2, 0]][0] == shown).all()
    with pytest.raises(IndexError):
        pixels[3]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 10))
    with pytest.raises(GraspError, match=r"TMPDIR"):
        PixelFile(3, 4)


def test_memory_does_not_grow_with_the_batch(tmp_path: Path) -> None:
    """600 photos of 256 px take 113 MiB: none of it may stay in this process."""
    _noise(tmp_path / "a.png", 1)
    photos = [NewPhoto("v", f"v-{number:03d}", tmp_path / "a.png") for number in range(600)]
    decoded(photos[:20], PhotoForm(256))
    tracemalloc.start()
    new = decoded(photos, PhotoForm(256))
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(new.instances) == 600
    assert max(held, most) < 12 * 2**20
