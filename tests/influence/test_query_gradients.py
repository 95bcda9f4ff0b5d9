"""Gradients of single queries where torch's own backward is wrong: BatchNorm on a batch of one that lies as tokens do."""

import pytest
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.batch_norm import exact_batch_norm
from grasp_psonet.influence.units.query_gradients import prove_query_gradient, query_gradients


class TokensAsMaps(nn.Module):
    """Tokens, read as a map of channels and normalised: the local patch interaction of XCiT, in small."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(3, 4), nn.BatchNorm2d(4)
        self.out = nn.Linear(80, 3)
        self.norm.running_mean.normal_()  # type: ignore[union-attr, operator]
        self.double().eval()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        assert mask.shape == photos.shape[:2] == (len(photos), 1)
        tokens = self.embed(photos[:, 0])
        maps = self.norm(tokens.transpose(1, 2).reshape(len(tokens), 4, 4, 5))
        return self.out(maps.flatten(1))


def queries(num: int) -> BagBatch:
    photos = torch.randn(2, 1, 20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))[:num]
    is_there = torch.ones(num, 1, dtype=torch.bool)
    return BagBatch(photos, is_there, is_there, torch.arange(num) % 3)


@pytest.fixture
def network() -> TokensAsMaps:
    torch.manual_seed(0)
    return TokensAsMaps()


@pytest.mark.parametrize("kind", ["photo", "visit"])
def test_a_query_alone_has_the_gradient_of_finite_differences(network: TokensAsMaps, kind: str) -> None:
    batch = queries(1)
    found = query_gradients(network, [batch], kind)  # type: ignore[arg-type]
    beside_another = query_gradients(network, [queries(2)], kind)  # type: ignore[arg-type]
    for name, weight in network.named_parameters():
        torch.testing.assert_close(found[name][0], beside_another[name][0], rtol=1e-9, atol=1e-13)
        flat, truth = weight.data.view(-1), torch.zeros(weight.numel(), dtype=torch.float64)
        for at in range(weight.numel()):
            losses = []
            for move in (1e-6, -1e-6):
                flat[at] += move
                with torch.no_grad():
                    logits = network(batch.photos_BNCHW, batch.is_photo_BN)
                losses.append(nn.functional.cross_entropy(logits, batch.label_B))
                flat[at] -= move
            truth[at] = (losses[0] - losses[1]) / 2e-6
        assert truth.abs().max() > 1e-4
        torch.testing.assert_close(found[name][0].flatten(), truth, rtol=1e-5, atol=1e-7)
    prove_query_gradient(network, batch, kind)  # type: ignore[arg-type]


def test_torch_alone_is_still_wrong_there(network: TokensAsMaps) -> None:
    """When this fails, torch has been mended, and ``exact_batch_norm`` may go."""
    batch = queries(1)
    logits = network(batch.photos_BNCHW, batch.is_photo_BN)
    (wrong,) = torch.autograd.grad(nn.functional.cross_entropy(logits, batch.label_B), [network.embed.weight])
    right = query_gradients(network, [batch], "visit")["embed.weight"][0]
    assert (wrong - right).abs().max() > 0.1 * right.abs().max()


def test_batch_norm_by_arithmetic_is_batch_norm(network: TokensAsMaps) -> None:
    one, two = queries(1), queries(2)
    with torch.no_grad():
        plain = [network(batch.photos_BNCHW, batch.is_photo_BN) for batch in (one, two)]
        with exact_batch_norm(network):
            ours = [network(batch.photos_BNCHW, batch.is_photo_BN) for batch in (one, two)]
    torch.testing.assert_close(ours[0], plain[0], rtol=1e-12, atol=1e-14)
    assert torch.equal(ours[1], plain[1])


def test_a_query_that_is_differentiated_wrongly_alone_is_refused_by_name() -> None:
    class WrongAlone(TokensAsMaps):
        def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
            features = self.embed(photos[mask]).flatten(1)
            if len(features) == 1:
                features.register_hook(lambda delta: delta.flip(1))  # type: ignore[no-untyped-call]
            return self.out(features)

    with pytest.raises(
        TraceError, match=r"^the gradient of a query depends on .* first for embed\.weight, embed\.bias, of 2"
    ):
        prove_query_gradient(WrongAlone(), queries(1), "visit")
