"""The score as a number from `cohort` to `predict` and `export`, on a drawn cohort under the product's own settings."""

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cli import main

pytestmark = [pytest.mark.long, pytest.mark.whole]

SETTINGS = {
    "severity.outcome": "pasi",
    "cohort.num_patients": "16",
    "cohort.num_visits": "28",
    "cohort.num_views": "2",
    "cohort.val_visits": "7",
    "cohort.test_visits": "9",
    "network.feature_length": "16",
    "network.attention_hidden": "8",
    "network.head_hidden": "8",
    "train.epochs": "2",
    "train.sampling": "class_weighted",
    "prune.k": "4",
    "prune.controls": "random",
    "evaluate.replicates": "20",
    "evaluate.min_gain_se": "0",
    "out_of_fold.folds": "2",
    "out_of_fold.repeats": "1",
    "explain.flagged": "2",
    "explain.errors": "2",
    "machine.processes": "1",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pasi") / "study"
    words = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    assert main(["cohort", str(folder), "--preset", "tiny", *words]) == 0
    assert main(["check", str(folder)]) == 0
    assert main(["run", str(folder)]) == 0
    return folder


@pytest.fixture
def results(study: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((study / "report/results.json").read_text(encoding="utf-8"))
    return read


def noise_of(study: Path) -> float:
    visits = pd.read_csv(study / "visits.csv")
    return float((visits["pasi_reader1"] - visits["pasi_reader2"]).abs().dropna().quantile(0.6827))


def test_training_and_predictions_are_of_the_score(study: Path) -> None:
    scores = pd.read_csv(study / "visits.csv").set_index("visit_id")["pasi_reader1"]
    told = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id")
    assert (told["label"] == scores[told.index]).all()
    np.testing.assert_allclose(told["predicted"], np.clip(5 * told["output_score"], 0, 72), rtol=1e-6)
    off = (told["output_score"] - told["label"] / 5).abs()
    np.testing.assert_allclose(told["loss"], np.where(off <= 1, off**2 / 2, off - 0.5), rtol=1e-4, atol=1e-6)
    assert np.ptp(told["predicted"]) > 0
    assert not [column for column in told if column.startswith(("p_", "logit_"))]
    epochs = pd.read_parquet(study / "runs/baseline/epochs.parquet")
    assert epochs.loc[epochs["kept"], "val_mae"].item() == epochs["val_mae"].min(), "of an error, less is better"


def test_errors_traced_are_those_beyond_the_readers_noise(study: Path) -> None:
    noise = noise_of(study)
    queries = pd.read_parquet(study / "traces/cosine/queries.parquet")
    assert len(queries)
    assert ((queries["predicted"] - queries["label"]).abs() > noise).all()
    kept = int(json.loads((study / "runs/baseline/metrics.json").read_text(encoding="utf-8"))["kept_step"])
    predictions = pd.read_parquet(study / "runs/baseline/predictions.parquet")
    validation = predictions[predictions["split"] == "val"]
    wrong = validation[(validation["predicted"] - validation["label"]).abs() > noise]
    assert set(queries.loc[queries["step"] == kept, "query_id"]) == set(wrong["visit_id"])
    assert pd.read_parquet(study / "traces/cosine/scores.parquet")["score"].abs().max() > 0


def test_k_is_chosen_by_validation_mae(study: Path) -> None:
    choice = json.loads((study / "evaluation/choice.json").read_text(encoding="utf-8"))
    by_run, k_of = choice["val_mae_by_run"], choice["k_by_run"]
    assert choice["run"] == min(by_run, key=lambda run: (by_run[run], k_of[run]))


def test_figures_stand_beside_the_readers_own(study: Path, results: dict[str, Any]) -> None:
    visits = pd.read_csv(study / "visits.csv").set_index("visit_id")
    told = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id")
    told = told[told["split"] == "test"]
    read = visits.loc[told.index]
    twice = read["pasi_reader2"].notna()
    of_run = (told["predicted"] - read["pasi_reader1"])[twice].abs().mean()
    of_readers = (read["pasi_reader2"] - read["pasi_reader1"])[twice].abs().mean()
    beside = pd.read_parquet(study / "evaluation/beside_readers.parquet")
    own = beside[(beside["run"] == "baseline") & (beside["group"] == "all") & (beside["reader"] == "reader1")]
    mae = own.set_index("metric").loc["mae"]
    assert mae["difference"] == pytest.approx(of_run - of_readers)
    assert results["reader_mae"]["value"] == pytest.approx(of_readers)
    figures = {one["metric"]: one for one in results["detail"]["figures"]}
    assert {"mae", "icc", "concordance", "bias", "limit_low", "slope", "class_auc", "class_kappa"} <= figures.keys()
    assert figures["bias"]["baseline"][0]["value"] == pytest.approx((told["predicted"] - read["pasi_reader1"]).mean())
    first = results["detail"]["differences"][0]
    assert len(first["difference"]) == first["visits"] == len(told)
    agreement = pd.read_parquet(study / "evaluation/agreement.parquet")
    assert {"mae", "icc", "class_kappa"} <= set(agreement["metric"])
    confusions = pd.read_parquet(study / "evaluation/confusions.parquet")
    of_baseline = confusions[(confusions["run"] == "baseline") & (confusions["group"] == "all")]
    assert of_baseline.loc[of_baseline["reader"] == "reader1", "num_visits"].sum() == len(told)


def test_courses_are_those_of_test_patients_and_their_predictions(study: Path, results: dict[str, Any]) -> None:
    visits, chosen = (
        pd.read_csv(study / "visits.csv"),
        json.loads((study / "evaluation/choice.json").read_text())["run"],
    )
    test = visits[visits["split"] == "test"].sort_values("study_day").set_index("visit_id")
    told = pd.read_parquet(study / "runs" / chosen / "predictions.parquet").set_index("visit_id")["predicted"]
    over_time = results["over_time"]
    several = test.groupby("patient_id")["study_day"].nunique()
    assert len(over_time["courses"]) == (several > 1).sum() > 0
    for course in over_time["courses"]:
        own = test[test["patient_id"] == test.loc[course["visit_id"], "patient_id"]]
        assert course["days"] == own["study_day"].tolist()
        assert course["predicted"] == pytest.approx(told[own.index].tolist())
        assert course["read"][0] == pytest.approx(own["pasi_reader1"].tolist())
    agreement = {one["name"]: one for one in over_time["response"]}["response_75_agreement"]
    table = pd.read_parquet(study / "evaluation/response.parquet").set_index(["run", "reader", "metric"])["value"]
    assert agreement["readers"]["value"] == table["reader2", "reader1", "response_75_agreement"]
    assert agreement["chosen"][1]["value"] == table[chosen, "reader2", "response_75_agreement"]


def test_the_audit_ranks_by_what_a_second_reading_would_say(study: Path) -> None:
    noise = noise_of(study)
    audited = pd.read_parquet(study / "audit/visits.parquet")
    off = (audited["predicted"] - audited["label_reader1"]).abs()
    drawn = audited["is_audited"]
    np.testing.assert_allclose(audited.loc[drawn, "margin"], off[drawn] - noise, rtol=1e-4, atol=1e-4)
    twice = audited["label_reader2"].notna()
    apart = (audited["label_reader1"] - audited["label_reader2"]).abs() > noise
    assert (audited.loc[twice, "readers_disagree"].astype(bool) == apart[twice]).all()
    assert apart[twice].any()
    review = pd.read_parquet(study / "audit/review.parquet")
    assert review["gross_error"].is_monotonic_decreasing
    assert review["out_of_fold_residual"].notna().all()


def test_the_page_speaks_of_points(study: Path, results: dict[str, Any]) -> None:
    page = (study / "report/report.html").read_text(encoding="utf-8").partition("<details>")[0]
    body = re.sub(r"<style>.*?</style>|data:image/[^\"]+", "", page, flags=re.DOTALL)
    words = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))
    assert "PASI in points from photos" in words
    assert "Beside the readers" in words
    assert "which the cut-offs make of the numbers" in words
    assert f"{noise_of(study):.1f} points, the readers' noise" in words
    for word in ("misclassif", "logit", "label of another class"):
        assert word not in words, word
    assert 'id="differences-0-title"' in page
    assert {"mae", "icc"} <= results["arms"][0]["figures"][0].keys()


def test_new_visits_are_told_a_number_and_its_class(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = next(path for path in sorted((study / "photos").iterdir()) if path.is_dir())
    capsys.readouterr()
    assert main(["predict", str(study / "runs/baseline"), str(photos)]) == 0
    out, err = capsys.readouterr()
    header, row = out.splitlines()[:2]
    assert header == "visit_id,num_photos,predicted,score,score_low,score_high,predicted_class"
    told = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id")
    assert float(row.split(",")[3]) == pytest.approx(told.loc[photos.name, "predicted"], abs=2e-3)
    assert "calibrated" not in err
    folder = tmp_path / "answers"
    assert main(["predict", str(study / "runs/baseline"), str(photos), "--out", str(folder)]) == 0
    visits = pd.read_parquet(folder / "visits.parquet")
    assert visits["score"].item() == pytest.approx(told.loc[photos.name, "predicted"], abs=2e-3)
    page = (folder / "predictions.html").read_text(encoding="utf-8")
    assert f"{visits['predicted'].item()} ({visits['predicted_class'].item()})" in page
    assert "not calibrated" not in page


def test_the_network_is_exported_with_its_points(study: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert main(["export", str(study / "runs/baseline"), "--out", str(tmp_path / "card")]) == 0
    card = json.loads((tmp_path / "card/card.json").read_text(encoding="utf-8"))
    assert card["outputs"] == ["outputs", "attention", "points"]
    words = (tmp_path / "card/card.md").read_text(encoding="utf-8")
    assert "`points` [visits, 1]: the PASI in points" in words
    assert "Probabilities are not calibrated" not in words


def test_one_reader_alone_needs_the_noise_told(study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    visits = pd.read_csv(study / "visits.csv").drop(columns=["pasi_reader2", "reader2_id"])
    visits.to_csv(tmp_path / "visits.csv", index=False)
    (tmp_path / "photos.csv").write_bytes((study / "photos.csv").read_bytes())
    (tmp_path / "study.yaml").write_text("severity: {outcome: pasi}\n", encoding="utf-8")
    (tmp_path / "photos").symlink_to(study / "photos")
    assert main(["check", str(tmp_path), "--photos.links", "anywhere"]) == 1
    assert "set severity.noise_points" in capsys.readouterr().out
    words = ["--severity.noise_points", "3", "--photos.links", "anywhere", "--network.weights", "random"]
    assert main(["check", str(tmp_path), *words]) == 0
