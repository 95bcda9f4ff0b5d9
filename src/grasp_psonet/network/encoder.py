"""Photo encoders: any timm model by name, the project's two demo encoders, and where their weights come from."""

from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import group_parameters
from torch import Tensor, nn

from grasp_psonet.errors import NetworkError
from grasp_psonet.network.demo_encoders import DEMO_ENCODERS, DEMO_MEAN, DEMO_STD
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.tables.columns import MEAN


@dataclass(frozen=True)
class EncoderCard:
    """What is known of an encoder: feature length, normalisation of photos in [0, 1], licence of its weights."""

    name: str
    feature_length: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str


def freeze(encoder: nn.Module, settings: NetworkSettings) -> None:
    """Lets the encoder's parameters require a gradient as ``network.train`` says: all, none, or those of its last blocks.

    Raises NetworkError where there are fewer blocks than are to be trained.
    """
    if settings.train == "all":
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

    ``weights`` is ``pretrained`` (ImageNet through timm, or the project's own file for the demo encoders), ``random``
    (from the global torch seed) or a local .safetensors file. Raises NetworkError when the model is unknown or the
    weights cannot be had.
    """
    if name in DEMO_ENCODERS:
        return _demo_encoder(name, weights, edge_px)
    if not timm.is_model(name.split(".")[0]):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:5]
        raise NetworkError(
            f"network.encoder is {name!r}: no timm model of that name"
            + (f"; near it: {', '.join(near)}" if near else "")
            + f"\n  next: choose a timm model, or one of {', '.join(DEMO_ENCODERS)}"
        )
    size = {"img_size": edge_px} if _takes_image_size(name) else {}
    encoder = _create(name, pretrained=weights == "pretrained", **size)
    if weights not in ("pretrained", "random"):
        _load(encoder, Path(weights))
    config = encoder.pretrained_cfg
    return encoder, EncoderCard(
        name, int(encoder.num_features), config[MEAN], config["std"], str(config.get("license", "not stated"))
    )


def _create(name: str, pretrained: bool, **arguments: Any) -> Any:
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)
    except Exception as error:  # whatever the hub's client raises of the day
        if not pretrained:
            raise
        raise NetworkError(
            f"the ImageNet weights of {name} cannot be had: {type(error).__name__}: {str(error).splitlines()[0]}\n"
            "  next: run once with network access (they are cached), or download them elsewhere and set\n"
            "  network.weights to the .safetensors file, or set network.weights random; `grasp doctor` lists the cache"
        ) from error


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
        _load(encoder, Path(str(files("grasp_psonet.network") / "weights" / f"{name}.safetensors")))
    elif weights != "random":
        _load(encoder, Path(weights))
    return encoder, EncoderCard(name, int(encoder.num_features), DEMO_MEAN, DEMO_STD, "Apache-2.0")


def _load(encoder: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise NetworkError(
            f"network.weights is {str(path)!r}: no such file\n  next: pretrained, random, or a .safetensors file"
        )
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise NetworkError(f"{path} is not a safetensors file: {error}") from error
    wanted: dict[str, Tensor] = encoder.state_dict()
    missing = sorted(wanted.keys() - weights.keys())
    wrong = sorted(name for name in wanted.keys() & weights.keys() if wanted[name].shape != weights[name].shape)
    if missing or wrong:
        raise NetworkError(
            f"{path} does not fit this encoder: {len(missing)} tensors missing ({', '.join(missing[:3])}), "
            f"{len(wrong)} of another shape ({', '.join(wrong[:3])})\n  next: check network.encoder"
        )
    with torch.no_grad():
        encoder.load_state_dict({name: weights[name] for name in wanted})
