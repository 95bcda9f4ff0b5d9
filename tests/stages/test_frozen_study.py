"""A photo study with a frozen encoder: everything after the features runs on them, and maps still reach into the photo."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet.bags.bag import collate
from grasp_psonet.cli import main
from grasp_psonet.settings import load
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.train import make_run
from grasp_psonet.stages.names import Training
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.tables.schemas.traces import KEEP_LIST
from grasp_psonet.trajectory.anchors import anchor_steps, read_anchor
from grasp_psonet.trajectory.trained_network import TrainedNetwork

pytestmark = [pytest.mark.long, pytest.mark.whole]

SMALL = ["--cohort.num_views", "2", "--cohort.num_visits", "24", "--cohort.test_visits", "6", "--train.epochs", "2"]
SMALL += ["--out_of_fold.folds", "2", "--out_of_fold.repeats", "1", "--machine.processes", "1"]
FROZEN = ["--network.train", "head", "--train.augmentation.variants", "2", "--prune.k", "3", "--prune.controls", "[]"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen") / "study"
    assert main(["cohort", str(folder), "--preset", "tiny", *SMALL, *FROZEN]) == 0
    assert main(["run", str(folder)]) == 0
    return folder


def _run(study: Path) -> TrainedRun:
    return TrainedRun(Job(Study(study), load(study / "study.yaml")))


def test_runs_hold_the_head_alone(study: Path) -> None:
    run = _run(study)
    network = run.kept_network()
    assert network.encoder is None
    anchor = run.trajectory.read(run.kept_step, torch.device("cpu"))
    assert {name.partition(".")[0] for name in anchor.weights} == {"projection", "attention", "head"}
    assert run.metrics["num_parameters"] == sum(weight.numel() for weight in network.parameters())
    assert run.metrics["encoder"]["name"] == "demo_convnext"
    assert run.inputs.features.num_variants == 2
    coverage = json.loads((study / "traces/cosine/coverage.json").read_text(encoding="utf-8"))
    assert sum(coverage.values()) == run.metrics["num_parameters"]


def test_the_network_with_its_encoder_says_of_photos_what_the_head_says_of_features(study: Path) -> None:
    run = _run(study)
    whole, head, bags = run.photo_network(), run.kept_network(), run.inputs.bags("val")
    with torch.no_grad():
        for bag in bags:
            photos, features = collate([bag], run.inputs.store.pixels), collate([bag], run.inputs.pixels)
            expected = head(features.photos_BNCHW, features.is_photo_BN).logits_BC
            torch.testing.assert_close(
                whole(photos.photos_BNCHW, photos.is_photo_BN).logits_BC, expected, rtol=0, atol=1e-4
            )
    assert len(set(run.predictions["p_severe"])) > 1


def test_maps_reach_into_the_photo(study: Path) -> None:
    maps = pd.read_parquet(study / "explain/index.parquet")
    assert maps["file"].notna().all()
    assert (maps["cam_largest"] > 0).any()
    assert "Grad-CAM inside the bag" in (study / "report/report.html").read_text(encoding="utf-8")


def test_a_replay_is_bitwise(study: Path) -> None:
    run = _run(study)
    trained = TrainedNetwork(run.kept_network(), run.trajectory, run.inputs.source, run.start())
    steps = list(trained.replay(0, run.trajectory.windows()[0][1]))
    assert len({float(step.gradient.result.loss_B[0]) for step in steps}) > 1


def test_a_list_that_keeps_everything_gives_the_baselines_bytes(study: Path, tmp_path: Path) -> None:
    run = _run(study)
    keep = KEEP_LIST.read(study / "prunings/cosine-k3/keep.parquet")
    assert (~keep["kept"]).any()
    (tmp_path / "all").mkdir()
    KEEP_LIST.write(keep.assign(kept=True), tmp_path / "all" / "keep.parquet")
    (tmp_path / "run").mkdir()
    make_run(tmp_path / "run", run.settings, Study(study), run.cohort, tmp_path / "all", Training("again"))
    files = [path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 5
    for file in files:
        assert (tmp_path / "run" / file).read_bytes() == (study / "runs/baseline" / file).read_bytes(), file
    pruned = (study / "runs/cosine-k3/predictions.parquet").read_bytes()
    assert pruned != (study / "runs/baseline/predictions.parquet").read_bytes()


def test_retraining_from_the_same_features_is_bitwise(study: Path, tmp_path: Path) -> None:
    run = _run(study)
    (tmp_path / "run").mkdir()
    pruning = study / "prunings/cosine-k3"
    make_run(tmp_path / "run", run.settings, Study(study), run.cohort, pruning, Training("again"))
    kept = sorted((study / "runs/cosine-k3/anchors").iterdir())
    assert kept
    for file in [*kept, study / "runs/cosine-k3/predictions.parquet"]:
        again = tmp_path / "run" / file.relative_to(study / "runs/cosine-k3")
        assert again.read_bytes() == file.read_bytes(), file.name


def test_new_visits_are_predicted_from_photos(study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    photos = pd.read_csv(study / "photos.csv")
    visit_id = photos["visit_id"].iloc[0]
    for path in photos.loc[photos["visit_id"] == visit_id, "path"]:
        (tmp_path / Path(path).name).write_bytes((study / path).read_bytes())
    capsys.readouterr()
    assert main(["predict", str(study / "runs/baseline"), str(tmp_path)]) == 0
    head, row = (line.split(",") for line in capsys.readouterr().out.splitlines()[:2])
    own = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id").loc[visit_id]
    assert float(row[head.index("p_severe")]) == pytest.approx(own["p_severe"], abs=1e-3)


def test_the_last_blocks_alone_are_trained(study: Path, tmp_path: Path) -> None:
    changes = {"network.train": "last 1 block", "train.epochs": "1"}
    job = Job(Study(study), load(study / "study.yaml", changes))
    make_run(tmp_path, needs_of(TrainNeeds, job.settings), job.study, job.cohort, None, Training("last block"))
    frozen = _run(study).photo_network()
    (step,) = anchor_steps(tmp_path / "anchors")
    anchor = read_anchor(tmp_path / "anchors" / f"step-{step:07d}.safetensors")
    weights = dict(frozen.named_parameters())
    moved = {name for name, weight in anchor.weights.items() if not torch.equal(weight, weights[name])}
    of_encoder = {name for name in moved if name.startswith("encoder.")}
    assert of_encoder
    assert of_encoder < {name for name in weights if name.startswith("encoder.")}
    assert all("stages.3" in name or "norm" in name for name in of_encoder), sorted(of_encoder)
    assert anchor.state.exp_avg.keys() == {name for name in anchor.weights if name in moved}
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["num_parameters"] == sum(anchor.weights[name].numel() for name in moved)
    assert np.isfinite(metrics["val_loss"])
