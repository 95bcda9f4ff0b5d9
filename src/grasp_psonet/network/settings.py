"""Settings of the network: encoder, attention, head."""

import re
from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting

_LAST_BLOCKS = re.compile(r"last ([1-9]\d*) blocks?")


@dataclass(frozen=True)
class NetworkSettings:
    """The multi-instance network: photo encoder, attention over the visit's photos, classifier."""

    __pydantic_config__ = STRICT

    encoder: str = setting(
        "convnext_tiny", "any timm model, efficientnet_lite0, or demo_convnext / demo_vit (drawn skin, 64 px)"
    )
    weights: str = setting(
        "pretrained",
        "pretrained, packaged (efficientnet_lite0), random, or a .safetensors, .pt or .pth file (from the study folder)",
    )
    train: str = setting(
        "all",
        "what training moves: all; head: everything but the encoder; or last N blocks of the encoder and the head",
    )
    feature_norm: Literal["none", "unit_length"] = setting(
        "none", "encoder features as they are; or each photo's less its own mean, scaled to length 1"
    )
    feature_length: int = setting(768, "length D of a photo's feature after the projection; unused where there is none")
    projection: Literal["none", "linear", "mlp"] = setting(
        "linear", "encoder feature -> D: none (D is the encoder's), one layer, or two with GELU"
    )
    attention: Literal["mean", "plain", "gated"] = setting(
        "gated", "all photos alike; tanh attention; or tanh times sigmoid (Ilse et al. 2018)"
    )
    attention_hidden: int = setting(128, "hidden width of the attention scorer")
    head_hidden: int = setting(256, "hidden width of the classifier; 0 for a single linear layer")
    mask: Literal["before", "paper"] = setting(
        "before", "before: absent photos leave the softmax; paper: softmax over stored photos, then times the mask"
    )

    @property
    def is_frozen(self) -> bool:
        """Whether the encoder stands still, so that training reads features that were computed once."""
        return self.train == "head"

    @property
    def last_blocks(self) -> int | None:
        """How many of the encoder's last blocks are trained; None where all or none are."""
        found = _LAST_BLOCKS.fullmatch(self.train)
        return int(found[1]) if found else None

    def __post_init__(self) -> None:
        is_known = self.train in ("all", "head") or bool(self.last_blocks)
        refuse_unless(is_known, "network.train", self.train, "all, head, or last N blocks, such as last 2 blocks")
        for name in ("feature_length", "attention_hidden"):
            refuse_unless(getattr(self, name) >= 1, f"network.{name}", getattr(self, name), "at least 1")
        refuse_unless(self.head_hidden >= 0, "network.head_hidden", self.head_hidden, "0 or more")
