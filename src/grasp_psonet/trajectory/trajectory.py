"""What a run left behind: anchors, step records, which step was kept; and what replays it."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import torch

from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import TraceError
from grasp_psonet.trajectory.anchors import Anchor, anchor_path, anchor_steps, read_anchor
from grasp_psonet.trajectory.replay import ReplayedStep, compare_with_anchor
from grasp_psonet.trajectory.settings import OptimizerSettings


@dataclass(frozen=True)
class Trajectory:
    """What a run left behind, as far as tracing reads it."""

    anchors: Path
    steps: pd.DataFrame
    kept_step: int
    optimizer: OptimizerSettings

    def windows(self, *, beyond_kept: bool = False) -> list[tuple[int, int]]:
        """(previous anchor, anchor) steps up to the kept one, for later steps did not make its predictions; or all."""
        steps = [step for step in anchor_steps(self.anchors) if beyond_kept or step <= self.kept_step]
        return list(pairwise([0, *steps]))

    def read(self, step: int, device: torch.device) -> Anchor:
        """The anchor written after this step."""
        return read_anchor(anchor_path(self.anchors, step), device)


@dataclass(frozen=True)
class Replaying:
    """What replays a trajectory besides itself: its batches, where it started, and how far a loss may be off (0: no bit)."""

    rebuild: BatchSource
    start: Anchor
    tolerance: float = 0.0

    def anchor(self, trajectory: Trajectory, step: int, device: torch.device) -> Anchor:
        """The anchor to replay from; before step 1 it is the start."""
        if self.start.step != 0:
            raise TraceError(f"the start of a replay is the anchor before step 1; seen: that of step {self.start.step}")
        return self.start if step == 0 else trajectory.read(step, device)

    def compare_end(self, trajectory: Trajectory, step: ReplayedStep, until: int) -> None:
        """Compares the last step of a window with the anchor written after it. Raises ReplayMismatch."""
        if step.step == until:
            device = next(iter(step.weights_after.values())).device
            compare_with_anchor(step, trajectory.read(until, device), self.tolerance)
