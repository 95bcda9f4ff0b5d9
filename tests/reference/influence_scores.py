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

FORMULAS = ("paper", "sgd", "adam", "cosine")


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
    return scores_by_formula(network, trajectory, training, queries, pixels)[formula]


def scores_by_formula(
    network: BagNetwork, trajectory: Trajectory, training: list[Bag], queries: list[Bag], pixels: np.ndarray
) -> dict[str, np.ndarray]:
    """The same of every formula."""
    total = {formula: np.zeros((len(queries), len(training))) for formula in FORMULAS}
    beta2, eps = trajectory.optimizer.betas[1], trajectory.optimizer.eps
    for before, step in trajectory.windows():
        anchor = trajectory.read(step, torch.device("cpu"))
        load_weights(network, anchor)
        phase = trajectory.optimizer.at(step)
        parts, _ = by_parameter(phase)
        own = dict(network.named_parameters())
        m_D, v_D = (_flat({name: one[name] for name in own}) for one in (anchor.state.exp_avg, anchor.state.exp_avg_sq))
        part_D = _flat({name: torch.full_like(weight, parts.get(name, 1.0)) for name, weight in own.items()})
        scale_D = part_D / ((v_D / (1 - beta2 ** (step - phase.after))).sqrt() + eps)
        scale_D = torch.where(v_D > 0, scale_D, 0.0)
        between = {"paper": part_D * m_D / (v_D.sqrt() + eps), "sgd": part_D, "adam": scale_D, "cosine": scale_D}
        of_query_QD = [_flat(gradient_of(network, query, pixels)) for query in queries]
        for z, photo in enumerate(training):
            ours_D = _flat(gradient_of(network, photo, pixels))
            for q, theirs_D in enumerate(of_query_QD):
                norms = float((scale_D * theirs_D**2).sum() * (scale_D * ours_D**2).sum()) ** 0.5
                for formula, between_D in between.items():
                    dot = float((between_D * theirs_D * ours_D).sum())
                    if formula == "cosine":
                        dot = dot / norms if norms else 0.0
                    weight = _weight(trajectory.steps, photo.visit_id, before, step, formula != "cosine")
                    total[formula][q, z] += dot * weight
    return total


def _flat(by_name: dict[str, Tensor]) -> Tensor:
    """All parameters as one vector."""
    return torch.cat([value.detach().flatten() for value in by_name.values()])


def _weight(steps: pd.DataFrame, visit_id: str, before: int, until: int, divided: bool) -> float:
    total = 0.0
    for step in range(before + 1, until + 1):
        draws = steps[steps["step"] == step]
        count = int((draws["visit_id"] == visit_id).sum())
        total += float(draws["lr"].iloc[0]) * count / (len(draws) if divided else 1)
    return total
