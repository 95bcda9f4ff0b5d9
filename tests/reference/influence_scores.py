"""Influence scores as the formulas are written: a loop over anchors, queries and photos, one gradient at a time."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.anchors import load_weights
from grasp_psonet.trajectory.trajectory import Trajectory
from tests.reference.real_training import by_parameter


def gradient_of(network: BagNetwork, bag: Bag, pixels: np.ndarray) -> dict[str, Tensor]:
    """Gradient of the cross-entropy of this bag against its label."""
    network.zero_grad()
    batch = collate([bag], pixels)
    logits = network(batch.photos_BNCHW.double(), batch.is_photo_BN).logits_BC
    torch.nn.functional.cross_entropy(logits, batch.label_B).backward()
    found = {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in network.named_parameters()
    }
    network.zero_grad()
    return found


def scores_of(
    network: BagNetwork,
    trajectory: Trajectory,
    training: list[Bag],
    queries: list[Bag],
    pixels: np.ndarray,
    formula: str,
) -> np.ndarray:
    """Scores [queries, photos] of unit single and counting checkpoints."""
    total = np.zeros((len(queries), len(training)))
    beta2, eps = trajectory.optimizer.betas[1], trajectory.optimizer.eps
    for before, step in trajectory.windows():
        anchor = trajectory.read(step, torch.device("cpu"))
        load_weights(network, anchor)
        phase = trajectory.optimizer.at(step)
        parts, _ = by_parameter(phase)
        for q, query in enumerate(queries):
            of_query = gradient_of(network, query, pixels)
            for z, photo in enumerate(training):
                of_photo = gradient_of(network, photo, pixels)
                dot = query_square = photo_square = 0.0
                for name, ours in of_photo.items():
                    theirs = of_query[name]
                    m, v = anchor.state.exp_avg[name], anchor.state.exp_avg_sq[name]
                    part = parts.get(name, 1.0)
                    scale = part / ((v / (1 - beta2 ** (step - phase.after))).sqrt() + eps)
                    scale = torch.where(v > 0, scale, 0.0)
                    if formula == "paper":
                        dot += part * float((m / (v.sqrt() + eps) * theirs * ours).sum())
                    elif formula == "sgd":
                        dot += part * float((theirs * ours).sum())
                    else:
                        dot += float((scale * theirs * ours).sum())
                    query_square += float((scale * theirs**2).sum())
                    photo_square += float((scale * ours**2).sum())
                if formula == "cosine":
                    norms = (query_square * photo_square) ** 0.5
                    dot = dot / norms if norms else 0.0
                total[q, z] += dot * _weight(trajectory.steps, photo.visit_id, before, step, formula != "cosine")
    return total


def _weight(steps: pd.DataFrame, visit_id: str, before: int, until: int, divided: bool) -> float:
    total = 0.0
    for step in range(before + 1, until + 1):
        draws = steps[steps["step"] == step]
        count = int((draws["visit_id"] == visit_id).sum())
        total += float(draws["lr"].iloc[0]) * count / (len(draws) if divided else 1)
    return total
