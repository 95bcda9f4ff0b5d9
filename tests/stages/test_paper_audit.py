"""The paper's audit: a network of its own, trained on train and test, beside the audit and never in its place."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from grasp_psonet.errors import EvidenceError
from grasp_psonet.settings import parse
from grasp_psonet.stage import judge, run_task
from grasp_psonet.stages.declared.tasks import audit_tasks, features_task, out_of_fold_task, train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers import paper_audit
from grasp_psonet.stages.makers.paper_audit import drawn_visits, trained_on_test_too
from grasp_psonet.tables.schemas.audit import AUDIT_CURVE, AUDIT_SUMMARY, PAPER_AUDIT_VISITS
from tests.small_study import write_study

pytestmark = pytest.mark.whole

SETTINGS = {
    "network": {"feature_length": 8, "attention_hidden": 4, "head_hidden": 4},
    "train": {"epochs": 2, "optimizer": {"lr": 1e-2}, "sampling": "shuffled"},
    "evaluate": {"replicates": 50},
    "machine": {"processes": 1},
}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The study audited without and then with the paper's audit; the first audit is kept beside."""
    job = write_study(tmp_path_factory.mktemp("paper") / "study", SETTINGS)
    for make in (features_task, out_of_fold_task, train_task):
        run_task(make(job))
    for task in audit_tasks(job):
        run_task(task)
    for name in ("visits", "curve", "summary"):
        shutil.copyfile(job.study.audit / f"{name}.parquet", job.study.folder / f"before-{name}.parquet")
    job = Job(job.study, parse(SETTINGS | {"audit": {"model": "paper"}}, "the test"))
    for task in audit_tasks(job):
        run_task(task)
    return job


def test_visits_read_twice_of_train_and_test_are_ranked(job: Job) -> None:
    found = PAPER_AUDIT_VISITS.read(job.study.paper_audit / "visits.parquet").set_index("visit_id")
    visits = job.cohort.visits.set_index("visit_id")
    twice = visits[visits["pasi_reader2"].notna() & (visits["split"] != "val")]
    assert sorted(found.index) == sorted(twice.index)
    of_test = found.loc[twice.index[twice["split"] == "test"], "paper_audit"]
    assert len(of_test) > 3
    assert (of_test > 0).all(), "a visit that was not trained on scores exactly 0"
    assert found["paper_audit"].nunique() == len(found)


def test_its_curve_stands_beside_those_of_the_audit_and_changes_none(job: Job) -> None:
    curve, summary = AUDIT_CURVE.read(job.study.audit / "curve.parquet"), AUDIT_SUMMARY.read(_summary(job))
    own = curve[curve["ranking"] == "paper_audit"]
    found = PAPER_AUDIT_VISITS.read(job.study.paper_audit / "visits.parquet")
    assert own["num_inspected"].max() == len(found)
    assert own["fraction_found"].iloc[-1] == 1
    assert set(summary.loc[summary["ranking"] == "paper_audit", "metric"]) == {
        "found_at_inspected",
        "auroc",
        "average_precision",
    }
    for name, with_papers in (("curve", curve), ("summary", summary)):
        before = pd.read_parquet(job.study.folder / f"before-{name}.parquet")
        after = with_papers[with_papers["ranking"] != "paper_audit"].reset_index(drop=True)
        pd.testing.assert_frame_equal(after, before, check_dtype=False)
    assert (job.study.audit / "visits.parquet").read_bytes() == (
        job.study.folder / "before-visits.parquet"
    ).read_bytes()


def test_nothing_is_left_of_its_network(job: Job) -> None:
    left = sorted(path.name for path in job.study.paper_audit.iterdir() if path.suffix == ".parquet" or path.is_dir())
    assert left == ["self_influence.parquet", "visits.parquet"]
    assert sorted(path.name for path in (job.study.folder / "runs").iterdir()) == ["baseline"]
    assert all(judge(task).state == "valid" for task in audit_tasks(job))


def test_at_most_so_many_are_drawn_in_proportion(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = trained_on_test_too(job.cohort)
    every = drawn_visits(cohort, 0)
    monkeypatch.setattr(paper_audit, "MOST_VISITS", 10)
    some = drawn_visits(cohort, 0)
    assert len(some) == 10
    rate = float(job.outcome.readers_disagree(every).mean())
    assert 0 < rate < 1
    assert int(job.outcome.readers_disagree(some).sum()) == round(10 * rate)
    assert not set(some["visit_id"]) & set(job.visits_of("val")["visit_id"])


def test_a_study_read_once_is_told(job: Job) -> None:
    visits = job.cohort.visits.copy()
    visits["severity_reader2"] = pd.array([None] * len(visits), dtype="Int64")
    once = trained_on_test_too(type(job.cohort)(visits, job.cohort.photos, job.cohort.views))
    with pytest.raises(EvidenceError, match="second reader"):
        drawn_visits(once, 0)


def _summary(job: Job) -> Path:
    return job.study.audit / "summary.parquet"
