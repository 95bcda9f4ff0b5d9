"""Other scales by settings alone: two classes, five, and names in another language, from `check` to `report`."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from grasp_psonet.cli import main
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings

pytestmark = pytest.mark.long

SMALL: dict[str, Any] = {
    "photos": {"edge_px": 64},
    "network": {"encoder": "demo_convnext", "feature_length": 16, "attention_hidden": 8, "head_hidden": 8},
    "train": {"epochs": 1, "optimizer": {"lr": 1e-3}},
    "prune": {"k": [2], "controls": []},
    "evaluate": {"replicates": 10},
    "out_of_fold": {"folds": 2, "repeats": 1},
    "explain": {"flagged": 2, "errors": 2},
    "machine": {"processes": 1},
}
RESPONSE = {"classes": ["non-responder", "responder"], "score_column": None, "class_column": "response"}
IGA = {
    "classes": ["clear", "almost clear", "mild", "moderate", "severe"],
    "cutoffs": [0, 1, 2, 3],
    "ties": ["lower"] * 4,
    "score_column": "iga",
    "score_range": [0, 4],
    "class_column": "grade",
}
GERMAN = {"classes": ["leicht", "mäßig", "sehr schwer"], "score_column": None, "class_column": "Schweregrad"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("drawn") / "study"
    sizes = {"num_patients": 14, "num_visits": 20, "num_views": 1, "val_visits": 5, "test_visits": 5, "fault_rate": 0}
    words = [word for name, size in sizes.items() for word in (f"--cohort.{name}", str(size))]
    words += ["--machine.processes", "1"]
    assert main(["cohort", str(study), "--preset", "tiny", *words]) == 0
    return study


def _grade(pasi: "pd.Series[float]", num_classes: int) -> "pd.Series[float]":
    """Classes of equal size by rising PASI; missing stays missing."""
    return np.floor((pasi.rank(method="first") - 1) * num_classes / pasi.notna().sum())


def _study(drawn: Path, folder: Path, severity: dict[str, Any], readings: pd.DataFrame) -> Path:
    """A study of one's own with the drawn photos and these columns in place of the drawn PASI."""
    folder.mkdir()
    shutil.copytree(drawn / "photos", folder / "photos")
    shutil.copy(drawn / "photos.csv", folder / "photos.csv")
    visits = pd.read_csv(drawn / "visits.csv").drop(columns=["pasi_reader1", "pasi_reader2"])
    visits.join(readings).to_csv(folder / "visits.csv", index=False)
    tree = yaml.safe_dump(SMALL | {"severity": severity}, allow_unicode=True)
    (folder / "study.yaml").write_text(tree, encoding="utf-8")
    return folder


def _scores(drawn: Path) -> pd.DataFrame:
    return pd.read_csv(drawn / "visits.csv")[["pasi_reader1", "pasi_reader2"]]


def _run(study: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `check` said of the study, after the whole pipeline ran over it."""
    assert main(["check", str(study)]) == 0
    told = capsys.readouterr().out
    assert main(["run", str(study)]) == 0
    return told


def _words(study: Path) -> str:
    """The page without its list of settings, as a reader sees it."""
    page = (study / "report/report.html").read_text(encoding="utf-8").partition("<details>")[0]
    body = re.sub(r"<style>.*?</style>|data:image/[^\"]+", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def _stands(study: Path, outcome: Outcome, readers: list[str]) -> dict[str, Any]:
    """What holds of every outcome: one column a class, all of the classes in every figure. Gives results.json."""
    num_classes = len(outcome.classes)
    predictions = pd.read_parquet(study / "runs/baseline/predictions.parquet")
    assert [column for column in predictions if column.startswith(("p_", "logit_"))] == [
        *(f"p_{name}" for name in outcome.classes),
        *(f"logit_{name}" for name in outcome.classes),
    ]
    assert np.allclose(predictions[outcome.probability_columns].sum(axis=1), 1)
    logits = predictions[outcome.output_columns].to_numpy()
    assert (logits.argmax(axis=1) == predictions["predicted"]).all()
    assert np.allclose(
        predictions["loss"],
        np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), predictions["label"]],
        atol=1e-5,
    )
    assert set(predictions["label"]) == set(range(num_classes))
    assert set(outcome.output_columns) <= set(pd.read_parquet(study / "runs/baseline/steps.parquet"))
    confusions = pd.read_parquet(study / "evaluation/confusions.parquet")
    whole = confusions[(confusions["run"] == "baseline") & (confusions["group"] == "all")]
    assert len(whole) == 2 * num_classes**2
    audited = pd.read_parquet(study / "audit/visits.parquet")
    assert audited["margin"].notna().any()
    rates = json.loads((study / "prunings/cosine-k2/overlap.json").read_text(encoding="utf-8"))["rates"]
    groups = [rate["group"] for rate in rates if rate["column"] == outcome.label_columns[0]]
    assert groups == [name for name in outcome.classes if name in groups]
    assert len(groups) >= 2
    results: dict[str, Any] = json.loads((study / "report/results.json").read_text(encoding="utf-8"))
    assert results["severities"] == list(outcome.classes)
    assert results["readers"] == readers
    assert all(len(split["classes"]) == num_classes for split in results["splits"])
    assert sum(sum(split["classes"]) for split in results["splits"]) == len(predictions)
    words = _words(study)
    assert f"Mix, {outcome.classes[0]} to {outcome.classes[-1]}" in words
    assert "PASI" not in words
    return results


@pytest.mark.whole
def test_two_classes_without_any_score(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {0.0: "Responder", 1.0: "non-responder"}
    scores = _scores(drawn)
    readings = pd.DataFrame({f"response_reader{r}": _grade(scores[f"pasi_reader{r}"], 2).map(names) for r in (1, 2)})
    study = _study(drawn, tmp_path / "response", RESPONSE, readings)
    assert "'non-responder'" in _run(study, capsys)
    results = _stands(study, Outcome(SeveritySettings(**RESPONSE)), ["Reader 1", "Reader 2"])
    audited = pd.read_parquet(study / "audit/visits.parquet")
    assert not [column for column in audited if column.startswith("cutoff_distance")]
    assert not pd.read_parquet(study / "traces/cosine/queries.parquet")["near_cutoff"].any()
    assert {"response_reader1", "response_reader2"} <= set(results["audit"]["review"][0])
    assert "cutoff_distance" not in results["audit"]["review"][0]
    assert results["total"]["disagreements"] == int(
        (readings["response_reader1"] != readings["response_reader2"])[readings["response_reader2"].notna()].sum()
    )
    assert "To cut-off" not in _words(study)

    photos = next(path for path in (study / "photos").iterdir())
    capsys.readouterr()
    assert main(["predict", str(study / "runs/baseline"), str(photos)]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "visit_id,num_photos,p_non-responder,p_responder,predicted"
    assert row.rsplit(",", 1)[1] in RESPONSE["classes"]


@pytest.mark.whole
def test_five_classes_by_cutoffs_on_a_score(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = _scores(drawn)
    readings = pd.DataFrame({f"iga_reader{r}": _grade(scores[f"pasi_reader{r}"], 5) for r in (1, 2)})
    study = _study(drawn, tmp_path / "iga", IGA, readings)
    _run(study, capsys)
    results = _stands(study, Outcome(SeveritySettings(**IGA)), ["Reader 1", "Reader 2"])
    audited = pd.read_parquet(study / "audit/visits.parquet")
    assert (audited["label_reader1"] == audited["iga_reader1"]).all(), "a score on a cut-off falls to the lower class"
    assert (audited["cutoff_distance_reader1"] <= 1).all()
    assert all(review["iga_reader1"] == review["grade_reader1"] for review in results["audit"]["review"])
    words = _words(study)
    assert "comes from its IGA" in words
    assert "Severity classes come from IGA cut-offs" in words
    assert "almost clear" in words


@pytest.mark.whole
def test_names_in_another_language_and_one_reader(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {0.0: "Leicht", 1.0: "MÄSSIG", 2.0: "sehr schwer"}
    readings = pd.DataFrame({"Schweregrad_reader1": _grade(_scores(drawn)["pasi_reader1"], 3).map(names)})
    study = _study(drawn, tmp_path / "schwere", GERMAN, readings)
    assert "'mäßig'" in _run(study, capsys)
    results = _stands(study, Outcome(SeveritySettings(**GERMAN)), ["Reader 1"])
    assert results["reader_kappa"] is None
    assert results["total"]["read_twice"] == 0
    assert "no audited visit was read by a second reader" in results["audit"]["why_not"]
    assert "mäßig" in _words(study)
