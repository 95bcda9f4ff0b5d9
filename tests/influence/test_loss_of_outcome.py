"""Training, replay and every unit take the loss of the network's outcome: here a number under squared error."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.network.loss import LOSSES
from grasp_psonet.trajectory.records import visit_weights
from tests.tiny_run import TinyRun
from tests.tiny_study import tiny_bags, tiny_network, tiny_source


class Number(Outcome):
    """A number in place of classes: one output."""

    kind: ClassVar[str] = "number"  # type: ignore[assignment]

    @property
    def num_outputs(self) -> int:
        return 1

    @property
    def output_columns(self) -> list[str]:
        return ["logit_number"]


def squared_error(output_BC: Tensor, label_B: Tensor) -> Tensor:
    return (output_BC[:, 0] - label_B) ** 2


def bags_with_numbers(num_visits: int) -> tuple[dict[str, Bag], np.ndarray]:
    bags, pixels = tiny_bags(num_visits)
    return {name: replace(bag, label=0.5 + 1.25 * bag.label) for name, bag in bags.items()}, pixels


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRun:
    monkeypatch.setitem(LOSSES, "number", lambda _: squared_error)
    make_network = partial(tiny_network, outcome=Number())
    return TinyRun.train(tmp_path, make_network=make_network, source=tiny_source(*bags_with_numbers(8)))


def gradient_of(run: TinyRun, network: torch.nn.Module, bag: Bag) -> Tensor:
    batch = collate([bag], run.pixels)
    output = network(batch.photos_BNCHW.double(), batch.is_photo_BN, batch.is_stored_BN).logits_BC
    loss = (output[0, 0] - bag.label) ** 2
    found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in found])


def by_the_loop(run: TinyRun, unit: UnitName, visits: Sequence[Bag], queries: Sequence[Bag]) -> np.ndarray:
    trained = run.trained()
    scores = np.zeros((len(queries), sum(map(len, visits))))
    for before, step in trained.windows():
        trained.load(step)
        weights = visit_weights(run.trajectory.steps, before, step, divided=True)
        for q, query in enumerate(queries):
            query_W, column = gradient_of(run, trained.network, query), 0
            for bag in visits:
                for photo_id in bag.photo_ids:
                    own = bag if unit == "visit" else bag.only(photo_id)
                    dot = float(query_W @ gradient_of(run, trained.network, own))
                    scores[q, column] += weights.get(bag.visit_id, 0.0) * dot
                    column += 1
    return scores


@pytest.mark.parametrize("unit", ["single", "visit"])
def test_scores_are_those_of_the_squared_error(run: TinyRun, unit: UnitName) -> None:
    settings = TraceSettings(formula="sgd", unit=unit, query="visit", counting="checkpoints", errors="kept")
    found = run.trace(settings).by_formula["sgd"]
    wanted = by_the_loop(run, unit, run.visits, run.queries("visit"))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max())
    assert np.abs(wanted).max() > 1e-6, "all scores vanish: the comparison would prove nothing"


def test_shares_and_edits_take_it_too(run: TinyRun) -> None:
    def scores(unit: UnitName, **changes: Any) -> np.ndarray:
        settings = TraceSettings(formula="sgd", unit=unit, query="visit", counting="steps", errors="kept", **changes)
        return run.trace(settings).by_formula["sgd"]

    alone = [z for z, n in enumerate(len(bag) for bag in run.visits for _ in range(len(bag))) if n == 1]
    assert alone, "no visit has one photo"
    # taking away the last photo of a visit takes its whole gradient
    np.testing.assert_allclose(scores("edit")[:, alone], scores("visit")[:, alone], rtol=1e-6, atol=1e-12)
    # the encoder is reached through photos alone: their shares add up to the visit
    first = np.cumsum([0, *map(len, run.visits[:-1])])
    whole = scores("visit", parameters=("encoder.*",))[:, first]
    shares = np.add.reduceat(scores("share", parameters=("encoder.*",)), first, axis=1)
    np.testing.assert_allclose(shares, whole, rtol=1e-6, atol=1e-9 * np.abs(whole).max())
    assert np.abs(whole).max() > 1e-6, "all scores vanish: the comparison would prove nothing"
