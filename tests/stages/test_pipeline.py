"""The whole pipeline on the tiny cohort: what it leaves, what it skips, and that an interruption changes nothing."""

import json
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet.bags.bag import collate
from grasp_psonet.cli import main
from grasp_psonet.errors import NetworkError
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.proof import read_note, seal
from grasp_psonet.settings import load
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.declaring import needs_of, recorded
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.declared.tasks import train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.tracing.trace import kept_queries, run_queries
from grasp_psonet.stages.names import Training
from grasp_psonet.stages.run import RunInputs, TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.trajectory.anchors import anchor_steps
from tests.tables.of_study import table_faults
from tests.warm_process import kill_with_children, start_command

pytestmark = pytest.mark.long

SMALL = ["--cohort.num_patients", "14", "--cohort.num_visits", "20", "--cohort.num_views", "2"]
SMALL += ["--cohort.val_visits", "5", "--cohort.test_visits", "5", "--train.epochs", "2", "--prune.k", "[2]"]
QUICK = [*SMALL, "--prune.controls", "[]", "--evaluate.replicates", "10", "--explain.flagged", "2"]
QUICK += ["--explain.errors", "2", "--machine.processes", "1", "--out_of_fold.folds", "2", "--out_of_fold.repeats", "1"]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished study whose encoder is a vision transformer."""
    study = tmp_path_factory.mktemp("transformer") / "study"
    assert main(["demo", str(study), "--preset", "tiny", *QUICK, "--network.encoder", "demo_vit"]) == 0
    return study


def _content(study: Path) -> dict[str, bytes]:
    """Every file of the study but the clocks, and of the report what does not depend on them."""
    found = {
        path.relative_to(study).as_posix(): path.read_bytes()
        for path in sorted(study.rglob("*"))
        if path.is_file() and path.name not in ("clock.json", ".photo-digests.json")
    }
    del found["report/stage.json"]  # digests of page and results
    told = json.loads(found["report/results.json"])
    assert set(told.pop("clock")) == {"made", "machine", "steps", "seconds"}
    timed = rb'data-at="clock[^>]*>[^<]*<'
    page, num_timed = re.subn(timed, b"", found["report/report.html"])
    assert num_timed >= 15
    return found | {"report/results.json": json.dumps(told).encode(), "report/report.html": page}


@pytest.mark.process
def test_every_stage_leaves_its_tables(tiny_demo: Path) -> None:
    for file in (
        "truth.parquet",
        "store/photos.npy",
        "runs/baseline/plan.parquet",
        "runs/baseline/steps.parquet",
        "runs/baseline/predictions.parquet",
        "runs/baseline/attention.parquet",
        "runs/baseline/metrics.json",
        "traces/cosine/scores.parquet",
        "traces/cosine/queries.parquet",
        "traces/cosine/coverage.json",
        "prunings/cosine-k3/keep.parquet",
        "prunings/cosine-k3/overlap.json",
        "runs/cosine-k3/metrics.json",
        "runs/cosine-k3-random/metrics.json",
        "evaluation/figures.parquet",
        "evaluation/removal.parquet",
        "audit/visits.parquet",
        "audit/curve.parquet",
        "explain/index.parquet",
        "diagnosis/flagged.parquet",
        "diagnosis/findings.parquet",
        "diagnosis/photos.parquet",
        "diagnosis/diagnosis.json",
        "report/report.html",
        "report/results.json",
    ):
        assert (tiny_demo / file).is_file(), file
    assert not list(tiny_demo.rglob("*.partial"))


@pytest.mark.process
def test_every_table_is_as_stated(tiny_demo: Path) -> None:
    assert table_faults(tiny_demo) == []


@pytest.mark.process
def test_what_each_keep_list_took_from_whom_stands_in_the_evaluation(tiny_demo: Path) -> None:
    removal = pd.read_parquet(tiny_demo / "evaluation/removal.parquet")
    results = json.loads((tiny_demo / "report/results.json").read_text(encoding="utf-8"))
    runs = [arm["name"] for arm in results["arms"] if arm["removed"]]
    assert sorted(set(removal["run"])) == sorted(runs)
    for run, rows in removal.groupby("run"):
        keep = pd.read_parquet(tiny_demo / f"prunings/{run}/keep.parquet")
        of_class = rows[rows["group_column"] == "severity_reader1"]
        assert of_class["num_photos"].sum() == len(keep)
        assert of_class["num_removed"].sum() == (~keep["kept"]).sum() > 0
        assert {"fitzpatrick", "sex", "age", "site", "view", "device"} <= set(rows["group_column"])
    assert results["comparisons"]["removals"] == sum(arm["kind"] == "pruned" for arm in results["arms"])
    shown = {(rate["column"], rate["group"]): rate["removed"] for rate in results["removal"]}
    of_chosen = removal[removal["run"] == results["chosen"]]
    assert shown == {(row.group_column, row.group): row.num_removed for row in of_chosen.itertuples()}
    warned = {entry["run"]: entry["warnings"] for entry in results["removal_warnings"]}
    assert warned == {
        run: rows["warning"].tolist()
        for run, rows in removal[removal["warning"] != ""].groupby("run")
        if "random" not in run
    }


@pytest.mark.process
def test_coverage_counts_every_parameter(tiny_demo: Path) -> None:
    counted = json.loads((tiny_demo / "traces/cosine/coverage.json").read_text())
    metrics = json.loads((tiny_demo / "runs/baseline/metrics.json").read_text())
    assert sum(counted.values()) == metrics["num_parameters"]


@pytest.mark.process
def test_the_errors_of_every_epoch_are_traced_each_through_the_photo_that_its_network_attended_to(
    tiny_demo: Path,
) -> None:
    settings = load(tiny_demo / "study.yaml")
    job = Job(Study(tiny_demo), settings)
    queries = pd.read_parquet(tiny_demo / "traces/cosine/queries.parquet")
    run = TrainedRun(job)
    steps = anchor_steps(run.trajectory.anchors)
    assert len(steps) == 3
    wanted = []
    for step in steps:
        network = run.network_at(step)
        for bag in run.inputs.bags("val"):
            batch = collate([bag], run.inputs.store.pixels)
            with torch.no_grad():
                said = network(batch.photos_BNCHW, batch.is_photo_BN)
            if int(said.logits_BC.argmax()) != bag.label:
                wanted.append((step, bag.visit_id, bag.photo_ids[int(said.attention_BN.argmax())]))
    assert {step for step, _, _ in wanted} == set(steps), "an epoch without an error would show nothing"
    found = queries[["step", "query_id", "photo_id"]].itertuples(index=False, name=None)
    assert sorted(found) == sorted(wanted)
    kept = kept_queries(run, tiny_demo / "traces/cosine")[["query_id", "photo_id"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, run_queries(run, TraceSettings(errors="kept"))[["query_id", "photo_id"]])
    scores = pd.read_parquet(tiny_demo / "traces/cosine/scores.parquet")
    assert set(scores["query_id"]) == {"all"}
    pairs = pd.read_parquet(tiny_demo / "traces/cosine/pairs.parquet")
    assert set(pairs["query_id"]) == set(queries["query_id"])


@pytest.mark.process
def test_how_steps_are_taken_is_that_of_the_run_and_not_of_the_study_now(tiny_demo: Path) -> None:
    settings = load(tiny_demo / "study.yaml", {"machine.micro_batch": "3", "machine.gradient_checkpointing": "true"})
    run = TrainedRun(Job(Study(tiny_demo), settings))
    assert run.settings.micro_batch is None, "the run was trained before there was the setting"
    own = needs_of(TrainNeeds, settings)
    assert recorded(own)["machine.micro_batch"] == 3
    inputs = RunInputs(run.job.study, own, run.cohort)
    draws = inputs.plan[inputs.plan["step"] == 1]
    pieces = inputs.source.batch(draws, torch.device("cpu")).pieces()
    assert len(pieces) > 1
    assert all(piece.recomputes for piece in pieces)
    assert len(run.inputs.source.batch(draws, torch.device("cpu")).pieces()) == 1
    inputs.start_network()
    with pytest.raises(NetworkError, match="cannot compute its activations again"):
        replace(
            inputs, settings=replace(own, network=replace(own.network, encoder="dla46_c", weights="random"))
        ).start_network()


@pytest.mark.process
def test_retrained_runs_keep_the_anchor_of_their_kept_epoch_alone(tiny_demo: Path) -> None:
    job = Job(Study(tiny_demo), load(tiny_demo / "study.yaml"))
    assert len(anchor_steps(TrainedRun(job).trajectory.anchors)) == 3
    for name in ("cosine-k3", "cosine-k3-random"):
        run = TrainedRun(job, name)
        assert anchor_steps(run.trajectory.anchors) == [run.kept_step]
        bag = run.inputs.bags("test")[0]
        batch = collate([bag], run.inputs.store.pixels)
        with torch.no_grad():
            said = run.kept_network()(batch.photos_BNCHW, batch.is_photo_BN).logits_BC[0].numpy()
        told = run.predictions.set_index("visit_id").loc[bag.visit_id, ["logit_mild", "logit_moderate", "logit_severe"]]
        np.testing.assert_allclose(said, told.to_numpy(float), rtol=1e-5, atol=1e-6)


@pytest.mark.process
def test_a_second_run_makes_nothing(tiny_demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_demo.rglob("stage.json")}
    assert main(["run", str(tiny_demo), "--dry-run"]) == 0
    assert "would run" not in capsys.readouterr().out
    assert main(["run", str(tiny_demo)]) == 0
    assert {path: path.stat().st_mtime_ns for path in tiny_demo.rglob("stage.json")} == before


@pytest.mark.process
def test_a_changed_setting_redoes_what_depends_on_it_and_says_why(
    tiny_demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(tiny_demo), "--dry-run", "--audit.inspected", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "audit: would run (setting changed: audit.inspected)" in lines
    assert "train baseline: stands" in lines
    assert any(line.startswith("report: would run") for line in lines)
    assert main(["run", str(tiny_demo), "--dry-run", "--train.optimizer.lr", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "train baseline: would run (setting changed: train.optimizer.lr)" in lines
    assert "prepare: stands" in lines
    assert "trace: would run (after train baseline)" in lines


@pytest.mark.process
def test_a_keep_everything_list_gives_the_baseline_bitwise(tiny_demo: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(tiny_demo, study)
    keep = pd.read_parquet(study / "prunings/cosine-k3/keep.parquet")
    keep.assign(kept=True).to_parquet(study / "prunings/cosine-k3/keep.parquet", index=False)
    note = read_note(study / "prunings/cosine-k3")
    seal(study / "prunings/cosine-k3", {kind: note[kind] for kind in ("settings", "inputs", "versions")}, {})
    _train_again(study)
    for name in ("steps.parquet", "predictions.parquet", "attention.parquet", "epochs.parquet"):
        assert (study / "runs/cosine-k3" / name).read_bytes() == (study / "runs/baseline" / name).read_bytes(), name
    pruned = (tiny_demo / "runs/cosine-k3/steps.parquet").read_bytes()
    assert pruned != (tiny_demo / "runs/baseline/steps.parquet").read_bytes(), "pruning changed nothing at all"


def _train_again(study: Path) -> None:
    job = Job(Study(study), load(study / "study.yaml"))
    assert run_task(train_task(job, Training("cosine-k3")))


@pytest.mark.whole
@pytest.mark.process
def test_killed_again_and_again_it_ends_with_the_same_bytes(transformer: Path, tmp_path: Path) -> None:
    study = tmp_path / transformer.name
    shutil.copytree(transformer, study)
    for stage in ("store", "runs", "traces", "prunings", "evaluation", "audit", "explain", "diagnosis", "report"):
        shutil.rmtree(study / stage)
    for there, processes in (
        ("store.partial", 1),  # a stage that begins afresh
        ("runs/baseline.partial/anchors/*.safetensors", 1),  # the first epoch, from which the next goes on
        ("runs/cosine-k2.partial/steps/*", 2),  # a retraining in a process of its own, finished by the one of the next
        ("evaluation.partial", 1),  # a stage that reads what was killed before
    ):
        _kill_once_there(study, there, processes, tmp_path / "told")
    assert main(["run", str(study)]) == 0
    ended, whole = _content(study), _content(transformer)
    assert ended.keys() == whole.keys()
    assert [name for name in whole if ended[name] != whole[name]] == []


def _kill_once_there(study: Path, there: str, processes: int, told: Path) -> None:
    """Runs the pipeline until something of the study matches this, and kills it with its children, if any retrain."""
    process = start_command(["run", str(study), "--machine.processes", str(processes)], told)
    while not any(study.glob(there)):
        assert process.is_alive(), f"ended with {process.exitcode}, {there} was never seen: {told.read_text()}"
        time.sleep(0.005)
    kill_with_children(process)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.whole
@pytest.mark.process
def test_ctrl_c_says_how_to_go_on(transformer: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(transformer, study)
    shutil.rmtree(study / "runs")
    process = start_command(["run", str(study), "--train.epochs", "500"], tmp_path / "told")
    deadline = time.monotonic() + 120
    while not (study / "runs/baseline.partial/epochs.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert "run the same command again to go on" in told
    assert "Traceback" not in told


@pytest.mark.whole
def test_the_vision_transformer_runs_through_the_whole_pipeline(transformer: Path) -> None:
    results = json.loads((transformer / "report/results.json").read_text())
    assert results["encoder"] == "demo_vit"
    maps = pd.read_parquet(transformer / "explain/index.parquet")
    assert len(maps) > 0
    assert (transformer / "runs/cosine-k2/metrics.json").is_file()


@pytest.mark.process
def test_predict_agrees_with_the_runs_own_predictions(tiny_demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tiny_demo / "runs/baseline"), str(tiny_demo / "photos")]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    found = {row[0]: float(row[2]) for row in rows[1:]}
    recorded = pd.read_parquet(tiny_demo / "runs/baseline/predictions.parquet").set_index("visit_id")["p_mild"]
    assert found.keys() == set(recorded.index)
    assert max(abs(found[visit_id] - recorded[visit_id]) for visit_id in found) < 1e-3
