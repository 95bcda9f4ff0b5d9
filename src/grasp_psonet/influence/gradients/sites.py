"""Where in a network a parameter's gradient is taken: which module, which rule, from which tensors."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from timm.layers.norm_act import (
    BatchNormAct2d,
    FrozenBatchNormAct2d,
    GroupNorm1Act,
    GroupNormAct,
    LayerNormAct,
    LayerNormAct2d,
)
from timm.models.convnext import ConvNeXtBlock
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from grasp_psonet.influence.gradients.rules import RULES, Rule, convnext_gamma, vit_tokens

End = Literal["input", "output"]

NORMS_WITH_ACTIVATION = (BatchNormAct2d, GroupNormAct, GroupNorm1Act, LayerNormAct, LayerNormAct2d)  # between: ``drop``


@dataclass(frozen=True)
class Tap:
    """A tensor of the forward pass: the first input or the output of a module."""

    module: str
    end: End


@dataclass(frozen=True)
class Site:
    """Parameters of one module whose gradients are taken together.

    ``rule`` is None where no rule is known: then the module is run again and differentiated for each example, from its
    own inputs to its own outputs (``local_vjp``). ``parameters`` maps names within the module to names in the network.

    With ``forms`` (by name within the module) every call of the module is given one copy of these parameters for each of its
    rows, [rows, *form], and their gradients are those of the rows (``expansion``).
    """

    module: str
    parameters: Mapping[str, str]
    rule: Rule | None
    activation: Tap | None
    delta: Tap
    forms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def is_rerun(self) -> bool:
        """Whether the module is run again for each example."""
        return self.rule is None and not self.forms

    @property
    def rule_name(self) -> str:
        """The rule in words, for coverage tables."""
        if self.forms:
            return "expanded"
        return "local_vjp" if self.rule is None else self.rule.__name__


def canonical_names(network: nn.Module) -> dict[int, str]:
    """The name under which ``network.named_parameters()`` lists each parameter, by identity (tied ones appear once)."""
    return {id(parameter): name for name, parameter in network.named_parameters()}


def sites_of(network: nn.Module, names: Collection[str]) -> list[Site]:
    """A site for every module that holds one of the named parameters directly."""
    canonical = canonical_names(network)
    sites: list[Site] = []
    for name, module in network.named_modules():
        held = {
            local: canonical[id(parameter)]
            for local, parameter in module.named_parameters(recurse=False, remove_duplicate=False)
            if canonical[id(parameter)] in names
        }
        if held:
            sites.extend(_sites_of_module(name, module, held))
    return sites


def _sites_of_module(name: str, module: nn.Module, held: Mapping[str, str]) -> Iterable[Site]:
    forward = type(module).forward
    own_input, own_output = Tap(name, "input"), Tap(name, "output")
    if isinstance(module, NORMS_WITH_ACTIVATION) and not isinstance(module, FrozenBatchNormAct2d):
        return [Site(name, held, RULES.get(forward), own_input, Tap(_join(name, "drop"), "input"))]
    if forward is ConvNeXtBlock.forward:
        mlp, drop_path = Tap(_join(name, "mlp"), "output"), Tap(_join(name, "drop_path"), "input")
        return [Site(name, held, convnext_gamma, mlp, drop_path)]
    if isinstance(module, VisionTransformer) and _has_plain_tokens(module):
        return [Site(name, held, vit_tokens, None, Tap(_join(name, "pos_drop"), "input"))]
    if isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
        return [local_site(name, held)]
    rule = RULES.get(forward)
    return [Site(name, held, rule, own_input, own_output) if rule else local_site(name, held)]


def local_site(name: str, parameters: Mapping[str, str]) -> Site:
    """The slower exact path for parameters somewhere inside the module ``name``."""
    return Site(name, parameters, None, Tap(name, "input"), Tap(name, "output"))


def _has_plain_tokens(vit: VisionTransformer) -> bool:
    return (
        type(vit)._pos_embed is VisionTransformer._pos_embed
        and vit.pos_embed is not None
        and not vit.dynamic_img_size
        and {name for name, _ in vit.named_parameters(recurse=False)} <= {"cls_token", "reg_token", "pos_embed"}
    )


def _join(parent: str, child: str) -> str:
    return f"{parent}.{child}" if parent else child
