"""One training step, as training does it and as replay repeats it."""

# Axes: B draws of the step, N photos per bag, C classes (in logits).

from typing import NamedTuple

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.network.loss import loss_of
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.adam import AdamState, adam_step, clip_coefficient, gradient_norm
from grasp_psonet.trajectory.anchors import trained_weights_of
from grasp_psonet.trajectory.logits import logits_of
from grasp_psonet.trajectory.settings import OptimizerSettings


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


def train_step(
    network: BagNetwork, batch: BagBatch, state: AdamState, settings: OptimizerSettings, lr: float
) -> StepResult:
    """Mean loss over the draws, backward, clipping, one Adam step; weights and state change in place."""
    found = batch_gradient(network, batch, settings.clip_norm)
    adam_step(trained_weights_of(network), found.clipped, state, settings, lr)
    return found.result


def trained_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a step moves, by name: those that require a gradient."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def batch_gradient(network: nn.Module, batch: BagBatch, clip_norm: float | None) -> BatchGradient:
    """The gradient that a step on this batch takes; a trained parameter that the loss does not reach has gradient 0."""
    logits_BC = logits_of(network, batch)
    loss_B = loss_of(network)(logits_BC, batch.label_B)
    parameters = trained_parameters(network)
    found = torch.autograd.grad(loss_B.mean(), list(parameters.values()), allow_unused=True)
    gradients = {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for (name, parameter), gradient in zip(parameters.items(), found, strict=True)
    }
    norm = float(gradient_norm(gradients))
    clip = clip_coefficient(norm, clip_norm)
    if clip < 1:
        gradients = {name: gradient * clip for name, gradient in gradients.items()}
    return BatchGradient(StepResult(logits_BC.detach(), loss_B.detach(), norm), gradients, clip)
