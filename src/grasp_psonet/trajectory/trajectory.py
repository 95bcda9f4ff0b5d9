"""What a training left behind: anchors, step records, which step was kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import torch

from grasp_psonet.errors import TraceError
from grasp_psonet.tables.columns import STEP
from grasp_psonet.trajectory.anchors import Anchor, anchor_path, anchor_steps, read_anchor
from grasp_psonet.trajectory.law import AdamLaw


@dataclass(frozen=True)
class Trajectory:
    """Anchors (a folder), step records (columns in ``records``), the step that was kept, and the optimizer's law.

    ``autocast`` is the precision of a training under ``torch.autocast`` (``bfloat16``); None: that of the weights.
    """

    anchors: Path
    steps: pd.DataFrame
    kept_step: int
    optimizer: AdamLaw
    autocast: str | None = None

    def as_run(self, device: torch.device) -> AbstractContextManager[object]:
        """The precision that training ran in, for a step that is repeated."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(device.type, getattr(torch, self.autocast))

    def windows(self, *, beyond_kept: bool = False) -> list[tuple[int, int]]:
        """(previous anchor, anchor) steps up to the kept one, for later steps did not make its predictions; or all.

        Raises TraceError where a window would reach from one phase of training into the next.
        """
        steps = [step for step in anchor_steps(self.anchors) if beyond_kept or step <= self.kept_step]
        for phase in self.optimizer.phases[1:]:
            if steps and phase.after < steps[-1] and phase.after not in steps:
                raise TraceError(
                    f"the run has no anchor at step {phase.after}, where its {phase.name} began\n  next: train again"
                )
        return list(pairwise([0, *steps]))

    def has_anchor(self, step: int) -> bool:
        """Whether an anchor was written after this step."""
        return anchor_path(self.anchors, step).exists()

    def read(self, step: int, device: torch.device) -> Anchor:
        """The anchor written after this step; moments are 0 of parameters that have stood so far and will move later.

        Raises StageError when it is missing or damaged.
        """
        anchor = read_anchor(anchor_path(self.anchors, step), device)
        for name in self.optimizer.at(step).standing - anchor.state.exp_avg.keys():
            anchor.state.exp_avg[name] = torch.zeros_like(anchor.weights[name])
            anchor.state.exp_avg_sq[name] = torch.zeros_like(anchor.weights[name])
        return anchor

    def draws_between(self, before: int, until: int) -> pd.DataFrame:
        """The records of the steps after ``before`` up to ``until``."""
        return self.steps[(self.steps[STEP] > before) & (self.steps[STEP] <= until)]

    def draws_of_steps(self, before: int, until: int) -> Iterator[pd.DataFrame]:
        """The same, step by step."""
        for _, draws in self.draws_between(before, until).groupby(STEP):
            yield draws
