"""The grid of the truth benchmark: what is held out, its arithmetic by hand, and a small cell of each ground."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.truth.grid import cells as grid_cells
from benchmarks.truth.grid import making as grid_module
from benchmarks.truth.grid.cells import HELD_OUT, HELD_OUT_FAULTS, TUNED_ON, Block, Cell, cells_of
from benchmarks.truth.grid.making import BASE, Grid, class_figures, harm_auroc, make_grid
from benchmarks.truth.grid.real_ground import Planting, RealGround
from benchmarks.truth.grid.summary import cell_figures, grid_figures, grid_table
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings
from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.presets import preset
from grasp_psonet.settings import merged, parse
from grasp_psonet.stage import judge, run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.declared.tasks import features_task, prepare_tasks
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

QUICK = merged(
    preset("tiny"),
    {
        "cohort": {"num_views": 3},
        "train": {"epochs": 2},
        "prune": {"k": [0.02, 0.1]},
        "out_of_fold": {"folds": 2, "repeats": 1},
        "evaluate": {"replicates": 10},
        "machine": {"processes": 1, "device": "cpu"},
    },
)


def test_nothing_is_tuned_on_what_is_held_out() -> None:
    tuned, held_out = cells_of(TUNED_ON), cells_of(HELD_OUT)
    assert not any(cell.is_held_out for cell in tuned)
    assert all(cell.is_held_out for cell in held_out)
    assert {cell.fault for cell in held_out} >= set(HELD_OUT_FAULTS)
    assert not {cell.fault for cell in tuned} & set(HELD_OUT_FAULTS)
    assert max(cell.seed for cell in tuned) < 400 <= min(cell.seed for cell in held_out)
    names = [cell.name for cell in tuned + held_out]
    assert len(set(names)) == len(names)


def test_every_declared_cell_has_settings_that_parse() -> None:
    for cell in cells_of(TUNED_ON + HELD_OUT):
        settings = parse(Grid(Path("nowhere")).settings(cell), "the test")
        assert settings.seed == settings.cohort_seed == cell.seed
        if cell.ground == "drawn":
            assert settings.cohort.shortcut.fault == cell.fault
            assert (settings.cohort.second_shortcut.fault == "none") == (cell.variant != "two shortcuts")
            assert (settings.cohort.gross_errors > 0.1) == (cell.variant == "label noise")


def test_what_is_planted_follows_the_cell() -> None:
    assert Cell("drawn", "demo_convnext", "none", 400).shortcuts == ()
    (one,) = Cell("study", "packaged_frozen", "blur", 401, 0.6, 0.1).shortcuts
    assert (one.fault, one.strength, one.train_visits, one.severity) == ("blur", 0.6, 0.1, "mild")
    first, second = Cell("drawn", "demo_vit", "background", 400, variant="two shortcuts").shortcuts
    assert (first.fault, second.fault) == ("background", "colour_cast")
    assert (first.severity, second.severity) == ("severe", "mild")
    assert Cell("drawn", "demo_vit", "blur", 400, variant="one skin type").shortcuts[0].fitzpatrick == ("II",)


KEEP = pd.DataFrame(
    {
        "photo_id": list("abcdefgh"),
        "kept": [False, False, False, True, True, True, False, True],
        "score": [-9.0, -8.0, -1.0, -2.0, 3.0, 4.0, -20.0, -30.0],
        "is_planted": [True, True, False, False, True, False, False, False],
        "severity": ["severe"] * 6 + ["mild"] * 2,
    }
)


def test_precision_and_ranking_are_told_within_the_planted_class() -> None:
    found = class_figures(KEEP)
    assert json.loads(found["removed_by_class"]) == {"mild": 1, "severe": 3}
    assert found["largest_class_share"] == 0.75
    assert found["precision_in_class"] == pytest.approx(2 / 3), "of the removed severe ones; over all it is 2 of 4"
    # planted -9, -8, 3 against -1, -2, 4 within the class: 3 + 3 + 1 of 9 pairs; the mild two are ahead of all
    assert found["harm_auroc_in_class"] == pytest.approx(7 / 9)
    assert found["harm_auroc"] == pytest.approx(7 / 15)
    nothing = class_figures(KEEP.assign(kept=True))
    assert (nothing["largest_class_share"], nothing["precision_in_class"]) == (None, None)
    assert harm_auroc(KEEP.assign(is_planted=False)) is None
    assert harm_auroc(KEEP.assign(score=np.nan)) is None


def runs(
    seed: int, baseline: float, oracle: float, by_k: dict[int, tuple[float, float]], random: float
) -> pd.DataFrame:
    rows = [("baseline", 0, "", 0.6, baseline), ("oracle", 0, "", 0.9, oracle)]
    rows += [("default", k, "", val, test) for k, (val, test) in by_k.items()]
    rows += [("default", k, "random", 0.6, random) for k in by_k]
    table = pd.DataFrame(rows, columns=["arm", "k", "control", "val", "test"]).assign(seed=seed, val_gain_se=0.02)
    table["list"] = "list-" + table["k"].astype(str)
    told = {"removed": 9, "shortcut_precision": 0.5, "shortcut_recall": 0.4, "precision_in_class": 0.75}
    more = {"largest_class_share": 0.9, "removed_by_class": "{}", "harm_auroc": 0.6, "harm_auroc_in_class": 0.8}
    return table.assign(**told, **more)


def test_a_cell_says_cost_gain_and_both_random_removals() -> None:
    found = cell_figures(runs(1, 0.70, 0.90, {20: (0.65, 0.75), 40: (0.80, 0.85)}, 0.72), "default")
    assert (found["k"], found["cost"], found["gain"]) == (40, pytest.approx(0.2), pytest.approx(0.15))
    assert found["gap_recovered"] == pytest.approx(0.75)
    assert found["gain_random_same_list"] == pytest.approx(0.02)
    assert found["gain_random"] == 0, "its own k by validation is none"
    assert (found["shortcut_precision"], found["precision_in_class"]) == (0.5, 0.75)
    none = cell_figures(runs(1, 0.70, 0.72, {20: (0.61, 0.75)}, 0.72), "default")
    assert (none["k"], none["gain"], none["gap_recovered"]) == (0, 0, None)
    assert none["precision_in_class"] is None, "nothing was removed"


def test_figures_keep_tuned_on_and_held_out_apart() -> None:
    about = {
        "ground": "drawn",
        "encoder": "demo_convnext",
        "strength": 1.0,
        "share": 0.8,
        "variant": "",
        "arm": "default",
    }
    planted = [cell_figures(runs(s, 0.7, 0.9, {20: (0.8, 0.7 + g)}, 0.72), "default") for s, g in ((1, 0.1), (2, 0.2))]
    rows = [about | {"fault": "blur", "seed": s, "is_held_out": s == 2} | row for s, row in enumerate(planted, 1)]
    rows += [about | {"fault": "none", "seed": 3, "is_held_out": True, "gain": -0.01, "k": 20}]
    rows += [about | {"fault": "none", "seed": 4, "is_held_out": True, "gain": 0.0, "k": 0}]
    found = {row["is_held_out"]: row for row in grid_figures(pd.DataFrame(rows))["by_network"]}
    assert found[False]["gap_recovered"] == pytest.approx(0.5)
    assert found[False]["faults_won"] == []
    assert found[True]["gap_recovered"] == pytest.approx(1.0)
    assert found[True]["faults_won"] == ["blur"]
    assert found[True]["better_than_random_same_list"] == 1
    assert found[True]["cost_without_shortcut"] == pytest.approx(0.005)
    assert (found[True]["clean_cells"], found[True]["clean_left_alone"]) == (2, 1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with photos: a small drawn cohort, stripped of what only a drawn one has."""
    folder = tmp_path_factory.mktemp("study")
    cohort = {"cohort": {"num_patients": 24, "num_visits": 40, "shortcut": {"fault": "none"}}}
    job = Job(Study(folder), parse(merged(QUICK, cohort), "the test"))
    make_cohort(job)
    for name in ("cohort.json", "truth.parquet", "truth_visits.parquet"):
        (folder / name).unlink()
    (folder / "study.yaml").write_text("{}\n")
    return folder


@pytest.fixture(scope="module")
def real(study: Path, tmp_path_factory: pytest.TempPathFactory) -> RealGround:
    patients = pd.read_csv(study / "visits.csv")["patient_id"].unique()
    return RealGround(study, frozenset(patients[:14].tolist()), tmp_path_factory.mktemp("plain"))


def test_tuned_on_patients_teach_and_others_are_reported(real: RealGround) -> None:
    tuning, reporting = real.visits("tuning", 0), real.visits("reporting", 400)
    assert set(tuning["patient_id"]) == real.tuned_on
    assert set(tuning["split"]) == {"train", "val", "test"}
    assert set(reporting.loc[reporting["split"] == "train", "patient_id"]) == real.tuned_on
    assert not set(reporting.loc[reporting["split"] != "train", "patient_id"]) & real.tuned_on
    assert tuning.groupby("patient_id")["split"].nunique().max() == 1
    other = real.visits("tuning", 1)
    assert (tuning["split"].to_numpy() != other["split"].to_numpy()).any(), "another seed, another split"
    with pytest.raises(StudyError, match=r"0 patients of .* are for tuning, 1 are named"):
        RealGround(real.study, frozenset({"nobody"}), real.folder).visits("tuning", 0)


SHORTCUT = ShortcutSettings("sticker", 1.0, "mild", train_visits=1.0, train_photos=0.5, other_photos=0.5)


def test_a_planting_changes_the_photos_that_its_truth_names_and_no_other(real: RealGround, tmp_path: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in real.study.iterdir()}
    settings = {key: QUICK[key] for key in ("photos", "network", "train", "machine")}
    job = real.planted(tmp_path / "copy", settings, Planting(3, "reporting", (SHORTCUT,)))
    truth = pd.read_parquet(job.study.truth_file).merge(job.cohort.visits, on="visit_id")
    planted = truth[truth["is_shortcut"]]
    in_train = planted[planted["split"] == "train"]
    assert len(in_train) > 3
    assert set(in_train["severity_reader1"]) == {0}, "in training the fault goes with one class"
    num_planted = (
        truth[truth["visit_id"].isin(in_train["visit_id"])].groupby("visit_id")["is_shortcut"].agg(["sum", "size"])
    )
    assert (num_planted["sum"] == (num_planted["size"] * 0.5).round().clip(lower=1)).all()
    assert set(planted.loc[planted["split"] != "train", "severity_reader1"]) > {0}
    pixels = np.load(job.study.store / "photos.npy")
    plain = np.load(real.plain(settings).study.store / "photos.npy")
    is_changed = (pixels != plain).any(axis=(1, 2, 3))
    index = pd.read_parquet(job.study.store / "index.parquet")
    assert set(index.loc[is_changed, "photo_id"]) == set(planted["photo_id"])
    assert {path.name: path.stat().st_mtime_ns for path in real.study.iterdir()} == before, "the study is left alone"


def test_what_is_taken_over_is_what_the_stages_would_make(real: RealGround, tmp_path: Path) -> None:
    """Store and features of a planted copy against the product's own, made of the same files."""
    settings = {key: QUICK[key] for key in ("photos", "network", "train", "machine")}
    job = real.planted(tmp_path / "copy", settings, Planting(4, "tuning", (SHORTCUT,)))
    tasks = (*prepare_tasks(job), features_task(job))
    assert [judge(task).state for task in tasks] == ["valid", "valid"]
    taken = np.load(job.study.features / "features.npy")
    index, pixels = pd.read_parquet(job.study.store / "index.parquet"), np.load(job.study.store / "photos.npy")
    for task in tasks:
        run_task(task, makes_anew=True)
    own = pd.read_parquet(job.study.store / "index.parquet")
    as_original = ["width_px", "height_px"]
    pd.testing.assert_frame_equal(index.drop(columns=as_original), own.drop(columns=as_original))
    assert np.array_equal(pixels, np.load(job.study.store / "photos.npy"))
    np.testing.assert_allclose(taken, np.load(job.study.features / "features.npy"), rtol=1e-4, atol=1e-5)
    assert np.abs(taken).mean() > 1e-3
    faulty = pd.read_parquet(job.study.truth_file).set_index("photo_id")["is_shortcut"]
    assert faulty.sum() > 3
    with Image.open(next((tmp_path / "copy" / "planted").iterdir())) as image:
        assert image.size == (64, 64)


def test_what_cannot_be_planted_on_a_study_is_refused(real: RealGround, tmp_path: Path) -> None:
    settings = {key: QUICK[key] for key in ("photos", "network", "train", "machine")}
    for shortcut, told in (
        (ShortcutSettings("duplicate"), r"cohort\.shortcut\.fault is 'duplicate'"),
        (ShortcutSettings("blur", severity="worst"), r"cohort\.shortcut\.severity is 'worst'"),
    ):
        with pytest.raises(SettingsError, match=told):
            real.planted(tmp_path / shortcut.severity, settings, Planting(0, "tuning", (shortcut,)))


@pytest.mark.nightly
def test_a_cell_of_each_ground_is_made_and_resumed(
    study: Path, real: RealGround, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(grid_cells.SETTINGS, "demo_convnext", QUICK)
    grid = Grid(tmp_path, study, real.tuned_on)
    cells = cells_of((Block("drawn", ("demo_convnext",), ("colour_cast", "none"), (3,)),))
    cells += cells_of((Block("study", ("demo_convnext",), ("blur",), (5,)),))
    assert make_grid(grid, cells, processes=1) == []
    assert not any(grid.missing(cell) for cell in cells)
    assert not any((tmp_path / "studies").iterdir()), "finished studies are removed"
    table = grid_table(grid, cells).set_index(["ground", "fault"])
    assert list(table.index) == [("drawn", "colour_cast"), ("drawn", "none"), ("study", "blur")]
    planted = table[table["severity"] != ""]
    assert planted["cost"].notna().all()
    assert planted["harm_auroc_in_class"].between(0, 1).all()
    assert pd.isna(table.loc[("drawn", "none"), "cost"])
    rows = pd.read_parquet(grid.table(cells[0], "default"))
    assert (rows["k"] >= 1).all(), "fractions are told as counts"
    assert set(rows["control"]) == {"", "random", "class"}

    def fail(*_: object) -> None:
        raise AssertionError("a finished cell is made again")

    monkeypatch.setattr(grid_module, "make_cell", fail)
    assert make_grid(grid, cells, processes=1) == []
    grid.table(cells[1], BASE).unlink()
    (told,) = make_grid(grid, cells, processes=1)
    assert told == f"{cells[1].name}: a finished cell is made again", "one that fails is named, and the others go on"


@pytest.mark.process
@pytest.mark.nightly
def test_cells_go_to_processes_and_those_that_fail_are_named(study: Path, real: RealGround, tmp_path: Path) -> None:
    grid = Grid(tmp_path, study, real.tuned_on)
    assert len(grid.real.source.cohort.visits), "what was read travels to the processes"
    cells = [Cell("drawn", "demo_convnext", "duplicate", seed, 0.5) for seed in (1, 2)]
    told = make_grid(grid, cells, processes=2)
    assert sorted(line.partition(":")[0] for line in told) == [cell.name for cell in cells]
    assert all("duplicate is there or is not" in line for line in told)
