"""Identities that hold for any network and any bags, over random shapes."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import grasp_psonet
from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.units.table import UNITS, cover_unit, unit_products

LINEAR = tuple(name for name, formula in FORMULAS.items() if formula.is_loss_change_at_anchors)
AT_ANCHORS = tuple(name for name, formula in FORMULAS.items() if not formula.needs_steps)
UNIT_NAMES = tuple(UNITS)
NUM_CLASSES = 3


class Parts(nn.Module):
    """A network of random widths that offers its parts."""

    def __init__(self, num_inputs: int, num_features: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(num_inputs, num_features), nn.Tanh())
        self.attention = nn.Sequential(nn.Linear(num_features, 1), nn.Flatten(0))
        self.head = nn.Linear(num_features, NUM_CLASSES)
        self.double()

    def features(self, photos: Tensor) -> Tensor:
        return self.inner(photos)

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        features = self.features(photos.flatten(0, 1))
        weight = self.attention(features).view(mask.shape).masked_fill(~mask, -torch.inf).softmax(1)
        return self.head(torch.einsum("bn,bnd->bd", weight, features.unflatten(0, mask.shape)))


@dataclass(frozen=True)
class Shape:
    """How large a network and its bags are; the bag at the end is never drawn."""

    seed: int
    num_inputs: int
    num_features: int
    sizes: tuple[int, ...]

    def network(self) -> Parts:
        torch.manual_seed(self.seed)
        return Parts(self.num_inputs, self.num_features)

    def bags(self) -> list[tuple[Tensor, int]]:
        rng = torch.Generator().manual_seed(self.seed + 1)
        draw = lambda n: torch.randn(n, self.num_inputs, dtype=torch.float64, generator=rng)  # noqa: E731
        return [(draw(n), i % NUM_CLASSES) for i, n in enumerate(self.sizes)]

    def batch(self) -> BagBatch:
        """The bags in rows of the longest and one slot more; where a bag has three photos or more, its second is absent."""
        bags, longest = self.bags(), max(self.sizes) + 1
        photos = torch.stack([functional.pad(p, (0, 0, 0, longest - len(p))) for p, _ in bags])
        stored = torch.arange(longest) < torch.tensor(self.sizes)[:, None]
        present = stored.clone()
        present[torch.tensor(self.sizes) > 2, 1] = False
        return BagBatch(photos, present, stored, torch.tensor([label for _, label in bags]))


SHAPES = st.builds(
    Shape,
    seed=st.integers(0, 10_000),
    num_inputs=st.integers(2, 5),
    num_features=st.integers(2, 5),
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=5).map(tuple),
)
FEW = settings(max_examples=6, deadline=None, derandomize=True)


def near(found: Tensor | np.ndarray, wanted: Tensor | np.ndarray) -> bool:
    """Equal up to rounding, and not all zero."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    size = np.abs(wanted).max()
    return bool(found.shape == wanted.shape and size > 0 and np.abs(found - wanted).max() < 1e-9 * size)


def rows(batch: BagBatch, order: Tensor) -> BagBatch:
    parts = (batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.label_B)
    return BagBatch(*(part[order] for part in parts))


@FEW
@given(SHAPES)
def test_shares_and_the_rest_add_up_to_the_visit(shape: Shape) -> None:
    network, batch = shape.network(), shape.batch()
    directions = {name: torch.randn(2, *w.shape, dtype=w.dtype) for name, w in network.named_parameters()}
    share, visit = (
        unit_products(network, batch, cover_unit(unit, network, batch), directions) for unit in ("share", "visit")
    )
    visit_P = batch.is_photo_BN.nonzero()[:, 0]
    first_B = torch.tensor([visit_P.tolist().index(b) for b in range(len(shape.sizes))])
    assert share.rest_BQ is not None
    assert near(share.rest_BQ.index_add(0, visit_P, share.dot_PQ), visit.dot_PQ[first_B])


@FEW
@given(SHAPES, st.sampled_from(UNIT_NAMES))
def test_padding_order_and_split_of_a_batch_change_no_product(shape: Shape, unit: str) -> None:
    network, batch = shape.network(), shape.batch()
    directions = {name: torch.randn(2, *w.shape, dtype=w.dtype) for name, w in network.named_parameters()}
    coverage = cover_unit(unit, network, batch)  # type: ignore[arg-type]

    def dots(given: BagBatch) -> list[Tensor]:
        dot_PQ = unit_products(network, given, coverage, directions).dot_PQ
        return list(dot_PQ.split(given.is_photo_BN.sum(dim=1).tolist()))

    whole = dots(batch)
    wider = replace(
        batch,
        photos_BNCHW=functional.pad(batch.photos_BNCHW, (0, 0, 1, 2), value=9.0),
        is_photo_BN=functional.pad(batch.is_photo_BN, (1, 2)),
        is_stored_BN=functional.pad(batch.is_stored_BN, (1, 2)),
    )
    assert near(torch.cat(dots(wider)), torch.cat(whole))
    backwards = torch.arange(len(shape.sizes)).flip(0)
    assert near(torch.cat(dots(rows(batch, backwards))[::-1]), torch.cat(whole))
    mirrored = replace(
        batch,
        photos_BNCHW=batch.photos_BNCHW.flip(1),
        is_photo_BN=batch.is_photo_BN.flip(1),
        is_stored_BN=batch.is_stored_BN.flip(1),
    )
    assert near(torch.cat([dot.flip(0) for dot in dots(mirrored)]), torch.cat(whole))
    alone = [dots(rows(batch, torch.tensor([b])))[0] for b in range(len(shape.sizes))]
    assert near(torch.cat(alone), torch.cat(whole))


def recorded(shape: Shape, folder: Path) -> tuple[nn.Module, grasp_psonet.Trajectory]:
    """A network trained for four steps on random draws of all bags but the last."""
    network, bags = shape.network(), shape.bags()
    rng = np.random.default_rng(shape.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    with grasp_psonet.record(network, optimizer, folder, anchor_every=2) as recorder:
        for _ in range(4):
            drawn = [int(b) for b in rng.integers(len(bags) - 1, size=2)]
            recorder.draw(drawn)
            optimizer.zero_grad()
            logits = torch.cat([network(bags[b][0][None], torch.ones(1, len(bags[b][0])) > 0) for b in drawn])
            functional.cross_entropy(logits, torch.tensor([bags[b][1] for b in drawn])).backward()
            optimizer.step()
    return network, recorder.trajectory()


@FEW
@given(SHAPES, st.sampled_from(UNIT_NAMES), st.sampled_from(AT_ANCHORS), st.integers(1, 5))
def test_batches_and_order_change_no_score_and_a_bag_never_drawn_scores_zero(
    shape: Shape, unit: str, formula: str, photos_per_batch: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        network, trajectory = recorded(shape, Path(folder) / "recording")
        bags, queries = shape.bags(), shape.bags()[:2]

        def scores(given: list[tuple[Tensor, int]], photos_per_batch: int) -> pd.DataFrame:
            asked = {"formula": formula, "unit": unit, "photos_per_batch": photos_per_batch}
            return grasp_psonet.trace(network, trajectory, given, queries, **asked)  # type: ignore[arg-type]

        whole = scores(bags, 48)
        assert near(scores(bags, photos_per_batch)["score"], whole["score"])
        mirrored = scores([(photos.flip(0), label) for photos, label in bags], 48)
        mirrored["photo"] = mirrored["visit_id"].astype(int).map(lambda b: shape.sizes[b]) - 1 - mirrored["photo"]
        by = ["query_id", "visit_id", "photo"]
        assert near(mirrored.sort_values(by)["score"], whole.sort_values(by)["score"])
        assert (whole.loc[whole["visit_id"] == str(len(bags) - 1), "score"] == 0).all()


@FEW
@given(SHAPES, st.sampled_from(UNIT_NAMES), st.sampled_from(LINEAR))
def test_the_score_of_all_queries_is_the_sum_of_theirs(shape: Shape, unit: str, formula: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        network, trajectory = recorded(shape, Path(folder) / "recording")
        bags = shape.bags()
        asked = {"formula": formula, "unit": unit}
        each = grasp_psonet.trace(network, trajectory, bags, bags[:3], **asked)  # type: ignore[arg-type]
        one = grasp_psonet.trace(network, trajectory, bags, bags[:3], sum_queries=True, **asked)  # type: ignore[arg-type]
        summed = each.groupby(["visit_id", "photo"])["score"].sum()
        assert near(one.set_index(["visit_id", "photo"])["score"].sort_index(), summed.sort_index())
