"""Networks that are filled at once: nobody draws their weights, and what is filled is the same network."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from timm.layers import trunc_normal_
from torch import nn

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import NetworkError
from grasp_psonet.network.encoder import build_encoder
from grasp_psonet.network.network import build_network, build_start_encoder, with_encoder
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.network.undrawn import Undrawn
from grasp_psonet.trajectory.anchors import load_weights, start_anchor

NETWORK = NetworkSettings(encoder="demo_convnext", feature_length=8, attention_hidden=4, head_hidden=4)


@pytest.mark.parametrize("name", ["demo_convnext", "efficientnet_lite0", "convnextv2_atto"])
def test_no_random_number_is_drawn(name: str) -> None:
    before = torch.get_rng_state()
    with Undrawn():
        build_encoder(name, "random", 64)
    assert torch.equal(torch.get_rng_state(), before)
    build_encoder("demo_convnext", "random", 64)
    assert not torch.equal(torch.get_rng_state(), before), "chance cannot be seen here: the comparison proves nothing"


@pytest.mark.parametrize("draw", [nn.init.normal_, nn.init.xavier_normal_, nn.init.kaiming_uniform_, trunc_normal_])
def test_parameters_hold_nan_and_buffers_are_drawn(draw: Callable[[torch.Tensor], torch.Tensor]) -> None:
    parameter, buffer = nn.Parameter(torch.full((3, 3), 7.0)), torch.full((3, 3), 7.0)
    with Undrawn():
        draw(parameter)
        draw(buffer)
    assert parameter.isnan().all()
    assert (buffer != 7).all()


def test_weights_that_leave_a_parameter_without_a_value_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(NETWORK, weights="pretrained")

    def loads_half(name: str, _weights: str, edge_px: int) -> tuple[nn.Module, object]:
        encoder, card = build_encoder(name, "random", edge_px)
        one = next(parameter for parameter in encoder.parameters() if parameter.ndim > 1)
        for parameter in encoder.parameters():
            if parameter is not one:
                parameter.data.zero_()
        return encoder, card

    monkeypatch.setattr("grasp_psonet.network.network.build_encoder", loads_half)
    with pytest.raises(NetworkError, match="give 1 parameters of demo_convnext no value"):
        build_start_encoder(settings, 64, 3)


def test_what_requires_no_gradient_is_the_same() -> None:
    settings = replace(NETWORK, train="last 1 block", weights="random")
    with Undrawn():
        undrawn = build_network(settings, 64, 0, Outcome())
    drawn = build_network(settings, 64, 0, Outcome())
    trained = [name for name, weight in undrawn.named_parameters() if weight.requires_grad]
    assert trained == [name for name, weight in drawn.named_parameters() if weight.requires_grad]
    assert 0 < len(trained) < len(list(undrawn.parameters()))


@pytest.mark.parametrize("name", ["demo_convnext", "demo_vit"])
def test_an_anchor_fills_it_with_the_bytes_of_the_network(name: str) -> None:
    settings = replace(NETWORK, encoder=name, weights="random")
    network = build_network(settings, 64, 3, Outcome())
    with Undrawn():
        filled = build_network(settings, 64, 3, Outcome())
    load_weights(filled, start_anchor(network))
    _same(network, filled)


@pytest.mark.parametrize("weights", ["pretrained", "random"])
@pytest.mark.parametrize("name", ["demo_convnext", "demo_vit"])
def test_the_start_encoder_and_an_encoder_put_back_are_those_of_the_network(name: str, weights: str) -> None:
    settings = replace(NETWORK, encoder=name, weights=weights)
    network = build_network(settings, 64, 3, Outcome())
    assert network.encoder is not None
    _same(network.encoder, build_start_encoder(settings, 64, 3)[0])
    _same(network, with_encoder(network, settings, 64, 3))


def _same(one: nn.Module, other: nn.Module) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert all(value.abs().max() > 0 for name, value in ours.items() if name.endswith("weight"))
