"""Scores counted step by step as the formulas are written: torch's own optimizer, one gradient of one photo at a time."""

import numpy as np
import torch
from torch import Tensor

from grasp_psonet.bags.bag import collate
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.network.network import BagNetwork
from tests.reference import real_training
from tests.tiny_run import TinyRun


def scores_of(
    run: TinyRun, unit: UnitName, query_kind: str, formulas: tuple[FormulaName, ...]
) -> dict[FormulaName, np.ndarray]:
    """Scores [queries, photos of the run's visits in order] by formula."""
    photo_ids = [photo_id for bag in run.visits for photo_id in bag.photo_ids]
    queries = run.queries(query_kind)
    total = {formula: np.zeros((len(queries), len(photo_ids))) for formula in formulas}
    network = run.network()
    optimizer = real_training.optimizer_of(run, network)
    steps, eps = run.trajectory.steps, run.trajectory.optimizer.eps
    beta2 = run.trajectory.optimizer.betas[1]
    for step, draws in steps[steps["step"] <= run.trajectory.kept_step].groupby("step"):
        if real_training.begins_phase(run, int(str(step))):
            optimizer = real_training.optimizer_of(run, network, int(str(step)))
        age = int(str(step)) - run.trajectory.optimizer.at(int(str(step))).after
        ours = {}
        for at, visit_id in enumerate(draws["visit_id"]):
            batch = real_training.double(run.source.batch(draws.iloc[[at]], torch.device("cpu")))
            for n, photo_id in enumerate(run.bags[visit_id].photo_ids):
                ours[at, photo_id] = _gradient(network, real_training.UNITS[unit](network, batch, n))
        theirs = [
            _gradient(network, real_training.loss_of(network, real_training.double(collate([query], run.pixels))))
            for query in queries
        ]
        real_training.take_step(run, network, optimizer, draws, "", lambda network, batch: torch.zeros(()))
        lr = float(draws["lr"].iloc[0])
        part_of = {group["params"][0]: group["lr_scale"] for group in optimizer.param_groups}
        moments = [(part_of[w], optimizer.state[w]) if w in part_of else None for w in network.parameters()]
        for (_, photo_id), photo in ours.items():
            z = photo_ids.index(photo_id)
            for q, query in enumerate(theirs):
                dot, paper, plain, of_query, of_photo = 0.0, 0.0, 0.0, 0.0, 0.0
                for moment, a, b in zip(moments, query, photo, strict=True):
                    if moment is None:
                        continue  # it stands still
                    part, state = moment
                    m, v = state["exp_avg"], state["exp_avg_sq"]
                    scale = part / ((v / (1 - beta2**age)).sqrt() + eps)
                    dot += float((scale * a * b).sum())
                    paper += part * float((m / (v.sqrt() + eps) * a * b).sum())
                    plain += part * float((a * b).sum())
                    of_query += float((scale * a * a).sum())
                    of_photo += float((scale * b * b).sum())
                norms = (of_query * of_photo) ** 0.5
                added = {
                    "paper": lr / len(draws) * paper,
                    "sgd": lr / len(draws) * plain,
                    "adam": lr / len(draws) * dot,
                    "cosine": lr * dot / norms if norms else 0.0,
                }
                for formula in formulas:
                    total[formula][q, z] += added[formula]
    return total


def _gradient(network: BagNetwork, loss: Tensor) -> list[Tensor]:
    weights = list(network.parameters())
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return [torch.zeros_like(w) if gradient is None else gradient for w, gradient in zip(weights, found, strict=True)]
