"""PASI by region from ConvNeXt-Tiny at its whole depth and 224 px, through every stage. The short form: test_real_size.py."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cli import main
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.pasi_regional import PasiRegional
from grasp_psonet.cohort.settings import SeveritySettings

pytestmark = [pytest.mark.long, pytest.mark.nightly]
SETTINGS = {
    "severity.form": "regional",
    "severity.noise_points": "3",
    "cohort.edge_px": "224",
    "cohort.num_patients": "4",
    "cohort.num_visits": "5",
    "cohort.num_views": "4",
    "cohort.val_visits": "2",
    "cohort.test_visits": "1",
    "photos.edge_px": "224",
    "network.encoder": "convnext_tiny",
    "network.weights": "random",
    "train.epochs": "1",
    "prune.k": "[]",
    "evaluate.replicates": "10",
    "explain.sign": "erythema",
    "explain.flagged": "1",
    "explain.errors": "1",
    "explain.random_orders": "0",
    "out_of_fold.folds": "2",
    "out_of_fold.repeats": "1",
    "machine.processes": "1",
}


def test_convnext_tiny_grades_regions_at_224_px(tmp_path: Path) -> None:
    study = tmp_path / "study"
    words = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    assert main(["demo", str(study), "--preset", "pasi-tiny", *words]) == 0
    metrics = json.loads((study / "runs/baseline/metrics.json").read_text())
    counted = json.loads((study / "traces/cosine/coverage.json").read_text())
    assert sum(counted.values()) == metrics["num_parameters"] > 27_800_000
    scores = pd.read_parquet(study / "traces/cosine/scores.parquet")
    assert scores["score"].abs().max() > 0
    told = pd.read_parquet(study / "runs/baseline/predictions.parquet")
    outcome = outcome_of(SeveritySettings(outcome="pasi", form="regional"))
    assert isinstance(outcome, PasiRegional)
    grade_VRS, is_seen_VR = outcome.grades_of(told)
    assert is_seen_VR.any()
    assert np.nanmin(grade_VRS) > 0
    maps = pd.read_parquet(study / "explain/index.parquet")
    assert set(maps["reason"]) == {"flagged", "error"}
    assert maps["cam_largest"].notna().all()
    assert (study / "report/report.html").is_file()
