"""Rules of pruning beside the product's, on a small study: what their keep lists hold, and what weights do in training."""

from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.planted import Cohorts, make_arm, make_baseline
from benchmarks.truth.rivals import other_rules
from benchmarks.truth.rivals.other_rules import class_rows, rounds_rows, weights_rows
from grasp_psonet.presets import preset
from grasp_psonet.settings import merged
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.tracing.trace import run_queries, trace_queries
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.run import TrainedRun

pytestmark = pytest.mark.long

SEED = 3
SMALL = merged(
    preset("tiny"),
    {
        "machine": {"processes": 1, "threads": 1},
        "cohort": {"num_views": 3},
        "prune": {"k": [3]},
        "out_of_fold": {"folds": 2, "repeats": 1},
        "evaluate": {"replicates": 10},
    },
)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    cohorts = Cohorts(tmp_path_factory.mktemp("planted"), "colour_cast", SMALL)
    make_baseline(cohorts, SEED)
    job = cohorts.job(SEED)
    make_arm(job)
    return job


def removed(job: Job, name: str) -> set[str]:
    keep = pd.read_parquet(job.study.pruning(name) / "keep.parquet")
    return set(keep.loc[~keep["kept"], "photo_id"])


@pytest.mark.nightly
def test_class_listens_to_errors_mistaken_for_the_class_of_the_photo(job: Job) -> None:
    two = replace(job, settings=replace(job.settings, prune=replace(job.settings.prune, k=(3, 6))))
    rows = list(class_rows(two))
    assert [row["k"] for row in rows] == [3, 6]
    queries = run_queries(TrainedRun(job), job.settings.trace)
    mistaken = queries[["query_id", "predicted"]].drop_duplicates()
    assert mistaken["query_id"].duplicated().any(), "no visit is mistaken for two classes"
    label = job.cohort.visits.set_index("visit_id")["severity_reader1"]
    harm = pd.Series(dtype=float)
    for (_, predicted), one in queries.groupby(["step", "predicted"]):
        scores = trace_queries(TrainedRun(job), one, ["cosine"], job.settings.trace).tables["cosine"]
        heard = scores[scores["visit_id"].map(label) == predicted]
        harm = harm.add(heard.groupby("photo_id")["score"].sum(), fill_value=0.0)
    harm = harm.sort_values()
    assert removed(job, "class-k3") == set(harm.index[:3])
    assert removed(job, "class-k3") < removed(job, "class-k6")


def test_rounds_trace_the_network_trained_without_the_photos_that_left(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_rules, "NUM_ROUNDS", 2)
    monkeypatch.setattr(other_rules, "PER_ROUND", 4)
    rows = list(rounds_rows(job))
    first, second = removed(job, "rounds-k4"), removed(job, "rounds-k8")
    assert 0 < len(first) < len(second)
    assert [row["removed"] for row in rows] == [len(first), len(second)]
    run = TrainedRun(job, "rounds-k4")
    scores = trace_queries(run, run_queries(run, job.settings.trace), ["cosine"], job.settings.trace).tables["cosine"]
    assert not first & set(scores["photo_id"])
    harm = scores.groupby("photo_id")["score"].sum().sort_values()
    assert first < second, "what left stays away"
    passed_over = set(harm.index[harm <= harm[list(second - first)].max()]) - second
    keep = pd.read_parquet(job.study.pruning("rounds-k8") / "keep.parquet").set_index("photo_id")
    num_kept = keep.groupby("visit_id")["kept"].sum()
    assert (num_kept[keep.loc[list(passed_over), "visit_id"]] == 1).all(), "the last of a visit stays"


@pytest.mark.parametrize("weight", [1.0, 1e-40])
def test_a_photo_of_weight_one_is_a_photo_and_of_no_weight_is_removed(
    job: Job, weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_rules, "WEIGHT", weight)
    list(weights_rows(job))
    logits = ["logit_mild", "logit_moderate", "logit_severe"]
    for k in job.settings.prune.k:
        same = BASELINE if weight == 1 else f"cosine-k{k}"
        found, wanted = (
            table[table["split"] == "test"].set_index("visit_id")[logits].sort_index()
            for table in (
                pd.read_parquet(job.study.run(run) / "predictions.parquet") for run in (f"weights-cosine-k{k}", same)
            )
        )
        pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=0 if weight == 1 else 2e-3)
