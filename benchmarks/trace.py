# ruff: noqa: A005  a script, never imported
"""What tracing costs: products of per-photo gradients against a plain forward and backward pass, in one process.

    python -m benchmarks.trace [--short] [--threads 1] [--neighbours captum dattri vmap]

Random weights and photos (speed does not depend on them). The directions have the form the ``adam`` formula folds into:
dense tensors, one per query; folding them is timed apart. Rounds alternate between the contestants, and medians are
compared, so that a busy machine slows both. The last line printed is one JSON object: time over plain forward and
backward (which fills ``.grad``) by key, and for neighbours their time over ours for the same ``sgd`` scores.
"""

import argparse
import importlib.metadata
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.neighbours import NEIGHBOURS, Task, ours
from benchmarks.record import write_result
from grasp_psonet.influence.coverage import Scope, cover
from grasp_psonet.influence.products import products

NUM_CLASSES = 3
DEMO_CONVNEXT = {"depths": (1, 1, 3, 1), "dims": (16, 32, 64, 128), "ls_init_value": 0.1}
DEMO_VIT = {"img_size": 64, "patch_size": 16, "embed_dim": 96, "depth": 4, "num_heads": 3}


@dataclass(frozen=True)
class Workload:
    """One encoder with a linear head, a batch of photos and the directions of some queries."""

    encoder: str
    options: Mapping[str, Any]
    edge_px: int
    num_photos: int
    num_queries: int


WORKLOADS = {
    "demo_convnext_q9": Workload("convnext_atto", DEMO_CONVNEXT, 64, 48, 9),
    "demo_vit_q9": Workload("vit_tiny_patch16_224", DEMO_VIT, 64, 48, 9),
    "convnext_tiny_224_q1": Workload("convnext_tiny", {}, 224, 8, 1),
    "convnext_tiny_224_q9": Workload("convnext_tiny", {}, 224, 8, 9),
    "convnext_tiny_224_q64": Workload("convnext_tiny", {}, 224, 8, 64),
    "vit_small_224_q9": Workload("vit_small_patch16_224", {}, 224, 8, 9),
}


@dataclass(frozen=True)
class Case:
    """A workload made real."""

    network: nn.Module
    photos: Tensor
    labels: Tensor
    scope: Scope
    directions: dict[str, Tensor]

    def losses(self, network: nn.Module) -> Tensor:
        """One loss per photo, [B]."""
        return functional.cross_entropy(network(self.photos), self.labels, reduction="none")

    def scores(self) -> Tensor:
        """Ours, [B, Q]."""
        return products(self.network, self.losses, self.scope, self.directions).dot_BQ

    def plain(self) -> None:
        """A forward and backward pass of the same batch that fills ``.grad``."""
        self.network.zero_grad()
        self.losses(self.network).sum().backward()  # type: ignore[no-untyped-call]


def make_case(work: Workload, device: str) -> Case:
    """Builds the network with random weights and draws photos and directions."""
    torch.manual_seed(0)
    network = timm.create_model(work.encoder, num_classes=NUM_CLASSES, **work.options).eval().to(device)
    photos = torch.randn(work.num_photos, 3, work.edge_px, work.edge_px, device=device)
    labels = torch.arange(work.num_photos, device=device) % NUM_CLASSES
    few = slice(min(2, work.num_photos))
    scope = cover(network, lambda n: functional.cross_entropy(n(photos[few]), labels[few], reduction="none"))
    directions = {n: torch.randn(work.num_queries, *p.shape, device=device) for n, p in network.named_parameters()}
    return Case(network, photos, labels, scope, directions)


def interleaved_s(contestants: Mapping[str, Callable[[], object]], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of each contestant in each round; every contestant runs once before."""
    elapsed_s: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            if device != "cpu":
                torch.cuda.synchronize()
            if turn:
                elapsed_s[name].append(time.perf_counter() - start)
    return elapsed_s


def median_ratio(over: list[float], under: list[float]) -> float:
    """Median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def measure(key: str, rounds: int, device: str) -> dict[str, Any]:
    """Ratio of ours to the plain pass, and the time of folding one query (lr / b * D * gradient)."""
    case = make_case(WORKLOADS[key], device)
    elapsed_s = interleaved_s({"ours": case.scores, "plain": case.plain}, rounds, device)
    denominators = {name: torch.rand_like(p) for name, p in case.network.named_parameters()}
    fold = interleaved_s(
        {"fold": lambda: {name: d[:1] * denominators[name] * 0.25 for name, d in case.directions.items()}}, 3, device
    )
    return {
        "ratio": median_ratio(elapsed_s["ours"], elapsed_s["plain"]),
        "ours_s": statistics.median(elapsed_s["ours"]),
        "plain_s": statistics.median(elapsed_s["plain"]),
        "fold_per_query_s": statistics.median(fold["fold"]),
        "rounds": rounds,
        "num_photos": len(case.photos),
        "coverage": str(case.scope),
    }


def measure_neighbours(names: list[str], rounds: int, device: str) -> dict[str, Any]:
    """Their time over ours for the same sgd scores, after checking that they agree.

    160 photos in batches of 32 against 9 queries on the demo ConvNeXt, query gradients included.
    """
    case = make_case(replace(WORKLOADS["demo_convnext_q9"], num_photos=169), device)
    task = Task(
        case.network, case.photos[:160], case.labels[:160], case.photos[160:], case.labels[160:], case.scope, 32
    )
    wanted = ours(task)
    gaps = {name: float((NEIGHBOURS[name](task) - wanted).abs().max() / wanted.abs().max()) for name in names}
    contestants = {"ours": partial(ours, task)} | {name: partial(NEIGHBOURS[name], task) for name in names}
    elapsed_s = interleaved_s(contestants, rounds, device)
    return {
        "ratio": {name: median_ratio(elapsed_s[name], elapsed_s["ours"]) for name in names},
        "largest_gap": gaps,
        "seconds": {name: statistics.median(found) for name, found in elapsed_s.items()},
        "versions": {name: importlib.metadata.version(name) for name in names if name != "vmap"},
    }


def main() -> None:
    """Measures, writes a dated file to ``benchmarks/results``, prints the ratios as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="demo encoders only, few rounds; writes no file")
    parser.add_argument("--keys", nargs="*", default=None, choices=list(WORKLOADS), help="only these workloads")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--label", default="cpu", help="ends the name of the result file")
    parser.add_argument("--neighbours", nargs="*", default=[], choices=list(NEIGHBOURS), help="other tools to compare")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = list(WORKLOADS) if options.keys is None else options.keys
    keys = [key for key in chosen if not options.short or key.startswith("demo")]
    details: dict[str, Any] = {}
    for key in keys:
        rounds = min(3, options.rounds) if options.short else options.rounds
        details[key] = measure(key, rounds, options.device)
        print(key, json.dumps(details[key]), flush=True)
    ratios = {key: round(found["ratio"], 3) for key, found in details.items()}
    if options.neighbours:
        details["neighbours"] = measure_neighbours(options.neighbours, min(3, options.rounds), options.device)
        print("neighbours", json.dumps(details["neighbours"]), flush=True)
        ratios |= {name: round(ratio, 2) for name, ratio in details["neighbours"]["ratio"].items()}
    device = "cpu" if options.device == "cpu" else torch.cuda.get_device_name()
    about = {"device": device, "threads": options.threads, "details": details}
    if options.short:
        print(json.dumps(ratios))
    else:
        write_result(f"trace-{options.label}", ratios | about)


if __name__ == "__main__":
    main()
