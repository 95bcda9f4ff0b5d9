"""``grasp export``: files that give the run's numbers, their card, and what is refused."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from grasp_psonet.cli import main
from grasp_psonet.errors import GraspError
from grasp_psonet.network.exportable import ExportableNetwork
from grasp_psonet.photos.store import open_store
from grasp_psonet.stages.export import exchange
from grasp_psonet.stages.export.make import export_run
from grasp_psonet.stages.new_visits.predict import named_run
from tests.small_study import write_study

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def exported(tiny_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "network"
    assert main(["export", str(tiny_demo / "runs/baseline"), "--out", str(out)]) == 0
    return out


def _photos(study: Path, visit_id: str) -> np.ndarray:
    """Photos [N, 3, H, W] in [0, 1] of a visit, as the card says."""
    store = open_store(study / "store")
    rows = store.index.loc[store.index["visit_id"] == visit_id, "row"]
    return np.asarray(store.pixels)[rows].astype(np.float32).transpose(0, 3, 1, 2) / 255


def _reader(folder: Path, file: str) -> Callable[[np.ndarray, np.ndarray], list[np.ndarray]]:
    """Photos and mask to logits, attention and probabilities, by one of the two files."""
    if file == "network.onnx":
        session = onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])
        return lambda photos, mask: list(session.run(None, {"photos": photos, "is_photo": mask}))
    module = torch.export.load(folder / file).module()
    return lambda photos, mask: [one.detach().numpy() for one in module(*map(torch.from_numpy, (photos, mask)))]


@pytest.mark.whole
@pytest.mark.parametrize("file", ["network.onnx", "network.pt2"])
def test_held_out_visits_have_the_runs_own_numbers(tiny_demo: Path, exported: Path, file: str) -> None:
    recorded = pd.read_parquet(tiny_demo / "runs/baseline/predictions.parquet")
    recorded = recorded[recorded["split"] != "train"].set_index("visit_id").head(4)
    attention = pd.read_parquet(tiny_demo / "runs/baseline/attention.parquet")
    assert len(recorded) == 4
    said = _reader(exported, file)
    for visit_id, row in recorded.iterrows():
        photos = _photos(tiny_demo, str(visit_id))
        junk = np.full((1, 2, *photos.shape[1:]), 0.7, np.float32)
        padded = np.concatenate([photos[None], junk], axis=1)
        mask = np.arange(padded.shape[1])[None] < len(photos)
        for given, present in ((photos[None], np.ones((1, len(photos)), bool)), (padded, mask)):
            logits, weights, probabilities = said(given, present)
            np.testing.assert_allclose(
                logits[0], row[["logit_mild", "logit_moderate", "logit_severe"]].tolist(), atol=1e-4
            )
            np.testing.assert_allclose(probabilities[0], row[["p_mild", "p_moderate", "p_severe"]].tolist(), atol=1e-4)
            own = attention.loc[attention["visit_id"] == visit_id, "attention"]
            np.testing.assert_allclose(weights[0][: len(photos)], own, atol=1e-4)
            assert (weights[0][len(photos) :] == 0).all()


@pytest.mark.whole
def test_one_photo_and_many_visits(exported: Path, tiny_demo: Path) -> None:
    session = onnxruntime.InferenceSession(str(exported / "network.onnx"), providers=["CPUExecutionProvider"])
    network = named_run(tiny_demo / "runs/baseline").photo_network(torch.device("cpu"))
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (7, 1), (1, 11), (5, 4)):
        photos = rng.random((*shape, 3, 64, 64)).astype(np.float32)
        mask = rng.random(shape) > 0.4
        mask[:, 0] = True
        logits, weights, _ = session.run(None, {"photos": photos, "is_photo": mask})
        with torch.no_grad():
            wanted = network(torch.from_numpy(photos), torch.from_numpy(mask))
        np.testing.assert_allclose(logits, wanted.logits_BC.numpy(), atol=1e-4)
        np.testing.assert_allclose(weights, wanted.attention_BN.numpy(), atol=1e-4)


@pytest.mark.whole
def test_a_visit_without_photos_gives_no_answer(exported: Path) -> None:
    session = onnxruntime.InferenceSession(str(exported / "network.onnx"), providers=["CPUExecutionProvider"])
    photos, mask = np.zeros((1, 2, 3, 64, 64), np.float32), np.zeros((1, 2), bool)
    assert np.isnan(session.run(None, {"photos": photos, "is_photo": mask})[2]).all()


@pytest.mark.whole
def test_the_card_tells_data_figures_limits_and_proof(tiny_demo: Path, exported: Path) -> None:
    card = json.loads((exported / "card.json").read_text(encoding="utf-8"))
    page = (exported / "card.md").read_text(encoding="utf-8")
    visits = named_run(tiny_demo / "runs/baseline").cohort.visits
    for split in ("train", "val", "test"):
        own = visits[visits["split"] == split]
        assert card["data"][split]["visits"] == len(own) == sum(card["data"][split]["visits_by_class"].values())
        assert card["data"][split]["patients"] == own["patient_id"].nunique()
    figures = pd.read_parquet(tiny_demo / "evaluation/figures.parquet")
    auc = figures.query("run == 'baseline' and reader == 'reader1' and group == 'all' and metric == 'auc'")[
        "value"
    ].item()
    assert f"| reader1 | all | AUC | {auc:.2f} |" in page
    assert max(card["comparison"]["largest"].values()) <= 1e-4
    for words in (
        "no medical device",
        "## Limits",
        "not calibrated",
        "values divided by 255",
        "the whole photo resized to this square",
        "licence of its weights: Apache-2.0",
    ):
        assert words in page
    assert "Fewer than 20 training visits were mild" in page


@pytest.mark.whole
def test_no_file_names_a_place_of_this_machine(exported: Path, tiny_demo: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {"network.onnx", "network.pt2", "card.md", "card.json"}
    for path in exported.iterdir():
        held = path.read_bytes()
        for place in (str(tiny_demo), "/tmp/", "site-packages", str(Path(exchange.__file__).parents[3])):
            assert place.encode() not in held, f"{path.name} names {place}"


@pytest.mark.whole
def test_what_is_refused(
    tiny_demo: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = str(tiny_demo / "runs/baseline")
    assert main(["export", run, "--out", str(exported)]) == 1
    assert "is there already and is left alone" in capsys.readouterr().err
    assert main(["export", run, "--out", str(tmp_path / "a" / "b")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert main(["export", str(tmp_path)]) == 1
    assert "is not a complete run" in capsys.readouterr().err
    monkeypatch.setattr(exchange, "find_spec", lambda name: None if name == "onnxscript" else name)
    assert main(["export", run, "--out", str(tmp_path / "out")]) == 1
    assert "pip install 'grasp-psonet[export]'" in capsys.readouterr().err


@pytest.mark.whole
def test_photos_that_changed_since_are_noticed(tiny_demo: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_demo, tmp_path / "study"))
    pixels = np.load(copy / "store/photos.npy")
    np.save(copy / "store/photos.npy", 255 - pixels)
    with pytest.raises(GraspError, match="predictions on record"):
        export_run(copy / "runs/baseline", tmp_path / "out")


@pytest.fixture(scope="module")
def of_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained study of precomputed features."""
    study = tmp_path_factory.mktemp("vectors") / "study"
    write_study(study, {})
    (study / "study.yaml").write_text(
        "network: {feature_length: 8, attention_hidden: 4, head_hidden: 0, attention: mean, feature_norm: unit_length}\n"
        "train: {epochs: 2, optimizer: {lr: 0.01}}\nmachine: {processes: 1}\n"
    )
    assert all(main([step, str(study)]) == 0 for step in ("features", "train"))
    return study


def test_a_file_that_gives_other_numbers_is_not_left(
    of_vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(ExportableNetwork):
        def forward(self, photos_BN: torch.Tensor, is_photo_BN: torch.Tensor) -> tuple[torch.Tensor, ...]:
            logits, *others = super().forward(photos_BN, is_photo_BN)
            return logits + 3e-4, *others

    monkeypatch.setattr(exchange, "ExportableNetwork", Off)
    with pytest.raises(GraspError, match=r"does not give the network's logits: they differ by 0\.0003"):
        export_run(of_vectors / "runs/baseline", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.whole
def test_vectors_are_exported_too(of_vectors: Path) -> None:
    study = of_vectors
    assert main(["export", str(study / "runs/baseline")]) == 0
    out = study / "exports" / "baseline"
    session = onnxruntime.InferenceSession(str(out / "network.onnx"), providers=["CPUExecutionProvider"])
    vectors = np.load(study / "v40.npy")[None]
    probabilities = session.run(None, {"photos": vectors, "is_photo": np.ones((1, 2), bool)})[2][0]
    recorded = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id").loc["v40"]
    np.testing.assert_allclose(probabilities, recorded[["p_mild", "p_moderate", "p_severe"]].tolist(), atol=1e-4)
    page = (out / "card.md").read_text(encoding="utf-8")
    assert re.search(r"`photos` \[visits, photos, 6\] float32", page)
    assert "the evaluation has no figures of this run" in page
