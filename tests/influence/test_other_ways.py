"""Networks that lead some photos or bags elsewhere than those on which the rules were proven, against plain loops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import grasp_psonet
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.coverage import cover
from grasp_psonet.influence.gradients.exact_products import Examples, exact_products
from grasp_psonet.influence.gradients.products import UnprovenWayError, products
from tests.foreign_run import QUERIES, TRAINING, WithParts, train
from tests.long_forms import by_day
from tests.reference.foreign_scores import PHOTOS, Law, counted, minus_derivative

pytestmark = pytest.mark.long

RARE = 0.75  # none of the photos of the first two bags, which serve for proofs, shows as much
FORMULAS = ("sgd", "adam", "cosine")


class OtherWays(WithParts):
    """Every parameter has a gradient in every step of training, 0 where a way is not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(5, 5).double()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        logits = self.read(photos, mask)
        return logits + 0 * sum(weight.sum() for weight in self.parameters()) if self.training else logits

    def read(self, photos: Tensor, mask: Tensor) -> Tensor:
        return super().forward(photos, mask)


class LargeBags(OtherWays):
    """A layer that only bags of three or more photos pass."""

    def read(self, photos: Tensor, mask: Tensor) -> Tensor:
        features, is_large_B = self.inner(photos), mask.sum(1) >= 3
        if is_large_B.any():
            features = features + is_large_B[:, None, None] * self.more(features)
        weight = self.attention(features.flatten(0, 1)).view(mask.shape).masked_fill(~mask, -torch.inf).softmax(1)
        return self.head(torch.einsum("bn,bnd->bd", weight, features))

    def more(self, features: Tensor) -> Tensor:
        return self.wide(features).tanh()


class BorrowedByLargeBags(LargeBags):
    """The same, with the layer's weight taken from outside it."""

    def more(self, features: Tensor) -> Tensor:
        return functional.linear(features, self.wide.weight).tanh()


class ByKind(OtherWays):
    """Experts by what a photo shows; most photos of the first bags go one way."""

    def features(self, photos: Tensor) -> Tensor:
        is_rare = photos[..., 4] > RARE
        features = self.inner(photos)
        if is_rare.any():
            features = features.index_put((is_rare,), features[is_rare] + self.wide(features[is_rare]).tanh())
        return features


class TopOne(OtherWays):
    """A mixture of experts: each of three tokens of a photo passes the expert that its gate names, times the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(2, 3).double()
        self.experts = nn.ModuleList([nn.Linear(2, 2).double() for _ in range(3)])

    def features(self, photos: Tensor) -> Tensor:
        tokens = photos.unflatten(-1, (3, 2))
        share, expert = self.gate(tokens).softmax(-1).max(-1)
        mixed = torch.zeros_like(tokens)
        for e, layer in enumerate(self.experts):
            if (expert == e).any():
                mixed = mixed.index_put((expert == e,), share[expert == e][:, None] * layer(tokens[expert == e]))
        return self.inner(photos + mixed.flatten(-2)) + 0.1 * self.wide(self.inner(photos)).tanh()


def seeded(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind()


CASES = [
    (LargeBags, "visit"),
    (BorrowedByLargeBags, "visit"),
    *((ByKind, unit) for unit in ("single", "visit", "share")),
    *((TopOne, unit) for unit in ("single", "visit")),
]
EVERY = [(kind, unit, counting) for kind, unit in CASES for counting in ("checkpoints", "steps")]
SHORT = [
    (LargeBags, "visit", "steps"),
    (BorrowedByLargeBags, "visit", "checkpoints"),
    (ByKind, "single", "steps"),
    (ByKind, "share", "checkpoints"),
    (TopOne, "visit", "checkpoints"),
]


@pytest.mark.parametrize(("kind", "unit", "counting"), by_day(SHORT, EVERY))
def test_scores_equal_the_loop(tmp_path: Path, kind: type[nn.Module], unit: str, counting: str) -> None:
    network = seeded(kind)
    trajectory, _ = train(network, tmp_path)
    wanted = counted(seeded(kind), Law(), unit, FORMULAS, counting)
    for formula in FORMULAS:
        asked = {"formula": formula, "unit": unit, "counting": counting, "photos_per_batch": 7}
        table = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **asked, replay_tolerance=1e-12)
        found = table["score"].to_numpy().reshape(len(QUERIES), -1)
        assert np.abs(wanted[formula]).max() > 1e-4
        assert np.abs(found - wanted[formula]).max() < 1e-9 * np.abs(wanted[formula]).max()
        assert "one by one" in table.attrs["coverage"]


def test_unrolled_goes_the_ways_of_training(tmp_path: Path) -> None:
    network = seeded(LargeBags)
    smooth = {"betas": (0.8, 0.9), "eps": 2e-2, "weight_decay": 0.1}
    trajectory, _ = train(network, tmp_path, **smooth)
    asked = {"formula": "unrolled", "unit": "visit", "counting": "steps", "replay_tolerance": 1e-12}
    table = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **asked)
    found = table["score"].to_numpy().reshape(len(QUERIES), -1)
    for b, n in ((1, 0), (3, 2), (4, 0)):
        truth = minus_derivative(seeded(LargeBags), Law(settings=smooth), "visit", b, n, QUERIES[1], False)
        assert abs(found[1, PHOTOS.index((b, n))] - truth) < 1e-6 * abs(truth)


def test_experts_that_the_proof_cannot_tell_apart_are_refused_by_name(tmp_path: Path) -> None:
    network = seeded(TopOne)
    trajectory, _ = train(network, tmp_path)
    with pytest.raises(TraceError, match=r"^no exact per-example gradient for experts\.\d"):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, unit="share")


def test_a_second_use_that_no_module_tells_is_found_in_a_sample(tmp_path: Path) -> None:
    class Again(LargeBags):
        def more(self, features: Tensor) -> Tensor:
            return functional.linear(features, self.inner[0].weight[:, :5]).tanh()

    network = seeded(Again)
    trajectory, _ = train(network, tmp_path)
    with pytest.raises(
        TraceError, match=r"^the gradient of a training photo is not autograd's .* Again uses a parameter"
    ):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, unit="visit", formula="adam")


def test_a_layer_that_was_dead_in_the_proof_is_compared_when_it_lives() -> None:
    """Its rule is right, so that it stays; what is used from outside its module besides is seen."""

    class Late(nn.Module):
        def __init__(self, borrows: bool) -> None:
            super().__init__()
            self.first, self.last, self.borrows = nn.Linear(4, 3).double(), nn.Linear(3, 2).double(), borrows

        def forward(self, x: Tensor) -> Tensor:
            below = self.first(x)
            if self.borrows:
                below = below + functional.linear(x, self.first.weight)
            return self.last(below.relu())

    x = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for borrows in (False, True):
        torch.manual_seed(0)
        network = Late(borrows)

        def losses(module: nn.Module) -> Tensor:
            return functional.cross_entropy(module(x), torch.zeros(6, dtype=torch.long), reduction="none")

        nn.init.constant_(network.first.bias, -50.0)
        coverage = cover(network, losses)
        assert coverage.unproven >= {"first.weight", "first.bias"}
        nn.init.constant_(network.first.bias, 0.0)
        ones = {name: torch.ones_like(weight)[None] for name, weight in network.named_parameters()}
        if borrows:
            with pytest.raises(UnprovenWayError, match=r"^parameter first\.weight has a gradient"):
                products(network, losses, coverage, ones)
        else:
            found = products(network, losses, coverage, ones).dot_BQ[:, 0]
            truth = [
                sum(
                    gradient.sum()
                    for gradient in torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
                )
                for loss in losses(network)
            ]
            torch.testing.assert_close(found, torch.stack(truth))  # type: ignore[arg-type]
            assert found.abs().max() > 1e-2


@pytest.mark.parametrize("scale", [1.0, 1e-20, 1e-30, 1e-38, 1e-42])
@pytest.mark.parametrize("is_off", [False, True])
def test_a_network_that_fits_its_data_to_the_last_digit_is_no_fault(scale: float, is_off: bool) -> None:
    """The square of its gradient underflows in float32; a fault is still seen wherever its digits are."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 3))
    x = torch.randn(3, 9)

    def losses(module: nn.Module, scale: float = scale) -> Tensor:
        return scale * functional.cross_entropy(module(x), torch.zeros(3, dtype=torch.long), reduction="none")

    coverage = cover(network, lambda module: losses(module, 1.0))
    directions = {name: 1e4 * torch.randn(2, *weight.shape) for name, weight in network.named_parameters()}
    metrics = {name: torch.rand(1, *weight.shape) for name, weight in network.named_parameters()}
    wrong = 1.01 if is_off else 1.0
    examples = Examples(3, losses, lambda b: lambda module: wrong * losses(module)[b : b + 1])
    if is_off and scale > 1e-33:
        with pytest.raises(TraceError, match="not autograd's"):
            exact_products(network, examples, coverage, directions, metrics)
    else:
        exact_products(network, examples, coverage, directions, metrics)
