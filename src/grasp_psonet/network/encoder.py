"""Photo encoders: any timm model by name, the packaged one, the two demo encoders, and where their weights come from."""

from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import timm
from timm.models import group_parameters
from torch import nn

from grasp_psonet.errors import NetworkError
from grasp_psonet.network import packaged
from grasp_psonet.network.demo_encoders import DEMO_ENCODERS, DEMO_MEAN, DEMO_STD
from grasp_psonet.network.pretrained import cached_weights, refuse_unreachable, unreachable
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.network.weights_file import fill, read_weights
from grasp_psonet.tables.columns import MEAN


@dataclass(frozen=True)
class EncoderCard:
    """What is known of an encoder: feature length, normalisation of photos in [0, 1], licence and source of its weights."""

    name: str
    feature_length: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    source: str = "not stated"


NAMED_WEIGHTS = ("pretrained", "random", "packaged")  # any other value of network.weights is a file


def freeze(encoder: nn.Module, settings: NetworkSettings) -> None:
    """Lets the encoder's parameters require a gradient as ``network.train`` says: all, none, or those of its last blocks.

    Raises NetworkError where there are fewer blocks than are to be trained, and for an encoder that keeps values of parameters.
    """
    if settings.train == "all":
        _refuse_kept_tensors(encoder, settings)
        return
    encoder.requires_grad_(False)
    if settings.last_blocks is None:
        return
    blocks = blocks_of(encoder)
    if settings.last_blocks > len(blocks):
        raise NetworkError(
            f"network.train is {settings.train!r}; {settings.encoder} has {len(blocks)} blocks\n"
            f"  next: at most last {len(blocks)} blocks, or all"
        )
    for name in chain.from_iterable(blocks[-settings.last_blocks :]):
        encoder.get_parameter(name).requires_grad_(True)
    _refuse_kept_tensors(encoder, settings)


def _refuse_kept_tensors(encoder: nn.Module, settings: NetworkSettings) -> None:
    """Raises NetworkError where a module would train a parameter of which it keeps a value in evaluation mode, in which
    training runs: timm's attention biases in LeViT, EfficientFormer, EfficientViT of MSRA and TinyViT.
    """
    for name, module in encoder.named_modules():
        keeps = any(key.endswith("_cache") and isinstance(value, dict) for key, value in vars(module).items())
        if keeps and any(parameter.requires_grad for parameter in module.parameters(recurse=False)):
            raise NetworkError(
                f"{settings.encoder} cannot be trained here: its module {name} keeps attention biases from its first pass in "
                "evaluation mode, so that steps would not reach them\n  next: set network.train head, or another encoder"
            )


def blocks_of(encoder: nn.Module) -> list[list[str]]:
    """Names of parameters by block: the groups in which timm counts the layers of its models (``group_matcher``), the stem
    being the first. A norm that stands alone, as at the end of ConvNeXt, counts with the block before it.
    """
    blocks: list[list[str]] = []
    for names in group_parameters(encoder, encoder.group_matcher(coarse=False)).values():  # type: ignore[operator]
        if blocks and all(encoder.get_parameter(name).ndim <= 1 for name in names):
            blocks[-1].extend(names)
        else:
            blocks.append(list(names))
    return blocks


def build_encoder(name: str, weights: str, edge_px: int) -> tuple[nn.Module, EncoderCard]:
    """An encoder [M, 3, edge, edge] -> [M, features], and its card.

    ``weights`` is ``pretrained`` (ImageNet through timm, or the project's own file for the demo encoders), ``packaged``
    (efficientnet_lite0, from its Python package), ``random`` (from the global torch seed) or a local file of safetensors or
    torch. Raises NetworkError when the model is unknown or the weights cannot be had.
    """
    if weights == "packaged" and name != packaged.PACKAGED:
        raise NetworkError(
            f"network.weights is packaged: the encoder {name} comes in no package\n"
            f"  next: set network.encoder {packaged.PACKAGED}, or network.weights pretrained"
        )
    if name in DEMO_ENCODERS:
        return _demo_encoder(name, weights, edge_px)
    if name == packaged.PACKAGED:
        return _packaged_encoder(weights)
    if not timm.is_model(name.split(".")[0]):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:5]
        raise NetworkError(
            f"network.encoder is {name!r}: no timm model of that name"
            + (f"; near it: {', '.join(near)}" if near else "")
            + f"\n  next: choose a timm model, or one of {', '.join((packaged.PACKAGED, *DEMO_ENCODERS))}"
        )
    size = {"img_size": edge_px} if _takes_image_size(name) else {}
    encoder = _create(name, pretrained=weights == "pretrained", **size)
    if weights not in NAMED_WEIGHTS:
        _fill_from_file(encoder, weights)
    config = encoder.pretrained_cfg
    licence = str(config.get("license", "not stated"))
    source = _source(weights, f"timm, {config.get('hf_hub_id') or config.get('url') or name}")
    return encoder, EncoderCard(name, int(encoder.num_features), config[MEAN], config["std"], licence, source)


def _packaged_encoder(weights: str) -> tuple[nn.Module, EncoderCard]:
    encoder, card = build_encoder(packaged.TIMM_NAME, "random" if weights == "packaged" else weights, 0)
    card = replace(card, name=packaged.PACKAGED)
    if weights == "packaged":
        packaged.fill_packaged(encoder)
        card = replace(card, licence=packaged.LICENCE, source=packaged.packaged_source())
    return encoder, card


def _source(weights: str, pretrained: str) -> str:
    """Where the weights come from; a file is named without its folder."""
    return {"pretrained": pretrained, "random": "random"}.get(weights, f"file {Path(weights).name}")


def _fill_from_file(encoder: nn.Module, path: str) -> None:
    fill(encoder, read_weights(Path(path)), path)


def _create(name: str, pretrained: bool, **arguments: Any) -> Any:
    if pretrained:
        refuse_unreachable(name, "pretrained")
        cached = cached_weights(name)
        if cached is not None:  # read as it lies there: the hub's client would ask the network first, for a minute
            arguments["pretrained_cfg_overlay"] = {"file": str(cached)}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)
    except Exception as error:  # whatever the hub's client raises of the day
        if not pretrained:
            raise
        raise unreachable(name, f"{type(error).__name__}: {str(error).splitlines()[0]}") from error


def _takes_image_size(name: str) -> bool:
    return name.startswith(("vit_", "deit", "eva", "beit", "swin"))


def _demo_encoder(name: str, weights: str, edge_px: int) -> tuple[nn.Module, EncoderCard]:
    arguments = dict(DEMO_ENCODERS[name])
    size = arguments.get("img_size", edge_px)
    if size != edge_px:
        raise NetworkError(
            f"{name} reads photos of {size} px; the store holds {edge_px} px\n  next: set photos.edge_px {size}"
        )
    encoder = _create(arguments.pop("model_name"), pretrained=False, **arguments)
    if weights == "pretrained":
        _fill_from_file(encoder, str(files("grasp_psonet.network") / "weights" / f"{name}.safetensors"))
    elif weights != "random":
        _fill_from_file(encoder, weights)
    source = _source(weights, "this package, pretrained on drawn skin")
    return encoder, EncoderCard(name, int(encoder.num_features), DEMO_MEAN, DEMO_STD, "Apache-2.0", source)
