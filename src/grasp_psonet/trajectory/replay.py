"""Replay: from an anchor through the recorded steps to the next, with every number compared to what was recorded."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch

from grasp_psonet.bags.bag import AugmentationKey, Bag, BagBatch, Pixels, collate
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.errors import ReplayMismatch
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import Anchor, load_weights
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.step import train_step


@dataclass(frozen=True)
class Rebuild:
    """What rebuilds the batch of a step: the bags, their photos, and the key of augmentation."""

    bags: dict[str, Bag]
    pixels: Pixels
    augmentation: AugmentationSettings
    seed: int
    reads_removed: bool

    def batch(self, draws: pd.DataFrame, device: torch.device) -> BagBatch:
        """The batch of one step from its rows of the batch plan."""
        bags = [self.bags[visit_id] for visit_id in draws["visit_id"]]
        if not self.reads_removed:
            bags = [bag.without_removed() for bag in bags]
        keys = [
            AugmentationKey(self.augmentation, self.seed, int(epoch), int(draw))
            for epoch, draw in zip(draws["epoch"], draws["draw"], strict=True)
        ]
        return collate(bags, self.pixels, keys).to(device)


def replay(
    network: BagNetwork,
    anchor: Anchor,
    steps: pd.DataFrame,
    until: int,
    rebuild: Rebuild,
    optimizer: OptimizerSettings,
    tolerance: float = 0.0,
) -> Iterator[AdamState]:
    """Repeats the recorded steps after the anchor up to ``until``; yields the state after each step.

    The network holds the weights after the step while a state is yielded. Raises ReplayMismatch at the first loss that
    differs from the record by more than ``tolerance`` (0: bitwise, as on the same machine, versions and threads).
    """
    load_weights(network, anchor)
    state = AdamState(
        {name: moment.clone() for name, moment in anchor.state.exp_avg.items()},
        {name: moment.clone() for name, moment in anchor.state.exp_avg_sq.items()},
        anchor.step,
    )
    device = next(network.parameters()).device
    window = steps[(steps["step"] > anchor.step) & (steps["step"] <= until)]
    for step, draws in window.groupby("step"):
        outcome = train_step(network, rebuild.batch(draws, device), state, optimizer, float(draws["lr"].iloc[0]))
        recorded = torch.tensor(draws["loss"].to_numpy())
        difference = (outcome.loss_B.cpu() - recorded).abs()
        if not bool((difference <= tolerance).all()):
            worst = int(difference.argmax())
            raise ReplayMismatch(
                f"step {step} replays to loss {float(outcome.loss_B[worst]):.9g}; the trajectory says "
                f"{float(recorded[worst]):.9g} (draw {worst} of {len(draws)}, tolerance {tolerance:g})\n"
                "  next: replay with the settings, versions and threads of the run (its stage.json), or train again"
            )
        yield state
