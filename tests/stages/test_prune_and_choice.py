"""What pruning ranks by is what is shown first; keep lists know their rule; the baseline is no gain over itself."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cli import _job, main
from grasp_psonet.errors import SettingsError
from grasp_psonet.stage import Task, run_task
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import EvaluateNeeds, ExplainNeeds, PruneNeeds
from grasp_psonet.stages.declared.tasks import explain_task, prune_tasks
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers import evaluate
from grasp_psonet.stages.makers.explain import flagged_photos, followed_list
from grasp_psonet.stages.makers.prune import make_control, read_keep
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.schemas.traces import SCORES
from tests.long_forms import by_day

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort with a made-up trace of three errors."""
    study = tmp_path_factory.mktemp("prune") / "study"
    small = ["--cohort.num_views", "3", "--cohort.num_visits", "24", "--cohort.test_visits", "6"]
    small += ["--cohort.edge_px", "32", "--machine.processes", "1"]
    assert main(["cohort", str(study), "--preset", "tiny", *small]) == 0
    job = _job(study, {})
    photos = job.cohort.photos
    photos = photos[photos["visit_id"].isin(job.visits_of("train")["visit_id"])][["photo_id", "visit_id"]]
    rng = np.random.default_rng(0)
    scores = pd.concat(photos.assign(query_id=f"q{q}", score=rng.normal(size=len(photos))) for q in range(3))

    def make(folder: Path) -> None:
        SCORES.write(scores[SCORES.names], folder / "scores.parquet")

    run_task(Task("trace", job.study.trace(job.trace_name()), {}, {}, make))
    return study


def _with(study: Path, **changes: Any) -> Job:
    of_pairs = {"trace.pairs": "all"} if changes.get("rule") == "each" else {}
    return _job(study, of_pairs | {f"prune.{name}": str(value) for name, value in changes.items()})


EVERY = list(product(["harmful", "helpful", "largest"], ["photo", "visit"], ["together", "each"]))
SHORT = [
    ("harmful", "photo", "together"),
    ("helpful", "visit", "together"),
    ("largest", "photo", "each"),
    ("harmful", "visit", "each"),
]


@pytest.mark.parametrize(("end", "remove", "rule"), by_day(SHORT, EVERY))
def test_the_photos_shown_are_those_that_leave_first(drawn: Path, end: str, remove: str, rule: str) -> None:
    job = _with(drawn, end=end, remove=remove, rule=rule, k="[2]", controls="[random]")
    for task in prune_tasks(job):
        run_task(task)
    name = job.pruned_names()[2]
    keep = read_keep(job, name).set_index("photo_id")
    trace = job.study.trace(job.trace_name())
    flagged = flagged_photos(needs_of(ExplainNeeds, job.settings), trace, job.cohort, None)
    assert (flagged["score"].to_numpy() == keep.loc[flagged["photo_id"], "score"]).all()
    first = flagged.head(2)["photo_id"]
    assert (keep.loc[first, "num_queries"] > 0).all()
    tables = [json.loads((job.study.pruning(of) / "overlap.json").read_text()) for of in (name, f"{name}-random")]
    own, control = (table["overlap"] for table in tables)
    assert own["num_kept_back"] >= 0
    assert own["maximum"] == (2 if rule == "together" else 6)
    assert control["num_removed"] == own["num_removed"] > 0
    told = ("num_queries", "maximum", "num_choices", "num_chosen", "num_kept_back")
    assert [control[column] for column in told] == [None] * len(told)


def test_the_photos_of_the_list_that_is_followed_are_shown_first(drawn: Path, tmp_path: Path) -> None:
    job = _with(drawn, k="[2, 4]", controls="[random]")
    for task in prune_tasks(job):
        run_task(task)
    own, trace = needs_of(ExplainNeeds, job.settings), job.study.trace(job.trace_name())
    own = replace(own, explain=replace(own.explain, flagged=8))
    ranking = flagged_photos(own, trace, job.cohort, None)
    named, longest = job.pruned_names()[2], job.pruned_names()[4]
    for chosen, followed in ((named, named), (longest, longest), (BASELINE, longest)):
        (tmp_path / "choice.json").write_text(json.dumps({"run": chosen}))
        pd.testing.assert_frame_equal(followed_list(job, tmp_path), read_keep(job, followed))

    keep = read_keep(job, longest).set_index("photo_id")
    beyond = keep.index[keep["score"] > 0][0]  # of no list that is taken by the ranking
    own_list = [ranking["photo_id"][6], ranking["photo_id"][4], beyond]
    keep["kept"] = ~keep.index.isin(own_list)
    shown = flagged_photos(own, trace, job.cohort, keep.reset_index())
    assert shown["photo_id"].tolist() == [
        own_list[1],
        own_list[0],
        beyond,
        *[photo_id for photo_id in ranking["photo_id"] if photo_id not in own_list][:5],
    ]
    assert (shown["score"].to_numpy() == keep.loc[shown["photo_id"], "score"]).all()
    assert shown["visit_id"].tolist() == keep.loc[shown["photo_id"], "visit_id"].tolist()


@pytest.mark.parametrize(("keep_at_least", "is_short"), [(1, False), (2, True)])
def test_a_control_that_may_not_take_as_many_as_its_list_says_so(
    drawn: Path, tmp_path: Path, keep_at_least: int, is_short: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Visits of three photos: a list that leaves one of each, and a control that must leave two."""
    job = _with(drawn, k="[200]", controls="[class]", end="largest")
    pruned_task, _ = prune_tasks(job)
    run_task(pruned_task)
    (control,) = [one for one in job.keep_lists() if one.control]
    bound = _with(drawn, k="[200]", controls="[class]", end="largest", keep_at_least=keep_at_least)
    with caplog.at_level("WARNING", "grasp_psonet"):
        make_control(tmp_path, needs_of(PruneNeeds, bound.settings), control, pruned_task.folder, Path(), bound.cohort)
    taken = [
        int((~pd.read_parquet(folder / "keep.parquet")["kept"]).sum()) for folder in (pruned_task.folder, tmp_path)
    ]
    assert taken[0] > 0
    assert taken[1] == taken[0] // (2 if is_short else 1)
    said = f"{control.name} takes {taken[0] - taken[1]} photos fewer than {control.pruning}: prune.cap_per_group"
    assert (said in caplog.text) == is_short
    assert ("photos fewer than" in caplog.text) == is_short


def test_keep_lists_and_maps_depend_on_what_ranks_the_photos(drawn: Path) -> None:
    job = _with(drawn, controls="[random]")
    for task in prune_tasks(job):
        assert {"prune.rule", "prune.end", "prune.remove", "trace.sum_queries"} <= set(task.settings)
        run_task(task)
    assert {"prune.rule", "prune.end", "prune.remove"} <= set(explain_task(job).settings)


def test_the_baseline_has_no_gain_over_itself(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _with(drawn, k="[2, 4]")
    named = job.pruned_names()
    rng = np.random.default_rng(1)
    visits = job.visits_of("val")
    runs = {}
    for name in (BASELINE, named[4]):  # the list of k = 2 removed nothing
        p_VC = rng.dirichlet(np.ones(3), size=len(visits))
        runs[name] = pd.DataFrame(p_VC, columns=["p_mild", "p_moderate", "p_severe"]).assign(
            visit_id=visits["visit_id"].to_numpy(), split="val", label=np.arange(len(visits)) % 3, predicted=0
        )
    asked = []

    def counted(run: pd.DataFrame, baseline: pd.DataFrame, *_: Any) -> float:
        asked.append(run is baseline)
        return 0.01

    monkeypatch.setattr(evaluate, "gain_standard_error", counted)
    own = needs_of(EvaluateNeeds, job.settings)
    choice = evaluate.choice_of_run(own, job.keep_lists(), runs, job.cohort.visits)
    assert choice["gain_se_by_run"] == {BASELINE: None, named[2]: None, named[4]: 0.01}
    assert choice["k_by_run"] == {BASELINE: 0, named[2]: 2, named[4]: 4}
    assert asked == [False]


def test_a_fraction_takes_what_its_count_takes(drawn: Path) -> None:
    job = _with(drawn, k="[0.05]", controls="[random]")
    num_photos = int(job.cohort.photos["visit_id"].isin(job.visits_of("train")["visit_id"]).sum())
    count = round(0.05 * num_photos)
    by_count = _with(drawn, k=f"[{count}]", controls="[random]")
    for task in [*prune_tasks(job), *prune_tasks(by_count)]:
        run_task(task)
    name = job.pruned_names()[0.05]
    assert name == "cosine-k0.05"
    for control in ("", "-random"):
        pd.testing.assert_frame_equal(read_keep(job, name + control), read_keep(by_count, f"cosine-k{count}{control}"))
        overlap = json.loads((job.study.pruning(name + control) / "overlap.json").read_text())["overlap"]
        assert (overlap["k"], overlap["fraction"]) == (count, 0.05)
    assert not read_keep(job, name)["kept"].all()
    assert [(one.k, one.control) for one in made_keep_lists(job).retrained] == [(count, ""), (count, "random")]
    with pytest.raises(SettingsError, match=f"prune.k 0.05 and {count} both take {count}"):
        run_task(prune_tasks(_with(drawn, k=f"[0.05, {count}]", remove="photo", keep_at_least=2))[0])
