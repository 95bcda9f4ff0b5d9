"""What holds for the network whatever its weights: masks, padding, order, neighbours."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import EmptyBag, NetworkError, SettingsError
from grasp_psonet.network.attention import AttentionScorer, pool_bag, pool_bag_as_paper
from grasp_psonet.network.encoder import build_encoder
from grasp_psonet.network.network import build_network
from grasp_psonet.network.settings import NetworkSettings
from tests.tiny_study import EDGE_PX, tiny_network


def _photos(num_bags: int, num_photos: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(num_bags, num_photos, 3, EDGE_PX, EDGE_PX, generator=rng, dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000), st.sampled_from(["before", "paper"]))
def test_padding_neighbours_and_order_change_nothing(bags: int, photos: int, seed: int, mask: str) -> None:
    network = tiny_network(mask=mask)
    pixels = _photos(bags, photos, seed)
    is_photo = torch.from_numpy(np.random.default_rng(seed).random((bags, photos)) < 0.7)
    is_photo[:, 0] = True
    together = network(pixels, is_photo)
    order = torch.from_numpy(np.random.default_rng(seed + 1).permutation(photos))
    for b in range(bags):
        present = is_photo[b].nonzero().flatten()
        alone = network(pixels[b : b + 1, present], torch.ones(1, len(present), dtype=torch.bool))
        torch.testing.assert_close(alone.logits_BC[0], together.logits_BC[b], rtol=1e-10, atol=1e-12)
        assert (together.attention_BN[b][~is_photo[b]] == 0).all()
        assert together.attention_BN[b].sum().item() == pytest.approx(1.0)
    shuffled = network(pixels[:, order], is_photo[:, order])
    torch.testing.assert_close(shuffled.logits_BC, together.logits_BC, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(shuffled.attention_BN, together.attention_BN[:, order], rtol=1e-10, atol=1e-12)


def test_a_removed_photo_is_not_read_but_shapes_the_papers_softmax() -> None:
    pixels = _photos(1, 3)
    is_stored = torch.ones(1, 3, dtype=torch.bool)
    is_photo = torch.tensor([[True, True, False]])
    changed = pixels.clone()
    changed[0, 2] = 0.0
    ours, theirs = tiny_network(mask="before"), tiny_network(mask="paper")
    assert torch.equal(ours(pixels, is_photo, is_stored).logits_BC, ours(changed, is_photo, is_stored).logits_BC)
    of_paper = theirs(pixels, is_photo, is_stored)
    assert of_paper.attention_BN[0, 2] == 0
    assert of_paper.attention_BN.sum() < 1 - 1e-3
    assert not torch.allclose(of_paper.logits_BC, theirs(changed, is_photo, is_stored).logits_BC)


def test_a_visit_without_photos_is_named() -> None:
    with pytest.raises(EmptyBag, match=r"rows \[1\]"):
        tiny_network()(_photos(2, 2), torch.tensor([[True, False], [False, False]]))


def test_pools_by_hand() -> None:
    feature = torch.tensor([[[1.0], [3.0], [100.0]]])
    logit = torch.tensor([[0.0, float(np.log(3.0)), 0.0]])
    is_photo, is_stored = torch.tensor([[True, True, False]]), torch.ones(1, 3, dtype=torch.bool)
    bag, attention = pool_bag(feature, logit, is_photo)
    torch.testing.assert_close(attention, torch.tensor([[0.25, 0.75, 0.0]]))
    torch.testing.assert_close(bag, torch.tensor([[2.5]]))
    bag, attention = pool_bag_as_paper(feature, logit, is_photo, is_stored)
    torch.testing.assert_close(attention, torch.tensor([[0.2, 0.6, 0.0]]))
    torch.testing.assert_close(bag, torch.tensor([[2.0]]))


def test_plain_attention_has_no_gate() -> None:
    torch.manual_seed(0)
    plain, gated = AttentionScorer(4, 3, gated=False), AttentionScorer(4, 3, gated=True)
    feature = torch.randn(5, 4)
    torch.testing.assert_close(plain(feature), plain.weight(plain.value(feature).tanh()).squeeze(-1))
    assert gated.gate is not None
    gate = gated.gate(feature).sigmoid()
    torch.testing.assert_close(gated(feature), gated.weight(gated.value(feature).tanh() * gate).squeeze(-1))


@pytest.mark.parametrize("name", ["demo_convnext", "demo_vit"])
def test_demo_encoders_come_with_weights_and_the_same_start(name: str) -> None:
    ours = NetworkSettings(encoder=name, feature_length=8, attention_hidden=4, head_hidden=0)
    first, second, other = (build_network(ours, 64, seed, Outcome()) for seed in (0, 0, 1))
    for (parameter, a), b, c in zip(first.named_parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c) == (parameter.startswith("encoder.") or ("bias" in parameter and not c.any())), (
            parameter
        )
    assert first.card.licence == "Apache-2.0"


def test_a_network_start_leaves_the_global_chance_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build_network(NetworkSettings(encoder="demo_convnext", feature_length=8), 64, 0, Outcome())
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("name", "weights", "edge_px", "told"),
    [
        ("convnext_tiney", "random", 224, "no timm model of that name"),
        ("demo_vit", "pretrained", 224, "set photos.edge_px 64"),
        ("demo_convnext", "nowhere.safetensors", 64, "no such file"),
    ],
)
def test_encoders_that_cannot_be_had_are_told(name: str, weights: str, edge_px: int, told: str) -> None:
    with pytest.raises(NetworkError, match=told):
        build_encoder(name, weights, edge_px)


def test_weights_of_another_encoder_are_refused() -> None:
    from importlib.resources import files

    path = str(files("grasp_psonet.network") / "weights" / "demo_vit.safetensors")
    with pytest.raises(NetworkError, match="does not fit this encoder"):
        build_encoder("demo_convnext", path, 64)


def test_pretrained_weights_without_network_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("cannot reach the hub\nlong story")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(NetworkError, match=r"(?s)ImageNet weights of convnext_tiny cannot be had.*network\.weights"):
        build_encoder("convnext_tiny", "pretrained", 224)


@pytest.mark.parametrize(
    ("train", "first"), [("last 1 block", ("stages.3.",)), ("last 2 blocks", ("stages.3.", "stages.2.blocks.2."))]
)
def test_the_last_blocks_are_timms_own(train: str, first: tuple[str, ...]) -> None:
    network = build_network(NetworkSettings(encoder="demo_convnext", train=train), 64, 0, Outcome())
    trained = [name for name, weight in network.named_parameters() if weight.requires_grad]
    of_encoder = [name.removeprefix("encoder.") for name in trained if name.startswith("encoder.")]
    names = [name for name, _ in build_encoder("demo_convnext", "random", 64)[0].named_parameters()]
    assert of_encoder == [name for name in names if name.startswith((*first, "head.norm."))]
    assert "stages.3.blocks.0.conv_dw.weight" in of_encoder
    assert {name.partition(".")[0] for name in trained} == {"encoder", "projection", "attention", "head"}


def test_more_blocks_than_there_are_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"network\.train is 'last 99 blocks'; demo_convnext has \d+ blocks"):
        build_network(NetworkSettings(encoder="demo_convnext", train="last 99 blocks"), 64, 0, Outcome())


@pytest.mark.parametrize("train", ["last 0 blocks", "last two blocks", "encoder", ""])
def test_what_is_trained_is_said_in_known_words(train: str) -> None:
    with pytest.raises(SettingsError, match="wanted: all, head, or last N blocks"):
        NetworkSettings(train=train)
