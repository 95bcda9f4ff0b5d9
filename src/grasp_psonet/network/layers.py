"""What the parameters of a network are to the optimizer: how deep in the encoder they lie, and which are norms and biases.

Both by timm's own rules, so that a recipe with layer-wise rates (BEiT, Bao et al. 2022) means here what it means there.
"""

from collections.abc import Iterator
from typing import Any

from timm.models import group_parameters
from timm.optim import param_groups_weight_decay  # type: ignore[attr-defined]  # public, not marked so
from torch import nn

from grasp_psonet.errors import NetworkError
from grasp_psonet.network.network import BagNetwork

ENCODER = "encoder."  # what names of the encoder's parameters begin with


def layer_depths(network: BagNetwork) -> dict[str, int]:
    """How many layers below the classifier each parameter of the encoder lies, by its name in the network.

    Layers are those of the timm model's ``group_matcher``, as in ``timm.optim.param_groups_layer_decay``: what timm counts
    with the classifier (the last norm of a ConvNeXt) has depth 0. Raises NetworkError for an encoder that names no layers.
    """
    encoder: Any = network.encoder
    if not hasattr(encoder, "group_matcher"):
        raise NetworkError(
            f"train.optimizer.layer_decay: {type(encoder).__name__} does not say which layers it has\n"
            "  next: layer_decay 1, or a timm model as network.encoder"
        )
    layers = group_parameters(_WithClassifier(encoder), encoder.group_matcher(coarse=False), reverse=True)
    top = max(layers.values())
    return {f"{ENCODER}{name}": top - layers[name] for name, _ in encoder.named_parameters()}


def norms_and_biases(network: nn.Module) -> frozenset[str]:
    """The parameters that timm's recipes do not decay: vectors, biases, and what the encoder names (tokens, positions)."""
    encoder: Any = getattr(network, "encoder", None)
    named = encoder.no_weight_decay() if hasattr(encoder, "no_weight_decay") else ()
    groups = param_groups_weight_decay(network, 1.0, no_weight_decay_list=[f"{ENCODER}{name}" for name in named])
    spared = {id(weight) for group in groups if group["weight_decay"] == 0 for weight in group["params"]}
    return frozenset(name for name, weight in network.named_parameters() if id(weight) in spared)


class _WithClassifier(nn.Module):
    """An encoder's parameters with the classifier that it was made without: the layer that all depths count from."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def named_parameters(self, *_: Any, **__: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """The encoder's, and the classifier's last: timm's matchers know it by name, or as what fits none of them."""
        yield from self.encoder.named_parameters()
        config: Any = getattr(self.encoder, "pretrained_cfg", {})
        classifier = config.get("classifier") or "head"
        yield f"{classifier if isinstance(classifier, str) else classifier[0]}.weight", nn.Parameter()
