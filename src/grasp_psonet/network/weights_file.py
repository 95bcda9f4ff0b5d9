"""Weights of an encoder from a file: safetensors, or a torch file of which only tensors are read."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from grasp_psonet.errors import NetworkError

TORCH_SUFFIXES = (".pt", ".pth", ".bin")
_NESTED = ("state_dict", "model", "state_dict_ema")  # where training scripts, timm's among them, keep the tensors


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name. A torch file is read with ``weights_only``: it may hold plain values beside them, and no code.

    Raises NetworkError where the file is missing, damaged, or holds anything else.
    """
    if not path.is_file():
        raise NetworkError(
            f"network.weights is {str(path)!r}: no such file\n"
            "  next: pretrained, random, packaged, or the path of a .safetensors, .pt or .pth file"
        )
    if path.suffix not in TORCH_SUFFIXES:
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise NetworkError(f"{path} is not a safetensors file: {error}") from None
    return _tensors(_read_torch_file(path), path)


def fill(encoder: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copies the tensors that the encoder has into it; others, such as a classifier, are left out.

    Raises NetworkError naming ``source`` where tensors are missing or of another shape.
    """
    wanted: dict[str, Tensor] = encoder.state_dict()
    missing = sorted(wanted.keys() - weights.keys())
    wrong = sorted(name for name in wanted.keys() & weights.keys() if wanted[name].shape != weights[name].shape)
    if missing or wrong:
        raise NetworkError(
            f"{source} does not fit this encoder: {len(missing)} tensors missing ({', '.join(missing[:3])}), "
            f"{len(wrong)} of another shape ({', '.join(wrong[:3])})\n  next: check network.encoder"
        )
    with torch.no_grad():
        encoder.load_state_dict({name: weights[name] for name in wanted})


def _read_torch_file(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise NetworkError(
            f"{path} holds more than tensors (a whole model, or code), which is not read: it could run anything\n"
            "  next: save model.state_dict() in its place, best as safetensors"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise NetworkError(f"{path} cannot be read as a torch file: {str(error).partition(chr(10))[0]}") from None


def _tensors(held: object, path: Path) -> dict[str, Tensor]:
    """The tensors by name, also where they lie one level down or carry the prefix of data-parallel training."""
    for name in _NESTED:
        if isinstance(held, dict) and isinstance(held.get(name), dict):
            held = held[name]
            break
    tensors = (
        {name: value for name, value in held.items() if isinstance(value, Tensor)} if isinstance(held, dict) else {}
    )
    if not tensors:
        raise NetworkError(f"{path} holds no tensors by name\n  next: save model.state_dict(), best as safetensors")
    return {str(name).removeprefix("module."): value for name, value in tensors.items()}
