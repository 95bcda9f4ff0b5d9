"""Encoders that keep what they computed from a parameter in evaluation mode: neither trained nor traced in silence."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from grasp_psonet.errors import NetworkError, TraceError
from grasp_psonet.influence.gradients.coverage import cover
from grasp_psonet.network.encoder import build_encoder, freeze
from grasp_psonet.network.settings import NetworkSettings

MODEL = "efficientvit_m0"


def test_such_an_encoder_is_not_trained_but_serves_frozen() -> None:
    encoder, _ = build_encoder(MODEL, "random", 224)
    with pytest.raises(NetworkError, match=r"keeps attention biases[\s\S]*next: set network\.train head"):
        freeze(encoder, NetworkSettings(MODEL, "random"))
    freeze(encoder, NetworkSettings(MODEL, "random", train="head"))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize("is_first", [True, False])
def test_such_a_network_is_not_traced_whether_or_not_it_was_used_before(is_first: bool) -> None:
    """Used before without gradients, the biases would be taken for parameters that no loss reaches."""
    network = timm.create_model(MODEL, num_classes=3).eval()
    photos = torch.rand(2, 3, 224, 224)

    def losses(module: nn.Module) -> torch.Tensor:
        return functional.cross_entropy(module(photos), torch.tensor([0, 1]), reduction="none")

    if not is_first:
        with torch.no_grad():
            losses(network)
    with pytest.raises(TraceError, match="keeps what it computed from its parameters"):
        cover(network, losses)
    network = timm.create_model(MODEL, num_classes=3).eval()
    with torch.no_grad():
        losses(network)
    others = [name for name, _ in network.named_parameters() if name.startswith("head.")]
    assert cover(network, losses, others).names == set(others)
