"""A loss of the caller's own: scores are the derivative of the training that followed it, and of the queries' same loss."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import grasp_psonet
from grasp_psonet.errors import TraceError
from tests.foreign_run import TRAINING, Pooling, train

CLASS_WEIGHTS = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
LossOfBags = Callable[[Tensor, Tensor], Tensor]


def weighted(outputs: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, labels, reduction="none") * CLASS_WEIGHTS[labels]


def smoothed(outputs: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, labels, reduction="none", label_smoothing=0.2)


def squared(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs.squeeze(-1) - labels) ** 2


def ordinal(outputs: Tensor, labels: Tensor) -> Tensor:
    above = (labels[:, None] > torch.arange(2)).double()
    return functional.binary_cross_entropy_with_logits(outputs, above, reduction="none").sum(1)


class Narrow(Pooling):
    """The same with so many outputs."""

    def __init__(self, num_outputs: int, is_flat: bool = False) -> None:
        super().__init__()
        self.out, self.is_flat = nn.Linear(5, num_outputs).double(), is_flat

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        outputs = super().forward(photos, mask)
        return outputs.squeeze(1) if self.is_flat else outputs


CASES: dict[str, tuple[Callable[[], nn.Module], LossOfBags]] = {
    "weighted": (Pooling, weighted),
    "smoothed": (Pooling, smoothed),
    "squared, one column": (lambda: Narrow(1), squared),
    "squared, one number": (lambda: Narrow(1, is_flat=True), squared),
    "ordinal": (lambda: Narrow(2), ordinal),
}


def mean_of(loss: LossOfBags, scale: dict[int, float]) -> Any:
    """The loss of a step: the mean over its draws, each bag's times its scale (1)."""
    place = {id(photos): b for b, (photos, _) in enumerate(TRAINING)}

    def of_bags(network: nn.Module, bags: Sequence[tuple[Tensor, float]]) -> Tensor:
        longest = max(len(photos) for photos, _ in bags)
        photos = torch.stack([functional.pad(p, (0, 0, 0, longest - len(p))) for p, _ in bags])
        mask = torch.stack([torch.arange(longest) < len(p) for p, _ in bags])
        factor = torch.tensor([scale.get(place.get(id(p), -1), 1.0) for p, _ in bags], dtype=torch.float64)
        return (loss(network(photos, mask), torch.tensor([label for _, label in bags])) * factor).mean()

    return of_bags


@pytest.mark.parametrize("case", CASES)
def test_unrolled_scores_are_the_derivative_of_the_training(tmp_path: Path, case: str) -> None:
    make, loss = CASES[case]
    torch.manual_seed(3)
    network, query = make(), TRAINING[5]

    def query_loss(scale: dict[int, float], name: str) -> float:
        trained = copy.deepcopy(network)
        train(trained, tmp_path / name, loss=mean_of(loss, scale), eps=1e-3)
        return float(mean_of(loss, {})(trained, [query]).detach())

    trained = copy.deepcopy(network)
    trajectory, _ = train(trained, tmp_path / "whole", loss=mean_of(loss, {}), eps=1e-3)
    asked: Any = {"formula": "unrolled", "counting": "steps", "unit": "visit", "replay_tolerance": 1e-10}
    found = grasp_psonet.trace(trained, trajectory, TRAINING, [query], loss=loss, **asked)
    score = found.groupby("visit_id")["score"].first()
    h = 1e-4
    for bag in (2, 4):
        up, down = (query_loss({bag: 1 + sign * h}, f"{bag}{sign}") for sign in (1, -1))
        truth = -(up - down) / (2 * h)
        assert abs(truth) > 1e-5, "the score vanishes: the comparison would prove nothing"
        assert abs(score[str(bag)] / truth - 1) < 1e-5
    assert found.attrs["caveats"] == []


@pytest.mark.parametrize("case", CASES)
def test_step_1_verifies_the_loss_that_is_told(tmp_path: Path, case: str) -> None:
    make, loss = CASES[case]
    torch.manual_seed(3)
    network = make()
    trajectory, _ = train(network, tmp_path / "run", loss=mean_of(loss, {}))
    told = grasp_psonet.trace(network, trajectory, TRAINING, TRAINING[:2], loss=loss)
    assert told.attrs["caveats"] == []
    assert np.abs(told["score"]).max() > 0

    def tripled(outputs: Tensor, labels: Tensor) -> Tensor:
        return 3 * loss(outputs, labels)

    other = grasp_psonet.trace(network, trajectory, TRAINING, TRAINING[:2], loss=tripled)
    assert "training followed another loss" in other.attrs["caveats"][0]


def test_labels_may_be_numbers_where_the_loss_says_so(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = Narrow(1)
    trajectory, _ = train(network, tmp_path / "run", loss=mean_of(squared, {}))
    bags = [(photos, 0.5 + label) for photos, label in TRAINING]
    scores = grasp_psonet.trace(network, trajectory, bags, bags[:1], loss=squared)["score"]
    assert np.isfinite(scores).all()
    bad = [(photos, float("nan")) for photos, _ in TRAINING]
    with pytest.raises(TraceError, match=r"label is nan; wanted: a finite number"):
        grasp_psonet.trace(network, trajectory, bad, bags[:1], loss=squared)


def test_losses_that_are_none_of_a_bag_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = Pooling()
    trajectory, _ = train(network, tmp_path / "run")

    def mean(outputs: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, labels)

    def weighted_mean(outputs: Tensor, labels: Tensor) -> Tensor:
        weight = CLASS_WEIGHTS[labels]
        return weighted(outputs, labels) / weight.mean()

    with pytest.raises(TraceError, match=r"the loss returned \(\) for 4 bags[\s\S]*reduction='none'"):
        grasp_psonet.trace(network, trajectory, TRAINING, TRAINING[:1], loss=mean)
    with pytest.raises(TraceError, match="depends on the bags beside it"):
        grasp_psonet.trace(network, trajectory, TRAINING, TRAINING[:1], loss=weighted_mean)
