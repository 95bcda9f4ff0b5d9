"""Random projections of layer gradients: against whole gradients times the same matrices, and what is said of their scores."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import grasp_psonet
from grasp_psonet.errors import SettingsError
from grasp_psonet.influence.choices import Counting, UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.gradients.exact_products import Examples, exact_products
from grasp_psonet.influence.gradients.products import UnprovenWayError, products
from grasp_psonet.influence.gradients.projection import Projection
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.projected import spearman
from grasp_psonet.influence.tracing.trace import Traced, trace
from tests.foreign_run import QUERIES, TRAINING, Pooling, train
from tests.influence.test_products import case, gap
from tests.reference import photo_gradients, projected
from tests.tiny_run import ANCHORS, TinyRun

SEED = 5
FORMULAS: tuple[FormulaName, ...] = ("sgd", "cosine")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("run"))


def projecting(num_kept: int | None, **changes: Any) -> TraceSettings:
    given = {"formula": "adam", "errors": "kept", "query": "visit", "pairs": "all", "projection": num_kept} | changes
    return TraceSettings(**given)


@pytest.mark.parametrize(("name", "num_kept"), [("convnext", 37), ("vit", 64), ("exotic", 6), ("convolutions", 20)])
def test_products_are_those_of_whole_gradients_times_the_matrices(name: str, num_kept: int) -> None:
    c, projection = case(name), Projection(num_kept, SEED)
    shapes = {n: p.shape for n, p in c.network.named_parameters()}
    assert any(shape.numel() > num_kept for shape in shapes.values()), "nothing would be projected"
    matrices = [projected.matrix(SEED, n, shapes[n], projection.kept_of(shapes[n])) for n in c.names]
    assert all(len(m) <= max(num_kept, 1) or len(m) == m.shape[1] for m in matrices)
    slow = photo_gradients.gradient_of_each(c.network, c.losses(), c.names)
    wanted = projected.dots(slow, [c.directions[n] for n in c.names], matrices)
    coverage = replace(c.coverage(), projection=projection)
    directions = projection.of_all(c.directions)
    alone = products(c.network, c.losses(), coverage, directions)
    beside = products(c.network, c.losses(), coverage, directions, c.preconditioners)
    assert gap(alone.dot_BQ, wanted) < 1e-10
    assert gap(beside.dot_BQ, wanted) < 1e-10
    squares = photo_gradients.grams(slow, [c.preconditioners[n] for n in c.names]).diagonal(dim1=1, dim2=2).T
    assert gap(beside.squared_BM, squares) < 1e-10, "lengths are those of whole gradients"
    assert gap(wanted, photo_gradients.dots(slow, [c.directions[n] for n in c.names])) > 1e-2, "nothing was projected"


def test_examples_by_autograd_are_projected_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    c, projection = case("vit"), Projection(64, SEED)
    coverage, directions = replace(c.coverage(), projection=projection), projection.of_all(c.directions)
    examples = Examples(3, c.losses(), lambda b: c.losses(slice(b, b + 1)))
    by_rule = exact_products(c.network, examples, coverage, directions, c.preconditioners)  # proves a sample on the way

    def no_way(*_: object, **__: object) -> None:
        raise UnprovenWayError("as if only some examples passed a layer")

    monkeypatch.setattr("grasp_psonet.influence.gradients.exact_products.products", no_way)
    one_by_one = exact_products(c.network, examples, coverage, directions, c.preconditioners)
    assert gap(one_by_one.dot_BQ, by_rule.dot_BQ) < 1e-10
    assert gap(one_by_one.squared_BM, by_rule.squared_BM) < 1e-10


def test_products_are_right_on_average() -> None:
    """The mean over seeds comes as near as its spread says: projected products are not biased."""
    shape, name = torch.Size([12, 10, 3, 3]), "kernel"
    one, two = torch.randn(2, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    two += one
    found = []
    for seed in range(400):
        projection = Projection(64, seed)
        found.append(float((projection.of_rows(name, shape, one) * projection.of_rows(name, shape, two)).sum()))
    error = (np.mean(found) - float((one * two).sum())) / (np.std(found) / 20)
    assert np.std(found) > 0
    assert abs(error) < 3


def test_kept_numbers_are_no_more_than_asked_and_small_parameters_stay_whole() -> None:
    projection = Projection(4096)
    assert projection.kept_of(torch.Size([768, 3072])) == (64, 64)
    assert projection.kept_of(torch.Size([1, 197, 384])) == (64, 64)
    assert projection.kept_of(torch.Size([16, 3, 16, 16])) == (16, 256)
    assert projection.kept_of(torch.Size([8, 5])) == (8, 5)
    assert projection.kept_of(torch.Size([])) == (1, 1)
    for num_kept in (1, 2, 3, 7, 50):
        for shape in ((9,), (2, 40), (300, 2), (1, 1, 70), (17, 19)):
            assert 1 <= Projection(num_kept).numel_of(torch.Size(shape)) <= num_kept


@pytest.mark.parametrize(("counting", "unit"), [("even", "single"), ("checkpoints", "share"), ("steps", "visit")])
def test_what_is_kept_whole_is_scored_exactly(run: TinyRun, counting: Counting, unit: UnitName) -> None:
    exact = run.trace(projecting(None, counting=counting, unit=unit), FORMULAS)
    whole = run.trace(projecting(10**6, counting=counting, unit=unit), FORMULAS)
    for formula in FORMULAS:
        size = np.abs(exact.by_formula[formula]).max()
        assert size > 0
        np.testing.assert_allclose(whole.by_formula[formula], exact.by_formula[formula], rtol=0, atol=1e-5 * size)
    assert all("is 1.000 (mean of 2 queries, lowest 1.000" in note for note in whole.caveats)


def correlations(found: Traced, exact: Traced, formula: FormulaName) -> list[float]:
    pairs = zip(found.by_formula[formula], exact.by_formula[formula], strict=True)
    return [spearman(ours_Z, exact_Z) for ours_Z, exact_Z in pairs]


def test_the_rank_correlation_to_exact_scores_is_told(run: TinyRun) -> None:
    exact, found = run.trace(projecting(None), FORMULAS), run.trace(projecting(40), FORMULAS)
    assert len(found.caveats) == len(FORMULAS)
    for formula, note in zip(FORMULAS, found.caveats, strict=True):
        told = correlations(found, exact, formula)
        assert 0.1 < np.mean(told) < 0.999
        assert f"formula {formula}: " in note
        assert "at most 40 numbers of each parameter" in note
        assert f"is {np.mean(told):.3f} (mean of 2 queries, lowest {min(told):.3f}" in note
    again = run.trace(projecting(40), FORMULAS)
    other = run.trace(projecting(40, projection_seed=1), FORMULAS)
    np.testing.assert_array_equal(again.by_formula["sgd"], found.by_formula["sgd"])
    assert np.abs(other.by_formula["sgd"] - found.by_formula["sgd"]).max() > 0


def test_queries_of_each_anchor_and_little_memory(run: TinyRun) -> None:
    v6, v7 = run.bags["v6"], run.bags["v7"]
    queries = {ANCHORS[0]: [v6], ANCHORS[-1]: [v7, v6]}
    settings = projecting(200, errors="each_anchor")
    request = run.request(settings, FORMULAS, queries=queries)
    found = trace(run.trained(), request)
    exact = trace(run.trained(), run.request(replace(settings, projection=None), FORMULAS, queries=queries))
    assert f"is {np.mean(correlations(found, exact, 'sgd')):.3f} (mean of 2" in found.caveats[0]

    class Little(type(request)):  # type: ignore[misc]
        _memory_bytes = 1  # a block for each query, on both sides of the projection

    little = trace(run.trained(), Little(**{name: getattr(request, name) for name in request.__dataclass_fields__}))
    np.testing.assert_allclose(little.by_formula["sgd"], found.by_formula["sgd"], rtol=1e-5, atol=1e-9)


def test_the_correlation_is_that_of_ranks() -> None:
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 8.0, 27.0, 900.0])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 3.0, 1.0, 0.0])) == pytest.approx(-0.9487, abs=1e-4)
    assert spearman(np.array([1.0, 2.0]), np.zeros(2)) == 0


def test_few_photos_are_said_to_tell_nothing(run: TinyRun) -> None:
    settings = projecting(40)
    found = trace(run.trained(), run.request(settings, ("sgd",), visits=[run.bags["v1"]]))
    assert "too few to measure" in found.caveats[0]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"formula": "unrolled", "counting": "steps"}, "formula unrolled: derivatives are carried back whole"),
        ({"unit": "edit"}, "unit edit: it differentiates along each direction"),
        ({"sum_queries": True}, "sum_queries True: one direction"),
        ({"pairs": "top"}, "pairs top: one direction"),
        ({"projection": 0}, "wanted: at least 1 number"),
    ],
)
def test_where_nothing_can_be_projected_or_won(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        projecting(**{"num_kept": changes.pop("projection", 64), **changes})


def test_from_python(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Pooling()
    trajectory = train(network, tmp_path)[0]
    table = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, projection=8, projection_seed=3)
    exact = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES)
    shape = (len(QUERIES), -1)
    pairs = zip(table["score"].to_numpy().reshape(shape), exact["score"].to_numpy().reshape(shape), strict=True)
    told = [spearman(*pair) for pair in pairs]
    assert any(f"is {np.mean(told):.3f} (mean of {len(QUERIES)}" in note for note in table.attrs["caveats"])
    assert not any("projected" in note for note in exact.attrs["caveats"])
