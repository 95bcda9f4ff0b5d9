"""Networks that are not ours, float64, and an ordinary loop that trains one of them while it is recorded."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import grasp_psonet

Bag = tuple[Tensor, int]
LR, DECAY = 0.02, 0.8  # of the first step, and from step to step


class Pooling(nn.Module):
    """An attention network; one parameter that training never reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 5), nn.Tanh())
        self.scorer = nn.Linear(5, 1)
        self.out = nn.Linear(5, 3)
        self.unused = nn.Parameter(torch.zeros(2))
        self.double()

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        features = self.inner(photos)
        weight = self.scorer(features).squeeze(-1).masked_fill(~mask, -torch.inf).softmax(1)
        return self.out(torch.einsum("bn,bnd->bd", weight, features))


class WithParts(nn.Module):
    """The same, offering its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 5), nn.Tanh())
        self.attention = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
        self.head = nn.Linear(5, 3)
        self.double()

    def features(self, photos: Tensor) -> Tensor:
        return self.inner(photos)

    def forward(self, photos: Tensor, mask: Tensor) -> Tensor:
        features = self.features(photos.flatten(0, 1))
        weight = self.attention(features).view(mask.shape).masked_fill(~mask, -torch.inf).softmax(1)
        return self.head(torch.einsum("bn,bnd->bd", weight, features.unflatten(0, mask.shape)))


def bags_of(seed: int, sizes: tuple[int, ...]) -> list[Bag]:
    rng = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, 6, dtype=torch.float64, generator=rng), i % 3) for i, n in enumerate(sizes)]


TRAINING, QUERIES = bags_of(1, (2, 3, 1, 4, 2, 3)), bags_of(2, (2, 1, 3))
STEPS = [[0, 1], [2, 2], [3, 0, 1], [1, 3], [4, 0], [2, 4]]  # bag 5 is never drawn


def two_groups(network: nn.Module) -> list[dict[str, Any]]:
    """What comes first at a quarter of the run's rate and with a strong decay of its own; the rest without decay."""
    first = [weight for name, weight in network.named_parameters() if name.startswith("inner")]
    rest = [weight for name, weight in network.named_parameters() if not name.startswith("inner")]
    return [{"params": first, "lr": LR / 4, "weight_decay": 0.4}, {"params": rest, "lr": LR, "weight_decay": 0.0}]


def loss_of(network: nn.Module, bags: Sequence[Bag], reduction: str = "mean") -> Tensor:
    """Cross-entropy of these bags, padded to the longest."""
    longest = max(len(photos) for photos, _ in bags)
    photos = torch.stack([functional.pad(p, (0, 0, 0, longest - len(p))) for p, _ in bags])
    mask = torch.stack([torch.arange(longest) < len(p) for p, _ in bags])
    labels = torch.tensor([label for _, label in bags])
    return functional.cross_entropy(network(photos, mask), labels, reduction=reduction)


def train(
    network: nn.Module,
    folder: Path,
    kind: type[torch.optim.Adam] = torch.optim.Adam,
    *,
    clip_norm: float | None = None,
    told_clip_norm: float | None = None,
    loss: Callable[[nn.Module, Sequence[Bag]], Tensor] = loss_of,
    trained: Sequence[nn.Parameter] | Sequence[dict[str, Any]] | None = None,
    **settings: object,
) -> tuple[grasp_psonet.Trajectory, list[dict[str, Tensor]]]:
    """A training with a falling lr and the parameters in an order of the optimizer's own; weights after each step.

    ``trained``: the parameters that the optimizer is given, or its groups of them.
    """
    given = list(network.parameters())[::-1] if trained is None else trained
    optimizer = kind(given, **{"lr": LR, "weight_decay": 0.01, **settings})  # type: ignore[arg-type]
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, DECAY)
    weights = []
    told = clip_norm if told_clip_norm is None else told_clip_norm
    with grasp_psonet.record(network, optimizer, folder, anchor_every=2, clip_norm=told) as recorder:
        for drawn in STEPS:
            recorder.draw(drawn[:1])
            recorder.draw(drawn[1:])
            optimizer.zero_grad()
            loss(network, [TRAINING[b] for b in drawn]).backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_([w for group in optimizer.param_groups for w in group["params"]], clip_norm)
            optimizer.step()
            schedule.step()
            weights.append(copy.deepcopy(network.state_dict()))
    return recorder.trajectory(), weights
