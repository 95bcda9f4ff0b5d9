"""Networks trained in folds: what is held out teaches nothing, an interrupted stage goes on, and every visit is predicted."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grasp_psonet.cli import main
from grasp_psonet.out_of_fold.predict import Fold, ProbeInputs, folds_of
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import load, merged, parse
from grasp_psonet.stage import judge, run_task
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import TrainedFoldNeeds
from grasp_psonet.stages.declared.tasks import features_task, out_of_fold_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.trained_folds import TrainedFolds
from grasp_psonet.study import Study
from grasp_psonet.tables.schemas.out_of_fold import OUT_OF_FOLD
from grasp_psonet.workers import ALONE
from tests.small_study import write_study

SETTINGS = {
    "network": {"feature_length": 8, "attention_hidden": 4, "head_hidden": 4},
    "train": {"epochs": 2, "optimizer": {"lr": 1e-2}},
    "out_of_fold": {"model": "head", "folds": 3, "repeats": 2},
    "machine": {"processes": 1},
}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The study with its features, and its folds trained once."""
    job = write_study(tmp_path_factory.mktemp("folds") / "study", SETTINGS)
    run_task(features_task(job))
    run_task(out_of_fold_task(job))
    return job


def trained(job: Job, folder: Path) -> tuple[TrainedFolds, ProbeInputs]:
    """The folds in a folder of their own, and what they learn from: train and val."""
    visits = job.cohort.visits[job.cohort.visits["split"] != "test"].reset_index(drop=True)
    own = needs_of(TrainedFoldNeeds, job.settings)
    inputs = ProbeInputs(visits, np.ones((len(visits), 1)), job.outcome)
    return TrainedFolds(folder, own, job.study, job.cohort, ALONE), inputs


def test_every_visit_of_train_and_val_is_predicted_once_a_repeat(job: Job) -> None:
    found = OUT_OF_FOLD.read(job.study.out_of_fold / "predictions.parquet")
    assert found.groupby("repeat")["visit_id"].apply(sorted).tolist() == [[f"v{v:02d}" for v in range(40)]] * 2
    assert np.allclose(found[job.outcome.probability_columns].sum(axis=1), 1)
    assert found["score"].notna().all()
    by_repeat = found.pivot_table(index="visit_id", columns="repeat", values="p_mild")
    assert (by_repeat[0] - by_repeat[1]).abs().max() > 1e-3, "both repeats say the same: nothing was dealt anew"
    assert not (job.study.out_of_fold / "folds").exists()
    assert judge(out_of_fold_task(job)).state == "valid"


def test_no_patient_of_a_fold_is_in_two_parts(job: Job, tmp_path: Path) -> None:
    folds, inputs = trained(job, tmp_path)
    for fold, learned, held_out in folds_of(inputs, folds.own.out_of_fold, folds.own.seed):
        run = folds.inputs_of(fold, _ids(learned), _ids(held_out))
        parts = {str(name): set(rows) for name, rows in run.cohort.visits.groupby("split")["patient_id"]}
        assert set(parts) == {"train", "val", "test"}
        assert not parts["train"] & parts["val"]
        assert not (parts["train"] | parts["val"]) & parts["test"]
        assert run.cohort.visits.query("split == 'test'")["visit_id"].tolist() == _ids(held_out)


def test_labels_of_held_out_visits_reach_no_prediction(job: Job, tmp_path: Path) -> None:
    folds, inputs = trained(job, tmp_path / "as it is")
    fold, learned, held_out = next(folds_of(inputs, folds.own.out_of_fold, folds.own.seed))
    visits = job.cohort.visits.copy()
    is_held_out = visits["visit_id"].isin(_ids(held_out))
    visits.loc[is_held_out, "severity_reader1"] = (visits.loc[is_held_out, "severity_reader1"] + 1) % 3
    others = replace(folds, folder=tmp_path / "changed", cohort=replace(job.cohort, visits=visits))
    told = [_predicted(one, fold, learned, held_out) for one in (folds, others)]
    assert np.array_equal(told[0], told[1])
    assert np.ptp(told[0]) > 1e-3
    taught = visits.assign(severity_reader1=(job.cohort.visits["severity_reader1"] + 1) % 3)
    wrong = replace(folds, folder=tmp_path / "taught", cohort=replace(job.cohort, visits=taught))
    assert not np.array_equal(told[0], _predicted(wrong, fold, learned, held_out))


def test_finished_folds_are_kept_and_the_rest_ends_with_the_same_bytes(job: Job, tmp_path: Path) -> None:
    folds, inputs = trained(job, tmp_path)
    folds.make(inputs)
    paths = sorted((tmp_path / "folds").glob("*.parquet"))
    assert len(paths) == 6
    before = {path.name: path.read_bytes() for path in paths}
    paths[0].unlink()
    times = {path.name: path.stat().st_mtime_ns for path in paths[1:]}
    folds.make(inputs)
    assert {path.name: path.read_bytes() for path in paths} == before
    assert {path.name: path.stat().st_mtime_ns for path in paths[1:]} == times


@pytest.mark.whole
def test_whole_networks_are_trained_in_folds_of_photos(tiny_demo: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(tiny_demo, study, symlinks=True)
    probed = OUT_OF_FOLD.read(study / "out_of_fold" / "predictions.parquet")
    tree = merged(as_tree(load(study / "study.yaml")), {"out_of_fold": {"model": "full", "folds": 2, "repeats": 1}})
    job = Job(Study(study), parse(tree, "the test"))
    assert judge(out_of_fold_task(job)).state != "valid"
    run_task(out_of_fold_task(job))
    found = OUT_OF_FOLD.read(study / "out_of_fold" / "predictions.parquet")
    assert sorted(found["visit_id"]) == sorted(probed["visit_id"].unique())
    assert np.ptp(found["p_mild"]) > 0


def test_a_model_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["folds", str(tmp_path), "--out_of_fold.model", "forest"]) != 0
    assert "out_of_fold.model" in capsys.readouterr().err


def _ids(inputs: ProbeInputs) -> list[str]:
    return [str(name) for name in inputs.visits["visit_id"]]


def _predicted(folds: TrainedFolds, fold: Fold, learned: ProbeInputs, held_out: ProbeInputs) -> "np.ndarray":
    """Probabilities of the held-out visits."""
    only: Sequence[str] = folds.own.outcome.probability_columns
    folds.train(fold, _ids(learned), _ids(held_out))
    return folds.predict(learned, held_out, fold)[list(only)].to_numpy(np.float64)
