"""Coordinates in which no draw has a gradient: their second moment is 0, so that ``adam`` and ``cosine`` leave them out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import grasp_psonet
from tests.foreign_run import TRAINING, Pooling, train

LEAST = 5.0  # no photo of a drawn bag shows as much


class Dead(Pooling):
    """A unit behind a ReLU that lives for no photo of training."""

    def __init__(self) -> None:
        super().__init__()
        self.rare = nn.Linear(1, 5).double()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        features = self.inner(photos) + self.rare(photos[..., :1]) * (photos[..., :1] > LEAST)
        weight = self.scorer(features).squeeze(-1).masked_fill(~mask, -torch.inf).softmax(1)
        return self.out(torch.einsum("bn,bnd->bd", weight, features))


@pytest.mark.parametrize("formula", ["adam", "cosine"])
def test_they_have_no_part_in_a_score(tmp_path: Path, formula: str) -> None:
    torch.manual_seed(0)
    network = Dead()
    trajectory, _ = train(network, tmp_path, weight_decay=0.0)
    alive = (torch.full((2, 6), 2 * LEAST, dtype=torch.float64), 1)
    training = [*TRAINING[:5], alive]  # counting even asks bags that were never drawn, too
    others = [name for name, _ in network.named_parameters() if not name.startswith(("rare", "unused"))]
    scores = {}
    for asked in (formula, "sgd"):
        for names in ("all", others):
            table = grasp_psonet.trace(
                network, trajectory, training, [alive], formula=asked, unit="visit", counting="even", parameters=names
            )
            scores[asked, names == "all"] = table["score"].to_numpy()
    np.testing.assert_allclose(scores[formula, True], scores[formula, False], rtol=1e-9)
    assert np.abs(scores[formula, True]).max() > 1e-3
    assert np.abs(scores["sgd", True] - scores["sgd", False])[-2:].min() > 1e-3, "nobody lives there: nothing is shown"
