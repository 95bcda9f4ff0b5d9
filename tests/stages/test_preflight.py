"""What is said before anything long begins: small splits, k, disk, weights out of reach."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cli import _job, main
from grasp_psonet.errors import NetworkError
from grasp_psonet.network import pretrained
from grasp_psonet.network.encoder import build_encoder
from grasp_psonet.network.network import build_network
from grasp_psonet.stages.checking import preflight as looks
from grasp_psonet.stages.job import Job
from grasp_psonet.trajectory.anchors import start_anchor, write_anchor

pytestmark = pytest.mark.long

HUB = {"network.encoder": "convnext_tiny", "network.weights": "pretrained"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("preflight") / "study"
    assert main(["cohort", str(study), "--preset", "tiny", "--cohort.num_views", "2", "--cohort.edge_px", "32"]) == 0
    return study


def _with_splits(job: Job, **splits: str) -> Any:
    """The cohort with every visit of these patients' classes in one split; all other visits train."""
    visits = job.cohort.visits.copy()
    visits["split"] = [splits.get(patient, "train") for patient in visits["patient_id"]]
    return replace(job.cohort, visits=visits)


def test_splits_too_small_for_an_interval_are_told_with_their_visits_per_class(drawn: Path) -> None:
    job = _job(drawn, {})
    visits = job.cohort.visits
    few = visits.drop_duplicates("severity_reader1")["patient_id"]
    cohort = _with_splits(job, **dict.fromkeys(few, "val"))
    inside = cohort.visits[cohort.visits["split"] == "val"]
    (note,) = looks.split_notes(job, cohort)
    counts = inside["severity_reader1"].value_counts()
    assert note.startswith("split val is too small for an interval")
    assert f"{counts[0]} mild, {counts[1]} moderate, {counts[2]} severe" in note
    large = _with_splits(job, **dict.fromkeys(visits["patient_id"], "val"))
    large.visits["severity_reader1"] = np.arange(len(visits)) % 3
    assert looks.split_notes(job, large) == []


def test_the_share_of_resamples_with_every_class_is_that_of_drawn_ones() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat([0, 1, 2], [1, 3, 8])
    drawn_RP = rng.choice(patients, size=(20_000, len(patients)))
    share = np.mean([(drawn_RP == label).any(axis=1) for label in range(3)], axis=1).prod()
    assert looks.share_with_every_class([1, 3, 8], 12) == pytest.approx(share, abs=0.01)


def test_k_out_of_proportion_and_lists_given_twice_are_told(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = _job(drawn, {"prune.k": "[0.01, 0.5]"})
    (note,) = looks.k_notes(job, job.cohort)
    num_photos = int(job.cohort.photos["visit_id"].isin(job.visits_of("train")["visit_id"]).sum())
    assert f"prune.k takes {round(num_photos / 2)} of {num_photos} training photos, more than 30%" in note
    assert looks.k_notes(_job(drawn, {"prune.k": "[0.01]"}), job.cohort) == []
    assert main(["check", str(drawn), "--prune.k", f"[{num_photos}, 0.999]"]) == 1
    told = capsys.readouterr().out
    assert f"fault: prune.k 0.999 and {num_photos} both take {num_photos} of {num_photos} training photos" in told


def test_anchors_that_do_not_fit_the_disk_are_told(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = _job(drawn, {"train.epochs": "4", "prune.k": "[3, 6]", "machine.processes": "2"})
    network = build_network(replace(job.settings.network, weights="random"), 64, 0, job.outcome)
    write_anchor(tmp_path, start_anchor(network))
    size = next(tmp_path.iterdir()).stat().st_size
    anchors = (4 + 2) + 4 + 2 * 2  # of the baseline, one of each of two lists and their controls, under way
    assert looks.anchor_bytes(job) == pytest.approx(anchors * size, rel=0.05)

    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(anchors * size))
    (note,) = looks.disk_notes(job)
    assert f"the anchors of all runs need about {anchors * size / 2**30:.1f} GiB" in note
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2 * anchors * size))
    assert looks.disk_notes(job) == []


def test_weights_out_of_reach_stop_a_study_before_prepare_and_at_once(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    questions = []

    def no_network(url: str, **_: Any) -> None:
        questions.append(url)
        raise OSError("Name or service not known")

    monkeypatch.setattr(pretrained, "get_hf_file_metadata", no_network)
    monkeypatch.setattr(pretrained, "try_to_load_from_cache", lambda *_, **__: None)
    study = tmp_path / "study"
    shutil.copytree(drawn, study)
    options = [text for name, value in HUB.items() for text in (f"--{name}", value)]
    began = time.monotonic()
    assert main(["run", str(study), *options]) == 1
    assert time.monotonic() - began < 20, "retries of the hub's client take a minute"
    told = capsys.readouterr().err
    assert "the ImageNet weights of convnext_tiny cannot be had: OSError: Name or service not known" in told
    assert not (study / "store").exists()
    assert main(["check", str(study), *options]) == 1
    assert "fault: the ImageNet weights of convnext_tiny cannot be had" in capsys.readouterr().out
    with pytest.raises(NetworkError, match="cannot be had"):
        build_encoder("convnext_tiny", "pretrained", 64)
    assert len(questions) == 3, "one question each"
    assert "fault: network.weights is 'none.safetensors'" in _checked(study, capsys, "none.safetensors")


def _checked(study: Path, capsys: pytest.CaptureFixture[str], weights: str) -> str:
    assert main(["check", str(study), "--network.weights", weights]) == 1
    return capsys.readouterr().out


def test_cached_weights_are_read_without_a_question(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    source = timm.create_model("test_convnext", pretrained=False)
    save_file(source.state_dict(), tmp_path / "model.safetensors")

    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(pretrained, "get_hf_file_metadata", no_network)
    monkeypatch.setattr(pretrained, "try_to_load_from_cache", lambda *_, **__: str(tmp_path / "model.safetensors"))
    encoder, _ = build_encoder("test_convnext", "pretrained", 64)
    found = dict(encoder.named_parameters())
    assert found
    assert all((weight == source.state_dict()[name]).all() for name, weight in found.items())


def test_maps_that_need_a_missing_package_are_told_before_anything_is_made(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _job(drawn, {"explain.methods": "[gradcam, occlusion]"})
    there = looks.preflight(job, job.cohort)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (fault,) = set(looks.preflight(job, job.cohort).faults) - set(there.faults)
    assert "explain.methods names occlusion; the package captum" in fault
    assert "grasp-psonet[explain]" in fault
    plain = _job(drawn, {})
    assert not any("captum" in one for one in looks.preflight(plain, plain.cohort).faults)


def test_columns_that_do_not_exist_are_told_before_anything_is_made(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--evaluate.subgroups", "[sexx, age]", "--prune.cap_column", "skin", "--prune.cap_per_group", "0.5"]
    assert main(["check", str(drawn), *words]) == 1
    told = capsys.readouterr().out
    assert "evaluate.subgroups names 'sexx', which the visits table does not have; did you mean 'sex'?" in told
    assert "prune.cap_column is 'skin', which the visits table does not have" in told
    assert "next: choose among" in told
    assert main(["run", str(drawn), *words]) == 1
    assert not (drawn / "store").exists()


def test_k_beyond_the_training_photos_or_alike_after_capping_is_told(drawn: Path) -> None:
    job = _job(drawn, {"prune.k": "[5000]"})
    num_photos = int(job.cohort.photos["visit_id"].isin(job.visits_of("train")["visit_id"]).sum())
    assert f"prune.k 5000: there are {num_photos} training photos; all that may leave do" in looks.k_notes(
        job, job.cohort
    )
    capped = {"prune.cap_column": "fitzpatrick", "prune.cap_per_group": "0.3"}
    alike = _job(drawn, {"prune.k": f"[{num_photos - 1}, {num_photos - 2}]", **capped})
    (fault,) = [fault for fault in looks.preflight(alike, alike.cohort).faults if "all take the same" in fault]
    skin = job.cohort.photos["visit_id"].map(job.cohort.visits.set_index("visit_id")["fitzpatrick"])
    training = skin[job.cohort.photos["visit_id"].isin(job.visits_of("train")["visit_id"])]
    assert f"at most {int((training.value_counts() * 3 // 10).sum())} training photos may leave" in fault
    differ = _job(drawn, {"prune.k": f"[1, {num_photos - 2}]", **capped})
    assert not [fault for fault in looks.preflight(differ, differ.cohort).faults if "all take the same" in fault]


def test_a_study_whose_training_visits_are_all_alike_is_a_fault(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Path(shutil.copytree(drawn, tmp_path / "study"))
    visits = pd.read_csv(study / "visits.csv", dtype=str, keep_default_na=False)
    visits["pasi_reader1"] = "2"
    visits.to_csv(study / "visits.csv", index=False)
    number = int((visits["split"] == "train").sum())
    told = f"all {number} training visits are mild by Reader 1; a network learns to tell at least two apart"
    assert main(["check", str(study)]) == 1
    said = capsys.readouterr().out
    assert f"fault: {told}\n  next: add visits of other classes" in said
    assert "grasp run" not in said
    assert main(["run", str(study)]) == 1
    assert told in capsys.readouterr().err
    assert not (study / "store").exists()
    visits.loc[visits["split"] == "val", "pasi_reader1"] = "12"
    visits.to_csv(study / "visits.csv", index=False)
    assert main(["check", str(study)]) == 1
    assert f"fault: {told}\n  next: put visits of other classes into train" in capsys.readouterr().out
