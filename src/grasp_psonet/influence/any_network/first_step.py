"""Whether a recorded training did what tracing takes it to have done, seen at its first step.

The weights before step 1, its draws, logits, gradient norm and the moments after it are on record: replaying it costs one step.
"""

import math
from dataclasses import replace

import torch
from torch import nn

from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import ReplayMismatch, TraceError
from grasp_psonet.network.loss import has_own_loss, loss_of
from grasp_psonet.tables.columns import CLIPPED_NORM, LOSS
from grasp_psonet.trajectory.any_loop.recording import read_after_first_step, read_start, with_losses
from grasp_psonet.trajectory.replay import ReplayedStep, compare_losses, compare_norm, compare_with_anchor
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory

GRADIENT_TOLERANCE = (
    1e-2  # of the norm, and of the largest moment: another loss is off by more, another machine by less
)
AUTOCAST_TOLERANCE = 3e-2  # of both, where training ran in half precision


def first_step_caveats(
    network: nn.Module, trajectory: Trajectory, source: BatchSource, tolerance: float
) -> tuple[str, ...]:
    """What must be said beside scores counted at anchors, for they replay nothing else; nothing where step 1 replays.

    Three things may keep it from that: step 1 cannot be replayed; it returned other logits, so that training saw other
    photos, or the network in another mode; or with the same logits its gradient was another, so that training followed
    another loss, or clipped. The network holds other weights afterwards.
    """
    first = replace(trajectory, kept_step=1)
    try:
        start = read_start(trajectory, next(network.parameters()).device)
        told = with_losses(first, source.labels, loss_of(network) if has_own_loss(network) else None)
    except TraceError as fault:
        return (
            "counted at anchors, and step 1 could not be replayed, so that nothing shows whether training did what scores "
            f"assume (the mean cross-entropy of the draws, photos as given, evaluation mode): {str(fault).splitlines()[0]}",
        )
    (step,) = TrainedNetwork(network, told, source, start, math.inf).replay(0, 1)
    draws = told.steps
    try:
        tolerance = tolerance if trajectory.autocast is None else max(tolerance, AUTOCAST_TOLERANCE)
        compare_losses(1, step.gradient.result.loss_B.cpu(), torch.tensor(draws[LOSS].to_numpy()), tolerance)
    except ReplayMismatch as fault:
        return (
            f"{str(fault).splitlines()[0]}: training saw other photos than these, or the network in another mode "
            "(augmentation, dropout, statistics of the batch, mixed precision), while scores at anchors take the bags as "
            "given in evaluation mode; whether the loss was the mean cross-entropy of the draws could not be seen",
        )
    try:
        _compare_gradient(step, trajectory)
    except ReplayMismatch as fault:
        return (
            f"{str(fault).splitlines()[0]}: its logits are those recorded, so training followed another loss than the mean "
            "cross-entropy of the draws (weighted, smoothed or summed; other labels), or clipped, which "
            "record(clip_norm=...) says; these scores are those of the mean cross-entropy",
        )
    return ()


def _compare_gradient(step: ReplayedStep, trajectory: Trajectory) -> None:
    recorded = trajectory.steps[CLIPPED_NORM]
    tolerance = GRADIENT_TOLERANCE if trajectory.autocast is None else AUTOCAST_TOLERANCE
    compare_norm(1, step.gradient.clipped, float(recorded.iloc[0]), tolerance)
    after = read_after_first_step(trajectory, next(iter(step.weights.values())).device)
    if after is not None:
        compare_with_anchor(step, after, tolerance)
