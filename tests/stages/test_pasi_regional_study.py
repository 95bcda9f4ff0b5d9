"""A drawn study on PASI by region: its tables hold the parts, and prediction tells them, and what could not be assessed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cli import main
from grasp_psonet.cohort.components import components_of
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic.pasi import SUB_SCORES, pasi_of
from grasp_psonet.settings import load
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.graded_visits import graded_visits
from grasp_psonet.study import Study

WORDS = ("--severity.form", "regional", "--train.epochs", "1", "--machine.processes", "1")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regional") / "study"
    assert main(["init", str(folder), "--preset", "pasi-tiny"]) == 0
    for command in ("cohort", "prepare", "train"):
        assert main([command, str(folder), *WORDS]) == 0
    return folder


def test_the_drawn_parts_give_the_drawn_total(study: Path) -> None:
    visits = pd.read_csv(study / "visits.csv")
    for reader in ("reader1", "reader2"):
        parts = visits[list(components_of(Outcome(), f"_{reader}"))]
        is_read = visits[f"pasi_{reader}"].notna()
        assert (parts.notna().all(axis=1) == is_read).all()
        total = pasi_of(parts[is_read].to_numpy(np.int64).reshape(-1, 4, 4))
        np.testing.assert_allclose(total, visits.loc[is_read, f"pasi_{reader}"])
    assert visits["pasi_reader2"].notna().any()


def test_new_visits_are_told_their_parts_and_what_is_not_assessable(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, views = pd.read_csv(study / "photos.csv"), pd.read_csv(study / "views.csv").set_index("code")
    visit = photos["visit_id"].iloc[0]
    own = photos[photos["visit_id"] == visit]
    region = own["view"].map(views["body_region"])
    table = study / "new.csv"
    whole, part = own.assign(visit_id="whole"), own[region == region.iloc[0]].assign(visit_id="part")
    part = part.assign(photo_id="x" + part["photo_id"], path=part["path"].str.replace("photos/", "copies/"))
    (study / "copies").symlink_to(study / "photos")
    pd.concat([whole, part]).to_csv(table, index=False)
    out = tmp_path / "answers"
    assert main(["predict", str(study / "runs/baseline"), str(table), "--out", str(out)]) == 0
    told = pd.read_parquet(out / "visits.parquet").set_index("visit_id")
    recorded = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id")
    assert told.loc["whole", "score"] == pytest.approx(recorded.loc[visit, "predicted"], abs=2e-3)
    seen = set(region)
    for name in ("head", "upper_limbs", "trunk", "lower_limbs"):
        assert np.isfinite(told.loc["whole", f"{name}_area"]) == (name in seen)
        assert np.isfinite(told.loc["part", f"{name}_area"]) == (name == region.iloc[0])
        assert (name.replace("_", " ") in told.loc["part", "not_assessable"]) == (name != region.iloc[0])
    assert told.loc["part", "completed_from"].startswith(region.iloc[0].replace("_", " "))
    assert (told["score_low"] <= told["score"]).all()
    assert (told["score"] <= told["score_high"]).all()
    capsys.readouterr()
    assert main(["predict", str(study / "runs/baseline"), str(study / "photos" / visit)]) == 1
    assert "by the region of the body" in capsys.readouterr().err


def test_the_report_takes_the_grades_of_test_visits_from_the_run_and_reader_1(study: Path) -> None:
    job = Job(Study(study), load(study / "study.yaml", {"severity.form": "regional", "train.epochs": "1"}))
    found = graded_visits(job, "baseline")
    told = pd.read_parquet(study / "runs/baseline/predictions.parquet").set_index("visit_id")
    assert {one.visit_id for one in found} == set(told.index[told["split"] == "test"])
    off = [abs(one.predicted - one.read) for one in found]
    assert off == sorted(off, reverse=True)
    visits = pd.read_csv(study / "visits.csv").set_index("visit_id")
    worst = found[0]
    for region in worst.regions:
        of_reader = [visits.loc[worst.visit_id, f"{region.region}_{part}_reader1"] for part in SUB_SCORES]
        assert list(region.read) == of_reader
        level = told.loc[worst.visit_id, f"output_{region.region}_erythema"]
        assert region.is_seen == (told.loc[worst.visit_id, f"output_{region.region}_seen"] == 1)
        if region.is_seen:
            assert region.said[0] == pytest.approx(sum(1 / (1 + np.exp(-2 * (level - k - 0.5))) for k in range(4)))
    assert any(region.is_seen for region in worst.regions)
