"""Parameters given once a row: found where they can be, and exact where sizes coincide that could hide a wrong form."""

import pytest
import torch
from torch import Tensor, nn

from grasp_psonet.influence.gradients import coverage as covering
from grasp_psonet.influence.gradients.coverage import cover
from grasp_psonet.influence.gradients.expansion import candidates
from grasp_psonet.influence.gradients.products import products

NUM_PHOTOS, CHANNELS, HEADS = 3, 4, 2
TINY = 1e-6  # as layer scales begin


class Mixed(nn.Module):
    """Every kind of use: a token and positions, factors by the last channel of three and four dimensions, one a head, one that
    is looked up, and one behind a matrix product."""

    def __init__(self, edge: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, CHANNELS))
        self.positions = nn.Parameter(torch.randn(1, edge * edge + 1, CHANNELS))
        self.factor_of_map = nn.Parameter(TINY * torch.ones(CHANNELS))
        self.factor = nn.Parameter(torch.randn(CHANNELS))
        self.temperature = nn.Parameter(torch.rand(HEADS, 1, 1))
        self.table = nn.Parameter(torch.randn(5, HEADS))
        self.mixing = nn.Parameter(torch.randn(CHANNELS, CHANNELS))
        self.double()

    def forward(self, photos: Tensor) -> Tensor:
        map_BHWC = photos.permute(0, 2, 3, 1)
        map_BHWC = map_BHWC + self.factor_of_map * map_BHWC.square().roll(1, 1)
        tokens = torch.cat([self.token.expand(len(photos), -1, -1), map_BHWC.flatten(1, 2)], 1) + self.positions
        tokens = tokens + self.factor * torch.tanh(tokens @ self.mixing)
        keys = tokens.unflatten(2, (HEADS, -1)).transpose(1, 2)
        logits = (
            keys @ keys.transpose(2, 3) * self.temperature + self.table[torch.arange(tokens.shape[1]) % 5].T[:, None]
        )
        return (logits.softmax(-1) @ keys).transpose(1, 2).flatten(2)[:, 0]


class Constant(nn.Module):
    """Positions made from parameters alone, one copy a photo."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(1, CHANNELS, 1)

    def forward(self, num_photos: int, edge: int) -> Tensor:
        grid = torch.arange(edge * edge, dtype=self.inner.weight.dtype).view(1, 1, edge, edge)
        return torch.sin(self.inner(grid)).repeat(num_photos, 1, 1, 1)


class WithConstant(nn.Module):
    def __init__(self, edge: int) -> None:
        super().__init__()
        self.constant = Constant()
        self.mixed = Mixed(edge)
        self.double()

    def forward(self, photos: Tensor) -> Tensor:
        found: Tensor = self.mixed(photos + self.constant(len(photos), photos.shape[-1]))
        return found


def case(edge: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(edge)
    return WithConstant(edge), torch.randn(2 * NUM_PHOTOS, CHANNELS, edge, edge, dtype=torch.float64)


@pytest.mark.parametrize("edge", [1, 2, NUM_PHOTOS])  # sizes that rows could be taken for
def test_products_are_those_of_the_loop(edge: int) -> None:
    network, photos = case(edge)
    coverage = cover(network, lambda module: module(photos[:NUM_PHOTOS]).square().sum(1))
    ways = {name: site.rule_name for site in coverage.sites for name in site.parameters.values()}
    own = {"token", "positions", "factor_of_map", "factor", "temperature"}
    assert {name for name, way in ways.items() if way == "expanded"} >= {f"mixed.{name}" for name in own}
    assert ways["mixed.table"] == "local_vjp"
    site_of = {name: site.module for site in coverage.sites for name in site.parameters.values()}
    assert site_of["constant.inner.weight"] == "constant"
    fresh = photos[NUM_PHOTOS:]
    directions = {name: torch.randn(2, *p.shape, dtype=torch.float64) for name, p in network.named_parameters()}
    found = products(network, lambda module: module(fresh).square().sum(1), coverage, directions).dot_BQ
    slow = torch.zeros_like(found)
    for b in range(NUM_PHOTOS):
        gradients = torch.autograd.grad(network(fresh[b : b + 1]).square().sum(), list(network.parameters()))
        for (name, _), gradient in zip(network.named_parameters(), gradients, strict=True):
            assert gradient.norm() > 1e-6 or name == "constant.inner.weight", name
            slow[b] += (directions[name] * gradient).flatten(1).sum(1)
    torch.testing.assert_close(found, slow, rtol=1e-9, atol=1e-9)


def test_the_network_has_its_own_parameters_again() -> None:
    network, photos = case(2)
    before = {name: (id(p), p.detach().clone()) for name, p in network.named_parameters()}
    coverage = cover(network, lambda module: module(photos[:NUM_PHOTOS]).square().sum(1))
    assert any(site.forms for site in coverage.sites)

    def broken(module: nn.Module) -> Tensor:
        found: Tensor = module(photos[:NUM_PHOTOS])
        raise RuntimeError("the loss broke")
        return found

    directions = {name: torch.zeros(1, *p.shape, dtype=torch.float64) for name, p in network.named_parameters()}
    with pytest.raises(RuntimeError, match="the loss broke"):
        products(network, broken, coverage, directions)
    for name, parameter in network.named_parameters():
        assert id(parameter) == before[name][0]
        assert torch.equal(parameter, before[name][1])
        assert parameter.grad is None


def test_without_expansion_the_same_comes_of_rerunning(monkeypatch: pytest.MonkeyPatch) -> None:
    network, photos = case(2)
    directions = {name: torch.randn(2, *p.shape, dtype=torch.float64) for name, p in network.named_parameters()}

    def found() -> Tensor:
        coverage = cover(network, lambda module: module(photos[:NUM_PHOTOS]).square().sum(1))
        return products(network, lambda module: module(photos).square().sum(1), coverage, directions).dot_BQ

    ours = found()
    monkeypatch.setattr(covering, "with_expansions", lambda network, loss_of, sites: sites)
    torch.testing.assert_close(found(), ours, rtol=1e-10, atol=1e-12)


def test_forms_are_told_by_shape() -> None:
    assert list(candidates((7,))) == [(1, 7), (1, 1, 7)]
    assert list(candidates((1, 5, 7))) == [(5, 7)]
    assert list(candidates((2, 1, 1))) == [(2, 1, 1)]
