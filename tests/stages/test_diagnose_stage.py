"""``grasp diagnose`` on the finished tiny study: its tables, what it flags, and that page and results.json tell the same."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from grasp_psonet.cli import main
from grasp_psonet.settings import load
from grasp_psonet.stage import judge, run_task
from grasp_psonet.stages.declared.diagnosis import diagnose_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.study import Study
from grasp_psonet.tables.schemas.diagnosis import FINDING_PHOTOS, FINDINGS, FLAGGED

pytestmark = pytest.mark.long


def _job(study: Path, **settings: str) -> Job:
    return Job(Study(study), load(study / "study.yaml", settings))


@pytest.mark.process
def test_flagged_are_the_removed_photos_and_as_many_within_their_class(tiny_demo: Path) -> None:
    flagged = FLAGGED.read(tiny_demo / "diagnosis" / "flagged.parquet")
    keep = pd.read_parquet(tiny_demo / "prunings" / "cosine-k3" / "keep.parquet")
    removed = set(keep.loc[~keep["kept"], "photo_id"])
    assert 0 < len(removed) <= 3
    assert set(flagged.loc[flagged["reason"] == "removed", "photo_id"]) == removed
    assert len(flagged) <= 2 * len(removed)
    smallest = made_keep_lists(_job(tiny_demo)).flagged
    assert smallest is not None
    assert smallest.name == "cosine-k3"


@pytest.mark.process
def test_page_and_results_tell_what_the_stage_found(tiny_demo: Path) -> None:
    folder = tiny_demo / "diagnosis"
    told = json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))
    found = FINDINGS.read(folder / "findings.parquet")
    shown = json.loads((tiny_demo / "report" / "results.json").read_text(encoding="utf-8"))["diagnosis"]
    assert len(found) > 20
    assert found["rank"].tolist() == list(range(1, len(found) + 1))
    assert {"measure", "column", "cluster"} == set(found["kind"])
    for name in ("diagnosis", "in_words", "evidence", "verdict"):
        assert shown[name] == told[name]
    assert shown["num_traits"] == len(found)
    assert [one["words"] for one in shown["traits"]] == found["words"].head(10).tolist()
    page = (tiny_demo / "report" / "report.html").read_text(encoding="utf-8")
    assert "What do the flagged photos share?" in page
    assert told["in_words"].split(":")[0] in page
    photos = FINDING_PHOTOS.read(folder / "photos.parquet")
    assert set(photos["finding"]) <= set(found.loc[found["strength"] != "none found", "rank"])


@pytest.mark.process
def test_a_study_that_prunes_nothing_is_diagnosed_too(tiny_demo: Path, tmp_path: Path) -> None:
    study = tmp_path / "tiny"
    shutil.copytree(tiny_demo, study)
    assert main(["run", str(study), "--prune.k", "[]"]) == 0
    assert len(FLAGGED.read(study / "diagnosis" / "flagged.parquet")) == 0
    assert len(FINDINGS.read(study / "diagnosis" / "findings.parquet")) == 0
    told = json.loads((study / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))
    assert (told["verdict"], told["figures"]["num_flagged"]) == ("none found", 0)
    assert "Nothing was flagged" in (study / "report" / "report.html").read_text(encoding="utf-8")


@pytest.mark.process
def test_it_is_made_anew_by_its_own_settings_and_comes_out_the_same_again(tiny_demo: Path, tmp_path: Path) -> None:
    study = tmp_path / "tiny"
    shutil.copytree(tiny_demo, study)
    before = (study / "diagnosis" / "findings.parquet").read_bytes()
    assert judge(diagnose_task(_job(study))).state == "valid"
    fewer = diagnose_task(_job(study, **{"diagnose.permutations": "50"}))
    assert judge(fewer).state == "stale"
    assert run_task(fewer)
    assert (study / "diagnosis" / "findings.parquet").read_bytes() != before
    assert run_task(diagnose_task(_job(study)))
    assert (study / "diagnosis" / "findings.parquet").read_bytes() == before
