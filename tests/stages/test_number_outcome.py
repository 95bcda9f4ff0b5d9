"""A number in place of classes, defined in the tests alone, from `cohort` to `predict`: no room knows which outcome it has."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cli import main
from tests.number_outcome import SCALE, TOLERANCE, register_number

pytestmark = [pytest.mark.long, pytest.mark.whole]

SETTINGS = {
    "severity.outcome": "number",
    "cohort.num_patients": "14",
    "cohort.num_visits": "20",
    "cohort.num_views": "2",
    "cohort.val_visits": "5",
    "cohort.test_visits": "6",
    "network.feature_length": "16",
    "network.attention_hidden": "8",
    "network.head_hidden": "8",
    "train.epochs": "2",
    "prune.k": "4",
    "prune.controls": "random",
    "evaluate.replicates": "20",
    "out_of_fold.folds": "2",
    "out_of_fold.repeats": "1",
    "evaluate.min_gain_se": "0",
    "audit.ranking": "largest",
    "explain.flagged": "2",
    "explain.errors": "2",
    "machine.processes": "1",  # retrains in this process, which alone knows the outcome
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("number") / "study"
    words = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    with pytest.MonkeyPatch.context() as patch:
        register_number(patch)
        assert main(["cohort", str(folder), "--preset", "tiny", *words]) == 0
        assert main(["check", str(folder)]) == 0
        assert main(["run", str(folder)]) == 0
    return folder


@pytest.fixture
def results(study: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((study / "report/results.json").read_text(encoding="utf-8"))
    return read


def test_training_and_predictions_are_of_the_number(study: Path) -> None:
    scores = pd.read_csv(study / "visits.csv").set_index("visit_id")["pasi_reader1"]
    predictions = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id")
    assert (predictions["label"] == scores[predictions.index]).all()
    np.testing.assert_allclose(predictions["predicted"], SCALE * predictions["output_score"], rtol=1e-6)
    error = predictions["output_score"] - predictions["label"] / SCALE
    np.testing.assert_allclose(predictions["loss"], error**2, rtol=1e-4, atol=1e-6)
    assert np.ptp(predictions["predicted"]) > 0
    assert not [column for column in predictions if column.startswith(("p_", "logit_"))]
    steps = pd.read_parquet(study / "runs/baseline/steps.parquet")
    np.testing.assert_allclose(steps["label"], scores[steps["visit_id"]], rtol=1e-6)
    epochs = pd.read_parquet(study / "runs/baseline/epochs.parquet")
    assert epochs.loc[epochs["kept"], "val_mae"].item() == epochs["val_mae"].min(), "of an error, less is better"


def test_errors_traced_are_those_off_by_more_than_the_tolerance(study: Path) -> None:
    queries = pd.read_parquet(study / "traces/cosine/queries.parquet")
    assert len(queries)
    assert ((queries["predicted"] - queries["label"]).abs() > TOLERANCE).all()
    kept = int(json.loads((study / "runs/baseline/metrics.json").read_text(encoding="utf-8"))["kept_step"])
    predictions = pd.read_parquet(study / "runs/baseline/predictions.parquet")
    validation = predictions[predictions["split"] == "val"]
    wrong = validation[(validation["predicted"] - validation["label"]).abs() > TOLERANCE]
    assert set(queries.loc[queries["step"] == kept, "query_id"]) == set(wrong["visit_id"])
    scores = pd.read_parquet(study / "traces/cosine/scores.parquet")
    assert scores["score"].abs().max() > 0


def test_k_is_chosen_by_the_least_error_and_improvements_are_positive(study: Path, results: dict[str, Any]) -> None:
    choice = json.loads((study / "evaluation/choice.json").read_text(encoding="utf-8"))
    by_run, k_of = choice["val_mae_by_run"], choice["k_by_run"]
    assert choice["run"] == min(by_run, key=lambda run: (by_run[run], k_of[run]))
    assert choice["k"] == k_of[choice["run"]]
    figures = pd.read_parquet(study / "evaluation/figures.parquet")
    whole = figures[(figures["group"] == "all") & (figures["reader"] == "reader1") & (figures["metric"] == "mae")]
    mae = whole.set_index("run")["value"]
    arms = {arm["name"]: arm for arm in results["arms"]}
    assert len(arms) == 3, "baseline, pruned, random"
    for name in arms.keys() - {"baseline"}:
        found = arms[name]["figures"][0]["mae_difference"]
        assert found["value"] == pytest.approx(mae["baseline"] - mae[name])
    assert len(pd.read_parquet(study / "evaluation/confusions.parquet")) == 0
    agreement = pd.read_parquet(study / "evaluation/agreement.parquet")
    assert set(agreement["metric"]) == {"mae"}
    assert results["reader_mae"]["value"] > 0


def test_the_audit_ranks_by_distance_and_disagreement_of_numbers(study: Path) -> None:
    audited = pd.read_parquet(study / "audit/visits.parquet")
    off = (audited["predicted"] - audited["label_reader1"]).abs()
    drawn = audited["is_audited"]
    np.testing.assert_allclose(audited.loc[drawn, "margin"], off[drawn] - TOLERANCE, rtol=1e-4, atol=1e-4)
    twice = audited["label_reader2"].notna()
    apart = (audited["label_reader1"] - audited["label_reader2"]).abs() > TOLERANCE
    assert (audited.loc[twice, "readers_disagree"].astype(bool) == apart[twice]).all()
    assert apart[twice].any()


def test_maps_and_page_speak_of_the_number(study: Path, results: dict[str, Any]) -> None:
    maps = pd.read_parquet(study / "explain/index.parquet")
    assert set(maps["reason"]) == {"flagged", "error"}
    assert maps["target"].dtype == np.float64
    page = (study / "report/report.html").read_text(encoding="utf-8").partition("<details>")[0]
    page = page.partition('<section id="response"')[0]  # response has a kappa, being of classes
    body = re.sub(r"<style>.*?</style>|data:image/[^\"]+", "", page, flags=re.DOTALL)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
    assert "the test MAE against Reader 1" in words or "with a test MAE against Reader 1" in words
    assert "PASI in points from photos" in words
    for word in ("AUC ", "appa", "misclassif", "logit"):
        assert word not in words, word
    assert {"mae", "within"} <= results["arms"][0]["figures"][0].keys()


def test_new_visits_are_told_a_number(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register_number(monkeypatch)
    capsys.readouterr()
    photo = next((study / "photos").iterdir())
    assert main(["predict", str(study / "runs/baseline"), str(photo if photo.is_dir() else study / "photos")]) == 0
    header, row = capsys.readouterr().out.splitlines()[:2]
    assert header == "visit_id,num_photos,predicted"
    float(row.rsplit(",", 1)[1])


def test_an_outcome_that_is_none_is_named(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(study), "--severity.outcome", "nmber"]) == 1
    assert "setting severity.outcome is 'nmber'; wanted: classes, pasi" in capsys.readouterr().err
