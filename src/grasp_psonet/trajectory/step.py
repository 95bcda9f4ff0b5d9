"""One training step, as training does it and as replay repeats it."""

# Axes: B draws of the step, N photos per bag, C classes (in logits).

from typing import NamedTuple

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.network.checkpointing import checkpointed
from grasp_psonet.network.loss import loss_of
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.adam import AdamState, clip_coefficient, gradient_norm, optimizer_step
from grasp_psonet.trajectory.anchors import trained_weights_of
from grasp_psonet.trajectory.law import AdamLaw, Phase
from grasp_psonet.trajectory.logits import logits_of


class StepResult(NamedTuple):
    """What the step saw before it changed the weights; ``grad_norm`` is that before clipping."""

    logits_BC: Tensor
    loss_B: Tensor
    grad_norm: float


class BatchGradient(NamedTuple):
    """The clipped gradient of a step's mean loss by parameter, and the factor ``clip`` (1: not clipped) that clipped it."""

    result: StepResult
    clipped: dict[str, Tensor]
    clip: float


def train_step(network: BagNetwork, batch: BagBatch, state: AdamState, law: AdamLaw, lr: float) -> StepResult:
    """Mean loss over the draws, backward, clipping, one Adam step; weights and state change in place."""
    phase, weights = law.at(state.step + 1), trained_weights_of(network)
    if phase.begins_after(state.step):
        state.forget()
    found = batch_gradient(network, batch, phase)
    optimizer_step(weights, found.clipped, state, phase, phase.rates(weights, lr))
    return found.result


def trained_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a step moves, by name: those that require a gradient."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def batch_gradient(network: nn.Module, batch: BagBatch, phase: Phase) -> BatchGradient:
    """The gradient that a step of this phase takes on this batch.

    It is 0 for a trained parameter that the loss does not reach, and for one that stands in the phase. A batch that is taken in
    pieces gives the same step up to rounding, in the memory of its largest piece.
    """
    parameters = trained_parameters(network)
    moving = [name for name in parameters if name not in phase.standing]
    gradients = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    logits, losses = [], []
    for piece in batch.pieces():
        with checkpointed(network, batch.recomputes):
            logits_BC = logits_of(network, piece)
            loss_B = loss_of(network)(logits_BC, piece.label_B)
            share = loss_B.mean() if piece is batch else loss_B.sum() / len(batch.label_B)
            found = torch.autograd.grad(share, [parameters[name] for name in moving], allow_unused=True)
        for name, gradient in zip(moving, found, strict=True):
            if gradient is not None:
                gradients[name] = gradient if piece is batch else gradients[name] + gradient
        logits.append(logits_BC.detach())
        losses.append(loss_B.detach())
    norm = gradient_norm(gradients)
    clip = clip_coefficient(norm, phase.settings.clip_norm)
    if clip < 1:
        gradients = {name: gradient * clip for name, gradient in gradients.items()}
    return BatchGradient(StepResult(torch.cat(logits), torch.cat(losses), float(norm)), gradients, clip)
