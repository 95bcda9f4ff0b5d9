"""Networks built in ways that few are: exact against the plain loop, or refused by name."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import grasp_psonet
from grasp_psonet.errors import TraceError
from tests.foreign_run import QUERIES, TRAINING, Pooling, train
from tests.reference.foreign_scores import PHOTOS, Law, counted, minus_derivative

pytestmark = pytest.mark.long


class LogitScale(Pooling):
    """A parameter without dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        return super().forward(photos, mask) * self.logit_scale.exp()


class TwoNames(Pooling):
    """One module under two names, run under both."""

    def __init__(self) -> None:
        super().__init__()
        self.again = self.inner

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        weight = self.scorer(self.inner(photos)).squeeze(-1).masked_fill(~mask, -torch.inf).softmax(1)
        return self.out(torch.einsum("bn,bnd->bd", weight, self.again(photos)))


class Transformer(Pooling):
    """Its shortcut in evaluation mode makes nested tensors of masked bags."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1).double()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        return super().forward(self.encoder(photos, src_key_padding_mask=~mask), mask)


class InstancesFirst(Pooling):
    """Attention over photos in the layout that torch has by default."""

    def __init__(self) -> None:
        super().__init__()
        self.mixing = nn.MultiheadAttention(6, 2).double()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        photos_NB = photos.transpose(0, 1)
        mixed_NB = photos_NB + self.mixing(photos_NB, photos_NB, photos_NB, key_padding_mask=~mask)[0]
        return super().forward(mixed_NB.transpose(0, 1), mask)


class Checkpointed(Pooling):
    """Activations that are computed again."""

    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Linear(6, 6).double()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        return super().forward(checkpoint(self.below, photos, use_reentrant=False), mask)


class Bent(Pooling):
    """A layer without a second derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.inner[1] = nn.Hardsigmoid()


class Normalised(Pooling):
    """A weight that torch computes from two parameters and keeps on the module."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.inner[0] = nn.utils.weight_norm(self.inner[0])


SMOOTH = {"betas": (0.8, 0.9), "eps": 2e-2, "weight_decay": 0.1}


def seeded(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind()


@pytest.mark.parametrize("kind", [LogitScale, TwoNames, Transformer, InstancesFirst, Checkpointed, Bent])
def test_scores_equal_the_loop(tmp_path: Path, kind: type[nn.Module]) -> None:
    network = seeded(kind)
    trajectory, _ = train(network, tmp_path)
    before = {name: (id(weight), weight.clone()) for name, weight in network.named_parameters()}
    for unit, formula in (("single", "cosine"), ("visit", "adam")):
        wanted = counted(seeded(kind), Law(), unit, (formula,), "checkpoints")[formula]
        table = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, unit=unit, formula=formula)  # type: ignore[arg-type]
        found = table["score"].to_numpy().reshape(len(QUERIES), -1)
        assert np.abs(wanted).max() > 1e-4
        assert np.abs(found - wanted).max() < 1e-9 * np.abs(wanted).max()
        assert table.attrs["caveats"] == []
    assert torch.backends.mha.get_fastpath_enabled()
    for name, weight in network.named_parameters():
        assert (id(weight), True) == (before[name][0], torch.equal(weight, before[name][1]))


@pytest.mark.parametrize("kind", [LogitScale, TwoNames, InstancesFirst])
def test_unrolled_is_minus_the_derivative(tmp_path: Path, kind: type[nn.Module]) -> None:
    network = seeded(kind)
    trajectory, _ = train(network, tmp_path, **SMOOTH)
    table = grasp_psonet.trace(
        network, trajectory, TRAINING, QUERIES, unit="visit", formula="unrolled", counting="steps"
    )
    found = table["score"].to_numpy().reshape(len(QUERIES), -1)
    truth = minus_derivative(seeded(kind), Law(settings=SMOOTH), "visit", 3, 2, QUERIES[1], False)
    assert abs(truth) > 1e-3
    assert abs(found[1, PHOTOS.index((3, 2))] - truth) < 1e-6 * abs(truth)


def test_what_cannot_be_differentiated_twice_is_refused_in_unrolled_alone(tmp_path: Path) -> None:
    network = seeded(Bent)
    trajectory, _ = train(network, tmp_path)
    asked = {"unit": "visit", "formula": "unrolled", "counting": "steps"}
    with pytest.raises(
        TraceError, match=r"^formula unrolled with curvature exact .* Bent does not give: .*\n  next: curv"
    ):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **asked)  # type: ignore[arg-type]
    table = grasp_psonet.trace(network, trajectory, TRAINING, QUERIES, **asked, curvature="fisher")  # type: ignore[arg-type]
    assert table["score"].abs().max() > 1e-4


def test_a_network_that_cannot_be_copied_is_refused_by_name(tmp_path: Path) -> None:
    network = seeded(Normalised)
    trajectory, _ = train(network, tmp_path)
    with pytest.raises(
        TraceError, match=r"^Normalised cannot be copied, for inner\.0 keeps .*\n  next: torch\.nn\.utils\.param"
    ):
        grasp_psonet.trace(network, trajectory, TRAINING, QUERIES)
