"""What the trace benchmark runs: encoders, photos and directions, and the clock.

Random weights and photos: speed does not depend on them. Directions have the form that the ``adam`` formula folds into,
dense tensors, one per query.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from grasp_psonet.influence.gradients.coverage import Coverage, cover
from grasp_psonet.influence.gradients.products import products

NUM_CLASSES = 3
DEMO_CONVNEXT = {"depths": (1, 1, 3, 1), "dims": (16, 32, 64, 128), "ls_init_value": 0.1}
DEMO_VIT = {"img_size": 64, "patch_size": 16, "embed_dim": 96, "depth": 4, "num_heads": 3}


@dataclass(frozen=True)
class Workload:
    """One encoder with a linear head, one batch of photos, and some numbers of queries by key."""

    encoder: str
    options: Mapping[str, Any]
    edge_px: int
    num_photos: int
    num_queries: Mapping[str, int] = field(hash=False)

    def shrunk(self) -> "Workload":
        """The same kind of encoder so small that a run takes seconds and says nothing about speed."""
        is_vit = "vit" in self.encoder
        encoder = "vit_tiny_patch16_224" if is_vit else "convnext_atto" if "atto" in self.encoder else "convnext_tiny"
        small = {**DEMO_VIT, "img_size": 32, "depth": 1} if is_vit else {**DEMO_CONVNEXT, "depths": (1, 1, 1, 1)}
        return replace(self, encoder=encoder, options=small, edge_px=32, num_photos=4)


WORKLOADS = (
    Workload("convnext_atto", DEMO_CONVNEXT, 64, 48, {"demo_convnext_q9": 9}),
    Workload("vit_tiny_patch16_224", DEMO_VIT, 64, 48, {"demo_vit_q9": 9}),
    Workload("vit_small_patch16_224", {}, 224, 32, {"vit_small_224_q9": 9}),
    Workload(
        "convnext_tiny",
        {},
        224,
        32,
        {"convnext_tiny_224_q1": 1, "convnext_tiny_224_q9": 9, "convnext_tiny_224_q64": 64},
    ),
)


@dataclass(frozen=True)
class Case:
    """A network, one batch of photos, and which of its parameters are traced how."""

    network: nn.Module
    photos: Tensor
    labels: Tensor
    coverage: Coverage

    def losses(self, network: nn.Module) -> Tensor:
        """One loss per photo, [B]."""
        return functional.cross_entropy(network(self.photos), self.labels, reduction="none")

    def directions(self, num_queries: int) -> dict[str, Tensor]:
        """Random directions [Q, *shape] by parameter."""
        return {n: torch.randn(num_queries, *p.shape, device=p.device) for n, p in self.network.named_parameters()}

    def scores(self, directions: Mapping[str, Tensor]) -> Tensor:
        """Ours, [B, Q]."""
        return products(self.network, self.losses, self.coverage, directions).dot_BQ

    def plain(self) -> None:
        """A forward and backward pass of the same batch that fills ``.grad``."""
        self.network.zero_grad()
        self.losses(self.network).sum().backward()  # type: ignore[no-untyped-call]


def make_case(work: Workload, device: str, num_photos: int | None = None) -> Case:
    """Builds the network with random weights and draws photos."""
    torch.manual_seed(0)
    size = num_photos or work.num_photos
    network = timm.create_model(work.encoder, num_classes=NUM_CLASSES, **work.options).eval().to(device)
    photos = torch.randn(size, 3, work.edge_px, work.edge_px, device=device)
    labels = torch.arange(size, device=device) % NUM_CLASSES
    coverage = cover(network, lambda n: functional.cross_entropy(n(photos[:2]), labels[:2], reduction="none"))
    return Case(network, photos, labels, coverage)


@dataclass(frozen=True)
class Clock:
    """Seconds of one contestant in each round: on the wall, and of this process's own computing."""

    wall_s: list[float]
    process_s: list[float]

    def over(self, other: "Clock") -> float:
        """Median over rounds of the ratio of wall times within a round."""
        return statistics.median(a / b for a, b in zip(self.wall_s, other.wall_s, strict=True))

    def process_over(self, other: "Clock") -> float:
        """The same for the process's own time, which other programs on the machine disturb less."""
        return statistics.median(a / b for a, b in zip(self.process_s, other.process_s, strict=True))


def interleaved(contestants: Mapping[str, Callable[[], object]], rounds: int, device: str) -> dict[str, Clock]:
    """Times every contestant once in each round, so that a busy machine slows all alike; one round goes before."""
    clocks = {name: Clock([], []) for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            wait(device)
            wall_s, process_s = time.perf_counter(), time.process_time()
            run()
            wait(device)
            if turn:
                clocks[name].wall_s.append(time.perf_counter() - wall_s)
                clocks[name].process_s.append(time.process_time() - process_s)
    return clocks


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device != "cpu":
        torch.cuda.synchronize()
