"""A replayed step, and its comparison with what was recorded."""

# Axes: B draws of a step.

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from grasp_psonet.bags.bag import Bag, BagBatch
from grasp_psonet.errors import ReplayMismatch
from grasp_psonet.tables.columns import CLIPPED_NORM, LOSS, STEP
from grasp_psonet.trajectory.adam import AdamState, gradient_norm
from grasp_psonet.trajectory.anchors import Anchor
from grasp_psonet.trajectory.law import Phase
from grasp_psonet.trajectory.step import BatchGradient


@dataclass(frozen=True)
class ReplayedStep:
    """One step as it was taken; its tensors are its own, so that steps may be kept.

    ``bags`` are those drawn, in the rows of ``batch`` (a bag drawn twice stands there twice). ``weights`` are those before
    the step (where its gradients were taken), ``weights_after`` and ``state`` those after it. ``lr`` is the learning rate of
    the step, ``rates`` that of each parameter under its ``phase``. ``remembered`` are the moments before it, which Adam's
    own law does not need (None).
    """

    step: int
    lr: float
    phase: Phase
    rates: Mapping[str, float]
    bags: tuple[Bag, ...]
    batch: BagBatch
    gradient: BatchGradient
    weights: dict[str, Tensor]
    weights_after: dict[str, Tensor]
    state: AdamState
    remembered: AdamState | None = None

    def age(self, name: str) -> int:
        """Steps that the moments of this parameter have seen, this one included: t in the bias corrections."""
        return self.phase.age(self.step, name)


def compare_with_record(gradient: BatchGradient, draws: pd.DataFrame, tolerance: float) -> None:
    """Raises ReplayMismatch where losses, or the clipped gradient's norm if recorded, differ from the step's records."""
    step = int(draws[STEP].iloc[0])
    compare_losses(step, gradient.result.loss_B.cpu(), torch.tensor(draws[LOSS].to_numpy()), tolerance)
    if CLIPPED_NORM in draws:
        compare_norm(step, gradient.clipped, float(draws[CLIPPED_NORM].iloc[0]), tolerance)


def compare_with_anchor(step: ReplayedStep, anchor: Anchor, tolerance: float) -> None:
    """Raises ReplayMismatch where the replayed step does not end where training ended it: at the anchor of that step.

    Losses and norms do not tell every other gradient apart: clipping gives any of them the same norm. With tolerance 0
    weights and moments are compared bitwise. Else the first moments are, up to ``tolerance`` times their largest value
    anywhere: weights that no loss depends on (before a softmax) step by the lr whichever way their gradient was rounded.
    """
    pairs = {"first moments": (step.state.exp_avg, anchor.state.exp_avg)}
    if not tolerance:
        pairs["weights"] = (step.weights_after, anchor.weights)
        if step.phase.rule.has_second_moment:
            pairs["second moments"] = (step.state.exp_avg_sq, anchor.state.exp_avg_sq)
    for what, (replayed, recorded) in pairs.items():
        largest = max(float(value.abs().max()) for value in recorded.values())
        for name, value in recorded.items():
            difference = (replayed[name] - value).abs().flatten()
            if bool((difference <= tolerance * largest).all()):
                continue
            worst = int(difference.argmax())
            raise ReplayMismatch(
                f"step {step.step} replays to {what} that differ at {name}, by up to {float(difference[worst]):.9g} (replayed "
                f"{float(replayed[name].flatten()[worst]):.9g}; its anchor says {float(value.flatten()[worst]):.9g}; largest "
                f"{largest:.9g}, tolerance {tolerance:g})\n"
                "  next: replay with the loss of the run: the mean cross-entropy of the draws, neither weighted nor smoothed"
            )


def compare_losses(step: int, loss_B: Tensor, recorded_B: Tensor, tolerance: float) -> None:
    """Raises ReplayMismatch where a draw's loss differs from the recorded one by more than the tolerance."""
    difference_B = (loss_B - recorded_B).abs()
    if not bool((difference_B <= tolerance).all()):
        worst = int(difference_B.argmax())
        raise ReplayMismatch(
            f"step {step} replays to loss {float(loss_B[worst]):.9g}; the trajectory says "
            f"{float(recorded_B[worst]):.9g} (draw {worst} of {len(loss_B)}, tolerance {tolerance:g})\n"
            "  next: replay with the settings, versions and threads of the run (its stage.json), or train again"
        )


def compare_norm(step: int, clipped: dict[str, Tensor], recorded: float, tolerance: float) -> None:
    """The same for the gradient's norm, ``tolerance`` times the norm where that is above 1."""
    norm = float(gradient_norm(clipped))
    if not abs(norm - recorded) <= tolerance * max(1.0, recorded):
        raise ReplayMismatch(
            f"step {step} replays to a gradient of norm {norm:.9g}; the trajectory says {recorded:.9g} (after clipping, "
            f"tolerance {tolerance:g})\n"
            "  next: replay with the loss and clipping of the run: the mean cross-entropy of the draws"
        )
