"""Replay: from an anchor through the recorded steps to the next, with every number compared to what was recorded."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import ReplayMismatch
from grasp_psonet.trajectory.adam import AdamState, adam_step, gradient_norm
from grasp_psonet.trajectory.anchors import Anchor, load_weights, weights_of
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.step import BatchGradient, batch_gradient


@dataclass(frozen=True)
class ReplayedStep:
    """One step as it was taken; its tensors are its own, so that steps may be kept.

    ``weights`` are those before the step (where its gradients were taken), ``weights_after`` and ``state`` those after it.
    """

    step: int
    lr: float
    draws: pd.DataFrame
    batch: BagBatch
    gradient: BatchGradient
    weights: dict[str, Tensor]
    weights_after: dict[str, Tensor]
    state: AdamState


def replay(
    network: nn.Module,
    anchor: Anchor,
    steps: pd.DataFrame,
    until: int,
    rebuild: BatchSource,
    optimizer: OptimizerSettings,
    tolerance: float = 0.0,
) -> Iterator[ReplayedStep]:
    """Repeats the recorded steps after the anchor up to ``until`` and yields each.

    While a step is yielded the network holds the weights before it (evaluate there what the step's gradients saw); after
    the last one it holds the weights after it. Parameters that require no gradient stand still. Raises ReplayMismatch at
    the first loss that differs from the record by more than ``tolerance`` (0: bitwise, as on the same machine, versions and
    threads), and at such a norm of the clipped gradient, where ``steps`` has a column ``clipped_norm`` of it.
    """
    load_weights(network, anchor)
    held = weights_of(network)
    weights, state = _copy(held), anchor.state
    device = next(network.parameters()).device
    window = steps[(steps["step"] > anchor.step) & (steps["step"] <= until)]
    for _, draws in window.groupby("step"):
        batch, lr = rebuild.batch(draws, device), float(draws["lr"].iloc[0])
        gradient = batch_gradient(network, batch, optimizer.clip_norm)
        _compare(state.step + 1, gradient.outcome.loss_B.cpu(), torch.tensor(draws["loss"].to_numpy()), tolerance)
        if "clipped_norm" in draws:
            _compare_norm(state.step + 1, gradient.clipped, float(draws["clipped_norm"].iloc[0]), tolerance)
        weights_after, state = _copy(weights), AdamState(_copy(state.exp_avg), _copy(state.exp_avg_sq), state.step)
        adam_step({name: weights_after[name] for name in gradient.clipped}, gradient.clipped, state, optimizer, lr)
        yield ReplayedStep(state.step, lr, draws, batch, gradient, weights, weights_after, state)
        copy_weights(network, weights_after)
        weights = weights_after


@torch.no_grad()
def copy_weights(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copies these weights into the network."""
    for name, weight in weights_of(network).items():
        weight.copy_(weights[name])


def compare_with_anchor(step: ReplayedStep, anchor: Anchor, tolerance: float) -> None:
    """Raises ReplayMismatch where the replayed step does not end where training ended it: at the anchor of that step.

    Losses and norms do not tell every other gradient apart: clipping gives any of them the same norm. With tolerance 0
    weights and moments are compared bitwise. Else the first moments are, up to ``tolerance`` times their largest value
    anywhere: weights that no loss depends on (before a softmax) step by the lr whichever way their gradient was rounded.
    """
    pairs = {"first moments": (step.state.exp_avg, anchor.state.exp_avg)}
    if not tolerance:
        pairs["weights"] = (step.weights_after, anchor.weights)
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


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _compare(step: int, loss_B: Tensor, recorded_B: Tensor, tolerance: float) -> None:
    difference_B = (loss_B - recorded_B).abs()
    if not bool((difference_B <= tolerance).all()):
        worst = int(difference_B.argmax())
        raise ReplayMismatch(
            f"step {step} replays to loss {float(loss_B[worst]):.9g}; the trajectory says "
            f"{float(recorded_B[worst]):.9g} (draw {worst} of {len(loss_B)}, tolerance {tolerance:g})\n"
            "  next: replay with the settings, versions and threads of the run (its stage.json), or train again"
        )


def _compare_norm(step: int, clipped: dict[str, Tensor], recorded: float, tolerance: float) -> None:
    """The same for the gradient's norm, ``tolerance`` times the norm where that is above 1."""
    norm = float(gradient_norm(clipped))
    if not abs(norm - recorded) <= tolerance * max(1.0, recorded):
        raise ReplayMismatch(
            f"step {step} replays to a gradient of norm {norm:.9g}; the trajectory says {recorded:.9g} (after clipping, "
            f"tolerance {tolerance:g})\n"
            "  next: replay with the loss and clipping of the run: the mean cross-entropy of the draws"
        )
