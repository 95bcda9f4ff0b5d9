"""The trace against the loop, and what must hold whatever the numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import Counting
from grasp_psonet.influence.formulas import FORMULAS, Formula, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.directions import direction
from grasp_psonet.influence.tracing.request import Request
from grasp_psonet.influence.tracing.self_influence import cover_photos, self_influence
from grasp_psonet.influence.tracing.trace import trace
from grasp_psonet.influence.units.table import cover_unit, unit_products
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.training.predict import bags_of_photos
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory
from tests.reference import influence_scores
from tests.tiny_study import tiny_bags, tiny_network

pytestmark = pytest.mark.long

NAMES: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "cosine")
OPTIMIZER = AdamLaw.of(OptimizerSettings(lr=1e-2, weight_decay=1e-2, schedule="cosine", warmup_steps=3))


class _Story:
    """A short training of a float64 network with anchors after steps 2, 5 and 6; visit v5 is never drawn."""

    def __init__(self, folder: Path, impossible_class: int | None = None) -> None:
        self.bags, self.pixels = tiny_bags(8)
        self.network = tiny_network()
        if impossible_class is not None:
            with torch.no_grad():
                self.network.head[-1].bias[impossible_class] = -30
        trained = [f"v{v}" for v in range(5)]
        plan = batch_plan({name: self.bags[name].label for name in trained}, 3, 3, "class_weighted", 1)
        state = AdamState.at_start(weights_of(self.network))
        rows = []
        for step in recorded_steps(self.network, plan, BatchSource(self.bags, self.pixels), OPTIMIZER, state):
            rows.append(step.rows())
            if step.step in (2, 5, 6):
                write_anchor(folder, step.anchor(self.network))
        self.trajectory = Trajectory(folder, pd.concat(rows, ignore_index=True), 5, OPTIMIZER)
        self.photos = list(bags_of_photos([self.bags[f"v{v}"] for v in range(6)]))
        self.queries = [self.bags[name].only(self.bags[name].photo_ids[-1]) for name in ("v6", "v7")]

    def trace(
        self, formulas: tuple[FormulaName, ...] = NAMES, per_batch: int = 4, counting: Counting = "checkpoints"
    ) -> dict[FormulaName, np.ndarray]:
        coverage = cover_unit("single", self.network, collate(self.photos[:3], self.pixels))
        settings = TraceSettings(photos_per_batch=per_batch, counting=counting)
        values = tuple(FORMULAS[name] for name in formulas)
        request = Request(tuple(self.photos), self.queries, self.pixels, values, settings, coverage)
        return trace(TrainedNetwork(self.network, self.trajectory), request).by_formula


@pytest.fixture
def story(tmp_path: Path) -> _Story:
    return _Story(tmp_path)


def test_scores_equal_the_loop(story: _Story) -> None:
    fast = story.trace()
    by_loop = influence_scores.scores_by_formula(
        story.network, story.trajectory, story.photos, story.queries, story.pixels
    )
    for formula in NAMES:
        slow = by_loop[formula]
        assert np.abs(slow).max() > 1e-6, "all scores vanish: the comparison would prove nothing"
        assert np.abs(fast[formula] - slow).max() / np.abs(slow).max() < 1e-10


def test_a_photo_never_drawn_scores_exactly_zero(story: _Story) -> None:
    undrawn = [z for z, bag in enumerate(story.photos) if bag.visit_id == "v5"]
    drawn = [z for z, bag in enumerate(story.photos) if bag.visit_id != "v5"]
    for scores in story.trace().values():
        assert (scores[:, undrawn] == 0).all()
        assert (scores[:, drawn] != 0).any()


def test_counted_evenly_it_does_not_matter_who_was_drawn(story: _Story) -> None:
    even = story.trace(counting="even")
    steps = story.trajectory.steps
    other = {f"v{v}": f"v{(v + 3) % 6}" for v in range(6)}
    story.trajectory = replace(story.trajectory, steps=steps.assign(visit_id=steps["visit_id"].map(other)))
    for formula, scores in story.trace(counting="even").items():
        np.testing.assert_allclose(scores, even[formula], rtol=1e-12)
        assert (scores != 0).all(), "photos of the visit that was never drawn count as well"
        assert np.abs(story.trace((formula,))[formula] - scores).max() > 1e-3 * np.abs(scores).max()


def test_counted_evenly_is_counted_where_all_were_drawn_equally_often(story: _Story) -> None:
    each_once = pd.DataFrame({"step": np.repeat(range(1, 7), 6), "visit_id": [f"v{v}" for v in range(6)] * 6})
    story.trajectory = replace(story.trajectory, steps=each_once.assign(lr=0.01 / each_once["step"]))
    even = story.trace(counting="even")
    for formula, scores in story.trace().items():
        np.testing.assert_allclose(scores, even[formula], rtol=1e-12)


def test_batches_and_formulas_traced_together_change_nothing(story: _Story) -> None:
    together = story.trace(per_batch=7)
    for formula in NAMES:
        alone = story.trace((formula,), per_batch=1)[formula]
        np.testing.assert_allclose(together[formula], alone, rtol=1e-9, atol=1e-14)


def test_steps_after_the_kept_one_do_not_count(story: _Story) -> None:
    before = story.trace()["adam"]
    story.trajectory = replace(story.trajectory, kept_step=6)
    assert np.abs(story.trace()["adam"] - before).max() > 1e-9


def test_poison_harms_and_a_copy_in_the_querys_class_helps(tmp_path: Path) -> None:
    """The sign test: the query's own photo trained under the wrong label and under the right one.

    The third class is made impossible (its bias is -30): with three possible classes a photo under a wrong label can
    help its copy, both pushing away from the third.
    """
    story = _Story(tmp_path, impossible_class=0)
    query = next(bag for bag in story.queries if bag.label != 0)
    story.queries = [query]
    poison = replace(query, visit_id="v0", label=3 - query.label, photo_ids=("poison",))
    copy = replace(query, visit_id="v1", photo_ids=("copy",))
    story.photos = [*story.photos, poison, copy]
    both_drawn = pd.DataFrame({"step": np.repeat(range(1, 7), 2), "visit_id": ["v0", "v1"] * 6, "lr": 0.01})
    story.trajectory = replace(story.trajectory, steps=both_drawn)
    for formula in ("sgd", "adam", "cosine"):
        scores = story.trace((formula,))[formula][0]
        assert scores[-2] < 0 < scores[-1]
        if formula == "cosine":
            assert scores[-1] == scores.max()
            assert scores[-2] == scores.min()


def test_scores_foretell_what_a_small_step_on_each_photo_does(story: _Story) -> None:
    anchor = story.trajectory.read(5, torch.device("cpu"))
    drawn = [bag for bag in story.photos if bag.visit_id in {f"v{v}" for v in range(5)}]
    once = pd.DataFrame({"step": [5] * 5, "visit_id": [f"v{v}" for v in range(5)], "lr": 1e-6})
    story.trajectory = replace(story.trajectory, steps=once)
    story.photos = drawn
    scores = story.trace(("sgd",))["sgd"][0]
    story.network.load_state_dict(anchor.weights | anchor.buffers, strict=False)
    before = _loss(story, story.queries[0])
    for photo, score in zip(drawn, scores, strict=True):
        gradient = influence_scores.gradient_of(story.network, photo, story.pixels)
        story.network.load_state_dict({n: w - 1e-6 / 5 * gradient[n] for n, w in anchor.weights.items()}, strict=False)
        assert before - _loss(story, story.queries[0]) == pytest.approx(score, rel=1e-3, abs=1e-12)
        story.network.load_state_dict(anchor.weights, strict=False)


def _loss(story: _Story, bag: Bag) -> float:
    batch = collate([bag], story.pixels)
    logits = story.network(batch.photos_BNCHW.double(), batch.is_photo_BN).logits_BC
    return float(torch.nn.functional.cross_entropy(logits, batch.label_B).detach())


def test_a_run_without_anchors_is_refused(story: _Story) -> None:
    story.trajectory = replace(story.trajectory, kept_step=1)
    with pytest.raises(TraceError, match="no anchor up to its kept step 1"):
        story.trace()


def test_self_influence_is_the_trace_of_a_visit_on_itself(story: _Story) -> None:
    visits = {f"v{v}": [bag for bag in story.photos if bag.visit_id == f"v{v}"] for v in range(6)}
    trained = TrainedNetwork(story.network, story.trajectory)
    by_loop = {
        visit_id: influence_scores.scores_by_formula(story.network, story.trajectory, photos, photos, story.pixels)
        for visit_id, photos in visits.items()
    }
    for formula in ("adam", "sgd", "paper"):
        matrices = self_influence(trained, visits, story.pixels, FORMULAS[formula])
        for visit_id, slow in by_loop.items():
            np.testing.assert_allclose(matrices[visit_id], slow[formula], rtol=1e-8, atol=1e-12)
        assert (matrices["v5"] == 0).all()
        if formula != "paper":
            assert all((np.diagonal(matrix) >= 0).all() for matrix in matrices.values())


def test_self_influence_by_cosine_is_refused(story: _Story) -> None:
    with pytest.raises(TraceError, match="the same for every photo"):
        self_influence(TrainedNetwork(story.network, story.trajectory), {}, story.pixels, FORMULAS["cosine"])


def test_the_network_reads_every_parameter(story: _Story) -> None:
    network: BagNetwork = story.network
    coverage = cover_photos(network, story.photos, story.pixels)
    assert sum(coverage.numel_by_rule.values()) == sum(weight.numel() for weight in network.parameters())
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("formulas", [("sgd",), NAMES])
def test_directions_are_made_once_a_block_not_once_a_batch(
    story: _Story, monkeypatch: pytest.MonkeyPatch, formulas: tuple[FormulaName, ...]
) -> None:
    made: list[torch.Tensor] = []  # held, so that no memory is handed out twice
    own: list[torch.Tensor] = []

    def products(network: object, batch: object, coverage: object, directions: dict, *rest: object) -> object:
        made.append(next(iter(directions.values())))
        return unit_products(network, batch, coverage, directions, *rest)  # type: ignore[arg-type]

    def seen(formula: Formula, point: object, query_QW: object) -> dict:
        found = direction(formula, point, query_QW)  # type: ignore[arg-type]
        own.append(next(iter(found.values())))
        return found  # type: ignore[return-value]

    monkeypatch.setattr("grasp_psonet.influence.tracing.scores.unit_products", products)
    monkeypatch.setattr("grasp_psonet.influence.tracing.directions.direction", seen)
    story.trace(formulas, per_batch=2)
    num_anchors = len(story.trajectory.windows())
    assert len(made) > 3 * num_anchors
    assert len({tensor.data_ptr() for tensor in made}) == num_anchors
    if len(formulas) == 1:
        assert {tensor.data_ptr() for tensor in made} == {tensor.data_ptr() for tensor in own}, "a copy was made"
