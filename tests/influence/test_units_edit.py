"""What if: photos taken out or kept alone, visits relabelled, against gradients of the edited bags themselves."""

import pytest
import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.units.bag_edits import loss_changes, tangent_bags
from grasp_psonet.influence.units.table import cover_unit, unit_products
from tests.influence.test_units import NETWORKS, Case, gap
from tests.reference import units as reference


def changes(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Photos removed [P, Q] and alone [P, Q], visits relabelled [B, C, Q]."""
    found = loss_changes(case.network, case.batch, case.directions)
    relabelled_QBC = torch.from_numpy(found.relabelled_QBC)
    return torch.from_numpy(found.removed_QP).T, torch.from_numpy(found.alone_QP).T, relabelled_QBC.permute(1, 2, 0)


@pytest.mark.parametrize("mask", ["before", "paper"])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_if_equals_the_edited_bags(name: str, mask: str) -> None:
    case = Case(name, (3, 1, 2), mask=mask)
    removed_PQ, alone_PQ, relabelled_BCQ = changes(case)
    slow = reference.photo_gradients(case.network, "edit", case.batch)
    assert gap(removed_PQ, reference.dots(slow, case.directions)) < 1e-10
    whole = reference.visit_gradients(case.network, case.batch)
    visit_P = case.batch.is_photo_BN.nonzero()[:, 0].tolist()
    alone = [
        reference.minus(whole[v], g)
        for v, g in zip(visit_P, reference.kept_alone(case.network, case.batch), strict=True)
    ]
    assert float((alone_PQ - reference.dots(alone, case.directions)).abs().max()) < 1e-10 * float(alone_PQ.abs().max())
    assert relabelled_BCQ.shape == (3, 3, 3)
    for label in range(3):
        other = reference.visit_gradients(case.network, case.batch, [label] * 3)
        wanted = reference.dots([reference.minus(a, b) for a, b in zip(whole, other, strict=True)], case.directions)
        assert gap(relabelled_BCQ[:, label], wanted) < 1e-10
    own = torch.arange(3)
    assert (relabelled_BCQ[own, case.batch.label_B] == 0).all()
    assert relabelled_BCQ.abs().max() > 1e-6


def test_the_last_photo_of_a_visit_bears_the_visit() -> None:
    case = Case("tiny", (3, 1, 4))
    removed_PQ, alone_PQ, _ = changes(case)
    whole = reference.dots(reference.visit_gradients(case.network, case.batch), case.directions)
    assert case.batch.is_photo_BN.sum(dim=1).tolist() == [3, 1, 3]
    assert gap(removed_PQ[3], whole[1]) < 1e-12
    assert float(alone_PQ[3].abs().max()) == 0


def test_under_the_papers_mask_a_removed_photo_still_shapes_the_softmax() -> None:
    before, paper = Case("tiny", (3, 2)), Case("tiny", (3, 2), mask="paper")
    for case in (before, paper):
        case.batch.is_stored_BN[:] = case.batch.is_photo_BN  # nothing removed yet: both masks are the same function
    assert gap(paper.products("visit").dot_PQ, before.products("visit").dot_PQ) < 1e-12
    assert gap(paper.products("edit").dot_PQ, before.products("edit").dot_PQ) > 1e-2


def test_tangents_keep_the_weights_they_were_made_with() -> None:
    case = Case("tiny")
    bags = tangent_bags(case.network, case.batch, case.directions)
    first = bags.drop_photo()
    with torch.no_grad():
        for weight in case.network.parameters():
            weight.mul_(1.5)
    assert torch.equal(bags.drop_photo(), first)
    assert gap(tangent_bags(case.network, case.batch, case.directions).drop_photo(), first) > 1e-2


def test_one_forward_pass_of_the_encoder_answers_every_edit() -> None:
    case = Case("tiny", (4, 4))
    calls = []
    handle = case.network.encoder.register_forward_hook(lambda *_: calls.append(1))
    bags = tangent_bags(case.network, case.batch, case.directions)
    used = len(calls)
    bags.drop_photo()
    bags.keep_only()
    bags.relabel()
    handle.remove()
    assert 1 <= used == len(calls) <= 2


class WithoutForwardMode(torch.autograd.Function):
    @staticmethod
    def forward(_: object, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(_: object, delta: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return delta * 2


class Doubling(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return WithoutForwardMode.apply(x)


class Hiding(nn.Module):
    """Reads a parameter that functional calls cannot move."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.held = (inner.weight,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.held[0], self.inner.bias)


def test_networks_without_forward_mode_are_refused() -> None:
    case = Case("tiny")
    projection = case.network.projection
    case.network.projection = nn.Sequential(projection, Doubling())
    with pytest.raises(TraceError, match="forward-mode derivatives, which this network does not give"):
        cover_unit("edit", case.network, case.batch)
    case.network.projection = Hiding(projection)
    with pytest.raises(TraceError, match="hides parameters"):
        cover_unit("edit", case.network, case.batch)


def test_many_directions_go_in_blocks() -> None:
    case = Case("tiny")
    coverage = case.coverage("edit")
    many = {name: torch.randn(19, *d.shape[1:], dtype=d.dtype) for name, d in case.directions.items()}
    together = unit_products(case.network, case.batch, coverage, many).dot_PQ
    each = [
        unit_products(case.network, case.batch, coverage, {n: d[q : q + 1] for n, d in many.items()}).dot_PQ
        for q in range(19)
    ]
    assert gap(together, torch.cat(each, dim=1)) < 1e-12
