"""Queries of their own at every anchor: each counts there and nowhere else, over all of training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from grasp_psonet.bags.bag import Bag
from grasp_psonet.errors import SettingsError, TraceError
from grasp_psonet.influence.choices import Counting
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.request import Queries, ScoresByFormula
from grasp_psonet.influence.tracing.trace import Traced, trace
from grasp_psonet.training.predict import bags_of_photos
from tests.reference import influence_scores
from tests.tiny_run import ANCHORS, KEPT_STEP, TinyRun

FORMULAS: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")
FIRST, KEPT, LAST = ANCHORS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def at_step(run: TinyRun) -> dict[int, list[Bag]]:
    """v6 through another photo at each of two anchors; v7 at the last alone, which lies after the kept step."""
    v6, v7 = run.bags["v6"], run.bags["v7"]
    first, last = v6.photo_ids[0], v6.photo_ids[-1]
    assert first != last
    return {FIRST: [v6.only(first)], LAST: [v7.only(v7.photo_ids[0]), v6.only(last)]}


def traced(run: TinyRun, queries: Queries, counting: Counting = "checkpoints", *, sum_queries: bool = False) -> Traced:
    settings = TraceSettings(counting=counting, sum_queries=sum_queries)
    return trace(run.trained(), run.request(settings, FORMULAS, queries=queries))


def by_the_loop(run: TinyRun, at_step: Mapping[int, Sequence[Bag]]) -> dict[str, np.ndarray]:
    """By formula, rows v6 and v7: what the slow reference adds at each anchor, as the last of a training that ended there."""
    photos = list(bags_of_photos(run.visits))
    total = {formula: np.zeros((2, len(photos))) for formula in FORMULAS}
    ends = dict(zip(ANCHORS, (0, *ANCHORS), strict=False))
    for step, queries in at_step.items():
        for query in queries:
            upto, before = (
                influence_scores.scores_by_formula(
                    run.network(), replace(run.trajectory, kept_step=end), photos, [query], run.pixels
                )
                for end in (step, ends[step])
            )
            for formula in FORMULAS:
                total[formula][["v6", "v7"].index(query.visit_id)] += upto[formula][0] - before[formula][0]
    return total


def test_a_part_has_rows_for_its_own_queries_alone(run: TinyRun, at_step: dict[int, list[Bag]]) -> None:
    rows: dict[str, int] = {}

    def remember(part: str, make: Callable[[], ScoresByFormula]) -> ScoresByFormula:
        made = make()
        rows[part] = len(made["adam"])
        return made

    trace(run.trained(), run.request(TraceSettings(), ("adam",), queries=at_step), remember)
    assert rows == {f"anchor-{FIRST:07d}": 1, f"anchor-{LAST:07d}": 2}


def test_queries_of_an_anchor_count_at_that_anchor_alone(run: TinyRun, at_step: dict[int, list[Bag]]) -> None:
    assert LAST > KEPT_STEP, "nothing would show that steps after the kept one count"
    found = traced(run, at_step)
    assert found.query_ids == ("v6", "v7")
    for formula, slow in by_the_loop(run, at_step).items():
        assert (np.abs(slow).max(axis=1) > 1e-6).all(), "a row vanishes: the comparison would prove nothing"
        assert np.abs(found.by_formula[formula] - slow).max() / np.abs(slow).max() < 1e-10  # type: ignore[index]


def test_counted_by_steps_they_count_in_the_steps_before_their_anchor(
    run: TinyRun, at_step: dict[int, list[Bag]]
) -> None:
    found = traced(run, at_step, "steps")
    v6_first, v7_last, v6_last = at_step[FIRST][0], *at_step[LAST]
    ending = {end: replace(run, trajectory=replace(run.trajectory, kept_step=end)) for end in ANCHORS}

    def upto(query: Bag, end: int) -> Mapping[FormulaName, np.ndarray]:
        return {formula: scores[0] for formula, scores in traced(ending[end], [query], "steps").by_formula.items()}

    v6_upto_first = upto(v6_first, FIRST)
    (v6_upto_kept, v6_upto_last), (v7_upto_kept, v7_upto_last) = (
        [upto(query, end) for end in (KEPT, LAST)] for query in (v6_last, v7_last)
    )
    for formula in FORMULAS:
        v6 = v6_upto_first[formula] + v6_upto_last[formula] - v6_upto_kept[formula]
        wanted = np.stack([v6, v7_upto_last[formula] - v7_upto_kept[formula]])
        np.testing.assert_allclose(found.by_formula[formula], wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("counting", ["even", "checkpoints", "steps"])
@pytest.mark.parametrize("sum_queries", [False, True])
def test_what_anchors_add_adds_up(
    run: TinyRun, at_step: dict[int, list[Bag]], counting: Counting, sum_queries: bool
) -> None:
    whole = traced(run, at_step, counting, sum_queries=sum_queries)
    parts = [traced(run, {step: queries}, counting, sum_queries=sum_queries) for step, queries in at_step.items()]
    rows = [[0] if sum_queries else [whole.query_ids.index(name) for name in part.query_ids] for part in parts]
    for formula in FORMULAS:
        total = np.zeros_like(whole.by_formula[formula])
        for part, at in zip(parts, rows, strict=True):
            assert np.abs(part.by_formula[formula]).max() > 0
            total[at] += part.by_formula[formula]
        np.testing.assert_allclose(whole.by_formula[formula], total, rtol=1e-12)


def test_counted_evenly_an_anchor_after_the_kept_one_weighs_what_its_steps_did(
    run: TinyRun, at_step: dict[int, list[Bag]]
) -> None:
    """Counted by draws the scores of all visits, each over its own draws, have the same sum of weights."""
    only_last = {LAST: at_step[LAST]}
    even, drawn = (traced(run, only_last, counting).by_formula["sgd"] for counting in ("even", "checkpoints"))
    steps = run.trajectory.steps
    window = steps[steps["step"] > KEPT]
    share = (window["lr"] / window.groupby("step")["visit_id"].transform("size")).groupby(window["visit_id"]).sum()
    visit_of = [bag.visit_id for bag in bags_of_photos(run.visits)]
    for place, visit_id in enumerate(visit_of):
        if visit_id in share:
            np.testing.assert_allclose(
                even[:, place] / (share.sum() / len(run.visits)), drawn[:, place] / share[visit_id], rtol=1e-9
            )


def test_summed_they_share_one_row(run: TinyRun, at_step: dict[int, list[Bag]]) -> None:
    apart, together = traced(run, at_step), traced(run, at_step, sum_queries=True)
    for formula in ("paper", "sgd", "adam"):
        np.testing.assert_allclose(
            together.by_formula[formula][0], apart.by_formula[formula].sum(axis=0), rtol=1e-9, atol=1e-14
        )


def test_the_network_holds_the_kept_weights_afterwards(run: TinyRun, at_step: dict[int, list[Bag]]) -> None:
    trained, photos = run.trained(), list(bags_of_photos(run.visits))
    trace(trained, run.request(TraceSettings(), visits=photos, queries=at_step))
    kept = run.trajectory.read(KEPT_STEP, torch.device("cpu")).weights
    assert all(torch.equal(weight, kept[name]) for name, weight in trained.network.named_parameters())


def test_what_has_no_meaning_is_refused(run: TinyRun, at_step: dict[int, list[Bag]]) -> None:
    with pytest.raises(TraceError, match=r"queries at steps \[4\], where the run has no anchor"):
        traced(run, {4: at_step[FIRST]})
    with pytest.raises(SettingsError, match=r"unrolled with trace\.errors each_anchor"):
        TraceSettings(formula="unrolled", counting="steps")
    assert traced(run, {}).by_formula["cosine"].shape == (0, len(list(bags_of_photos(run.visits))))
