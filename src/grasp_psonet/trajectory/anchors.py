"""Anchors: weights and the optimizer's moments after a step, as safetensors written whole or not at all."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from grasp_psonet.errors import StageError
from grasp_psonet.files import write_whole
from grasp_psonet.trajectory.adam import AdamState

ANCHORS = "anchors"  # folder of a run or recording that holds them
_NOTE = "anchor"


@dataclass(frozen=True)
class Anchor:
    """Training as it stood after ``step``: everything the next step needs besides the batch plan."""

    step: int
    epoch: int
    lr: float
    presence_digest: str
    weights: dict[str, Tensor]
    buffers: dict[str, Tensor]
    state: AdamState


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """The parameters by name; changing them in place changes the network."""
    return {name: weight.detach() for name, weight in network.named_parameters()}


def trained_weights_of(network: nn.Module) -> dict[str, Tensor]:
    """The same of the parameters that training moves: those that require a gradient. Only they have moments."""
    return {name: weight.detach() for name, weight in network.named_parameters() if weight.requires_grad}


def anchor_path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:07d}.safetensors"


def anchor_steps(folder: Path) -> list[int]:
    """The steps that have an anchor, rising."""
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.glob("step-*.safetensors"))


def anchor_of(
    network: nn.Module, state: AdamState, epoch: int = 0, lr: float = 0.0, presence_digest: str = ""
) -> Anchor:
    """The anchor of a training as it stands; its tensors are the network's own, so write it before the next step."""
    return Anchor(state.step, epoch, lr, presence_digest, weights_of(network), _saved_buffers(network), state)


def write_anchor(folder: Path, anchor: Anchor) -> None:
    """Writes the anchor into the folder, atomically, under the name of its step."""
    groups = {
        "weight": anchor.weights,
        "buffer": anchor.buffers,
        **anchor.state.moments,
    }
    tensors = {f"{kind}/{name}": tensor for kind, group in groups.items() for name, tensor in group.items()}
    names = ("step", "epoch", "lr", "presence_digest")
    # one metadata entry: safetensors writes several in an order that changes from process to process
    note = {_NOTE: json.dumps({name: getattr(anchor, name) for name in names}, sort_keys=True)}
    on_cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(anchor_path(folder, anchor.step), lambda beside: save_file(on_cpu, beside, metadata=note))


def read_anchor(path: Path, device: torch.device | None = None) -> Anchor:
    """The anchor in this file. Raises StageError when it is missing or damaged."""
    groups: dict[str, dict[str, Tensor]] = {"weight": {}, "buffer": {}}
    state = AdamState({}, {}, 0)
    groups |= state.moments
    try:
        with safe_open(path, framework="pt", device=str(device or "cpu")) as file:
            note = json.loads(file.metadata()[_NOTE])
            for key in file.keys():  # noqa: SIM118  not a dict
                kind, name = key.split("/", 1)
                groups[kind][name] = file.get_tensor(key)
    except (OSError, SafetensorError) as error:
        raise StageError(f"{path} cannot be read as an anchor: {error}\n  next: train again") from None
    state.step = step = note["step"]
    return Anchor(step, note["epoch"], note["lr"], note["presence_digest"], groups["weight"], groups["buffer"], state)


def start_anchor(network: nn.Module) -> Anchor:
    """Training as it stands before step 1 with the network's present weights; runs keep none, they draw it again."""
    weights = {name: weight.clone() for name, weight in weights_of(network).items()}
    buffers = {name: buffer.clone() for name, buffer in _saved_buffers(network).items()}
    return Anchor(0, 0, 0.0, "", weights, buffers, AdamState.at_start(trained_weights_of(network)))


@torch.no_grad()
def load_weights(network: nn.Module, anchor: Anchor) -> None:
    """Gives the network the anchor's weights and buffers. Raises StageError naming parameters that do not match."""
    weights, buffers = weights_of(network), _saved_buffers(network)
    odd = sorted((weights.keys() ^ anchor.weights.keys()) | (buffers.keys() ^ anchor.buffers.keys()))
    if odd:
        raise StageError(
            f"the anchor of step {anchor.step} is of another network: {len(odd)} tensors differ (first: {odd[0]})\n"
            "  next: build the network from the settings of its run"
        )
    for name, tensor in (weights | buffers).items():
        tensor.copy_((anchor.weights | anchor.buffers)[name])


@torch.no_grad()
def copy_weights(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copies these weights, one for each parameter, into the network; buffers stay as they are."""
    for name, weight in weights_of(network).items():
        weight.copy_(weights[name])


def _saved_buffers(network: nn.Module) -> dict[str, Tensor]:
    saved = network.state_dict()
    return {name: buffer for name, buffer in network.named_buffers() if name in saved}
