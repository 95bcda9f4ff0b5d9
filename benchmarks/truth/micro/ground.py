"""What every other method is given of a run of the micro study: checkpoints, examples and queries as plain tensors."""

# Axes: Z examples (visits, or photos as visits of one), N photos per visit (padded), C classes, H inputs of the last layer.

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.truth.micro.training import ByName, MicroRun, as_float64, masked_logits
from grasp_psonet.bags.bag import Bag
from grasp_psonet.network.network import BagNetwork

Examples = tuple[Tensor, Tensor, Tensor]  # photos [Z, N, C, H, W], presence [Z, N], labels [Z]
LAST = "network.head.2"


@dataclass(frozen=True)
class Ground:
    """What every neighbour is given: a plain module, its checkpoints, all training visits, what is scored, the queries."""

    network: nn.Module
    checkpoints: tuple[ByName, ...]
    lr: float
    training: Examples
    examples: Examples
    queries: Examples

    def logits(self, examples: Examples) -> tuple[Tensor, Tensor]:
        """Logits [Z, C] and what enters the last layer, with its constant 1 [Z, H + 1], at the last checkpoint."""
        self.network.load_state_dict(self.checkpoints[-1])
        seen: list[Tensor] = []
        handle = self.network.get_submodule(LAST).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        with torch.no_grad():
            logits_ZC = self.network(*examples[:2])
        handle.remove()
        return logits_ZC, torch.cat([seen[0], torch.ones(len(seen[0]), 1, dtype=torch.float64)], dim=1)


class _Plain(nn.Module):
    """The network as other tools call it: (photos, presence) -> logits."""

    def __init__(self, network: BagNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor, is_photo: Tensor) -> Tensor:
        return masked_logits(self.network, photos, is_photo)


def ground_of(run: MicroRun, bags: Sequence[Bag], queries: Sequence[Bag]) -> Ground:
    def examples(bags: Sequence[Bag]) -> Examples:
        batch = as_float64(run.study.batch(tuple(bags)))
        return batch.photos_BNCHW, batch.is_photo_BN, batch.label_B

    anchors = [run.trajectory.read(step, torch.device("cpu")) for _, step in run.trajectory.windows()]
    checkpoints = tuple({f"network.{name}": weight for name, weight in anchor.weights.items()} for anchor in anchors)
    network = _Plain(run.network)
    return Ground(
        network,
        checkpoints,
        run.trajectory.optimizer.settings.lr,
        examples(run.study.training),
        examples(bags),
        examples(queries),
    )


def loss_of_one(network: nn.Module, parameters: ByName, one: Examples) -> Tensor:
    photos, is_photo, label = one
    return functional.cross_entropy(
        torch.func.functional_call(network, parameters, (photos[None], is_photo[None])), label[None]
    )
