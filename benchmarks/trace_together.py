"""What one ranking for all errors costs beside the training that it explains (``prune.rule together``, ``trace.pairs``).

One epoch of training against the scores at the anchor that it leaves, by the product's own code and at the default formula and
unit: the sum over the errors for every photo, and the scores of single errors for the photos at the ends. Time is the process's
own. Errors cost a gradient each, whatever the number of photos: what a photo and an error cost is measured apart, and told for
the sizes of a study.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.trace_cases import wait
from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.at_anchors import anchor_scores
from grasp_psonet.influence.tracing.request import Request
from grasp_psonet.influence.units.table import cover_unit
from grasp_psonet.network.network import BagNetwork, build_network
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import trained_weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory

PER_VISIT = 6  # photos
FEW, MANY = 1, 9  # errors: what one more costs is the difference


@dataclass(frozen=True)
class Together:
    """A network and a size of study: photos of training, errors at an anchor, and photos whose single scores are wanted."""

    network: NetworkSettings
    edge_px: int
    num_visits: int
    photos: int
    errors: int
    pairs: int

    def shrunk(self) -> "Together":
        """The same with one step of training: shows that everything runs."""
        return replace(self, num_visits=4)


CASES = {
    # the demo preset's size; and the paper's, where a laptop can still hold an epoch of a few visits
    "demo": Together(
        NetworkSettings("demo_convnext", "random", feature_length=64, attention_hidden=32, head_hidden=32),
        64,
        32,
        photos=1_200,
        errors=28,
        pairs=240,
    ),
    "convnext_tiny_224": Together(
        NetworkSettings("convnext_tiny", "random"), 224, 4, photos=28_060, errors=40, pairs=800
    ),
}


def measure(case: Together, rounds: int, device: str) -> dict[str, float]:
    """Ratios to one epoch of training at the case's size, and the seconds that they come from."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.trained(case, Path(folder), device)
        photos = tuple(run.request(MANY).photo_ids)
        some = frozenset(photos[: len(photos) // 2])
        contestants: dict[str, Callable[[], object]] = {
            "training": run.train,
            "few": partial(run.scores, run.request(FEW, folds=True)),
            "many": partial(run.scores, run.request(MANY, folds=True)),
            "half": partial(run.scores, run.request(FEW, folds=True, only=some)),
            "pairs": partial(run.scores, run.request(MANY)),
            "half of pairs": partial(run.scores, run.request(MANY, only=some)),
        }
        seconds = _interleaved(contestants, rounds, device)
    train_s = seconds["training"] / len(photos)
    error_s = max(0.0, (seconds["many"] - seconds["few"]) / (MANY - FEW))
    photo_s = (seconds["few"] - seconds["half"]) / (len(photos) - len(some))
    pair_s = (seconds["pairs"] - seconds["half of pairs"]) / (len(photos) - len(some))
    anchor_s = seconds["few"] - len(photos) * photo_s - FEW * error_s
    apart_s = seconds["pairs"] - len(photos) * pair_s  # the gradients of so many errors one by one
    training_s = train_s * case.photos
    summed_s = anchor_s + photo_s * case.photos + error_s * case.errors
    one_more_s = (pair_s - photo_s) / (MANY - 1)  # a photo's product with one more error
    each_s = pair_s + one_more_s * (case.errors - MANY)
    pairs_s = anchor_s + (apart_s - anchor_s) / MANY * case.errors + each_s * case.pairs
    return {
        "together_over_training": summed_s / training_s,
        "with_pairs_over_training": (summed_s + pairs_s) / training_s,
        "anchor_over_training_photo": anchor_s / train_s,
        "photo_over_training_photo": photo_s / train_s,
        "error_over_training_photo": error_s / train_s,
        "pair_photo_over_training_photo": pair_s / train_s,
        "train_s_per_photo": train_s,
        "photos": float(case.photos),
        "errors": float(case.errors),
        "photos_with_pairs": float(case.pairs),
    }


@dataclass
class Run:
    """One epoch of a training on random photos, and what it left."""

    case: Together
    source: BatchSource
    queries: tuple[Bag, ...]
    plan: pd.DataFrame
    network: TrainedNetwork
    device: str

    @classmethod
    def trained(cls, case: Together, folder: Path, device: str) -> "Run":
        num_bags = case.num_visits + MANY
        ids = [tuple(f"v{v:02d}-p{n}" for n in range(PER_VISIT)) for v in range(num_bags)]
        rows = [tuple(range(v * PER_VISIT, (v + 1) * PER_VISIT)) for v in range(num_bags)]
        present = (True,) * PER_VISIT
        bags = {f"v{v:02d}": Bag(f"v{v:02d}", v % 3, ids[v], rows[v], present) for v in range(num_bags)}
        shape = (num_bags * PER_VISIT, case.edge_px, case.edge_px, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        training = dict(list(bags.items())[: case.num_visits])
        source = BatchSource(training, pixels, AugmentationSettings(flip=True, shift=0.05))
        queries = tuple(bag.only(bag.photo_ids[0]) for name, bag in bags.items() if name not in training)
        plan = batch_plan({name: bag.label for name, bag in training.items()}, 1, 4, "shuffled", 0)
        network = build_network(case.network, case.edge_px, 0, Outcome()).to(device)
        law = AdamLaw.of(OptimizerSettings(lr=1e-6))
        trajectory = Trajectory(folder, pd.DataFrame(), 0, law)
        run = cls(case, source, queries, plan, TrainedNetwork(network, trajectory), device)
        run.train()
        return run

    def train(self) -> None:
        """One epoch, with the anchor that it leaves."""
        network, trajectory = self.network.network, self.network.trajectory
        assert isinstance(network, BagNetwork)
        state, rows = AdamState.at_start(trained_weights_of(network)), []
        for step in recorded_steps(network, self.plan, self.source, trajectory.optimizer, state):
            rows.append(step.rows())
        write_anchor(trajectory.anchors, step.anchor(network))

        self.network = replace(self.network, trajectory=replace(trajectory, steps=pd.concat(rows), kept_step=step.step))

    def request(self, num_queries: int, **changes: Any) -> Request:
        """The first of the errors, by the settings' defaults; ``changes`` are other values of the request."""
        settings = TraceSettings()
        bags = tuple(self.source.bags.values())
        probe = collate(list(bags[:3]), self.source.pixels)
        coverage = cover_unit(settings.unit, self.network.network, probe.to(self.network.device))
        wanted = (FORMULAS[settings.formula],)
        request = Request(bags, self.queries[:num_queries], self.source.pixels, wanted, settings, coverage)
        return replace(request, **changes)

    def scores(self, request: Request) -> None:
        anchor_scores(self.network, 0, self.network.trajectory.kept_step, request)


def _interleaved(contestants: dict[str, Callable[[], object]], rounds: int, device: str) -> dict[str, float]:
    """Median of the process's own seconds; one round goes before."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, act in contestants.items():
            wait(device)
            start = time.process_time()
            act()
            wait(device)
            if turn:
                found[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in found.items()}
