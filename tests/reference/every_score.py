"""Every formula in every unit by plain autograd: gradients whole, one at a time, and Adam's law differentiated as it stands.

Nothing of the package but the network's forward and the batches of training. ``adam-step`` and ``unrolled`` are what they
claim to be: minus the derivative of the query's loss after one step, or after all, with respect to a weight of the photo's
unit in the draws' losses. Everything is float64 and one flat vector of parameters.
"""

# Axes: D parameters as one vector, U units, Q queries, P present photos of a batch, Z training photos.

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from grasp_psonet.bags.bag import Bag, BagBatch, collate
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.law import AdamLaw
from tests.reference import units as reference_units
from tests.reference.plain_loss import plain_losses
from tests.reference.real_training import by_parameter, double

UNITS = ("single", "share", "edit", "visit")
Scores = dict[tuple[str, str, str], np.ndarray]


@dataclass(frozen=True)
class Story:
    """A training: the float64 network before step 1, the draws of every step with their lr, and what is asked of it."""

    network: BagNetwork
    steps: pd.DataFrame
    optimizer: AdamLaw
    source: BatchSource
    visits: Sequence[Bag]
    queries: Sequence[Bag]

    def columns(self, visit_ids: Sequence[str]) -> list[int]:
        """Column of each present photo of these draws."""
        ids = [photo_id for bag in self.visits for photo_id in _present(bag)]
        return [ids.index(photo_id) for name in visit_ids for photo_id in _present(self.source.bags[name])]


def every_score(story: Story) -> Scores:
    """Scores [Q, Z] by (counting, formula, unit); formula ``unrolled`` as ``unrolled exact`` and ``unrolled none``."""
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
        return _Telling(story).scores()


@dataclass(frozen=True)
class _FlatLaw:
    """The law of a run with each parameter's part of the learning rate and its weight decay, as vectors."""

    optimizer: AdamLaw
    part_D: Tensor
    decay_D: Tensor

    @classmethod
    def of(cls, law: AdamLaw, shapes: dict[str, torch.Size]) -> "_FlatLaw":
        (phase,) = law.phases
        parts, decays = by_parameter(phase)
        usual = law.settings.weight_decay

        def flat(values: dict[str, float], otherwise: float) -> Tensor:
            own = [
                torch.full((shape.numel(),), values.get(name, otherwise), dtype=torch.float64)
                for name, shape in shapes.items()
            ]
            return torch.cat(own)

        return cls(law, flat(parts, 1.0), flat(decays, usual))


class _Telling:
    def __init__(self, story: Story) -> None:
        self.story, self.network = story, story.network
        self.shapes = {name: weight.shape for name, weight in self.network.named_parameters()}
        self.num_photos = sum(len(_present(bag)) for bag in story.visits)
        self.queries = [double(collate([bag], story.source.pixels)) for bag in story.queries]
        self.law = _FlatLaw.of(story.optimizer, self.shapes)
        self.found: Scores = {}

    def scores(self) -> Scores:
        start_D = torch.cat([weight.detach().flatten() for weight in self.network.parameters()])
        weight_D, state = start_D, (torch.zeros_like(start_D), torch.zeros_like(start_D))
        steps = list(self.story.steps.groupby("step"))
        felt = []  # of each step: its batch, gradients of the units, columns
        for t, draws in steps:
            lr, visit_ids = float(draws["lr"].iloc[0]), list(draws["visit_id"])
            batch = double(self.story.source.batch(draws, torch.device("cpu")))
            unit_UPD, columns = self._of_units(weight_D, batch), self.story.columns(visit_ids)
            felt.append((batch, unit_UPD, columns))
            query_QD = self._of_queries(weight_D)
            push_UZ = torch.zeros(len(UNITS), self.num_photos, dtype=torch.float64, requires_grad=True)
            gradient_D = self._gradient(weight_D, batch) + _pushed(push_UZ, unit_UPD, columns, len(visit_ids))
            after_D, after = _adam(weight_D, state, gradient_D, int(t), lr, self.law)
            self._add("steps", "adam-step", self._falls(after_D, push_UZ))
            weight_D, state = after_D.detach(), (after[0].detach(), after[1].detach())
            weight_P = torch.full((len(columns),), lr / len(draws), dtype=torch.float64)
            self._add_products("steps", query_QD, unit_UPD, columns, (weight_P, weight_P * len(draws)), state, int(t))
        self._at_anchor(weight_D, state, steps)
        for curvature in ("exact", "none"):
            self._unroll(curvature, start_D, steps, felt)
        return self.found

    def _at_anchor(self, weight_D: Tensor, state: tuple[Tensor, Tensor], steps: list) -> None:
        """Every drawn visit at the last weights, without augmentation, weighing what it was drawn."""
        drawn = [
            bag for bag in self.story.visits if any((draws["visit_id"] == bag.visit_id).any() for _, draws in steps)
        ]
        batch = double(collate(drawn, self.story.source.pixels))
        divided, whole = [], []
        for bag in drawn:
            draw_lr = [(float(d["lr"].iloc[0]), int((d["visit_id"] == bag.visit_id).sum()), len(d)) for _, d in steps]
            divided += [sum(lr * n / b for lr, n, b in draw_lr)] * len(_present(bag))
            whole += [sum(lr * n for lr, n, _ in draw_lr)] * len(_present(bag))
        columns = self.story.columns([bag.visit_id for bag in drawn])
        weights = (torch.tensor(divided, dtype=torch.float64), torch.tensor(whole, dtype=torch.float64))
        unit_UPD, query_QD = self._of_units(weight_D, batch), self._of_queries(weight_D)
        self._add_products("checkpoints", query_QD, unit_UPD, columns, weights, state, int(steps[-1][0]))

    def _unroll(self, curvature: str, start_D: Tensor, steps: list, felt: list) -> None:
        """The whole training as one function of the pushes; without curvature, gradients do not feel the weights."""
        push_UZ = torch.zeros(len(UNITS), self.num_photos, dtype=torch.float64, requires_grad=True)
        weight_D, state = start_D, (torch.zeros_like(start_D), torch.zeros_like(start_D))
        for (t, draws), (batch, unit_UPD, columns) in zip(steps, felt, strict=True):
            gradient_D = self._gradient(weight_D if curvature == "exact" else weight_D.detach(), batch)
            gradient_D = gradient_D + _pushed(push_UZ, unit_UPD, columns, len(draws))
            weight_D, state = _adam(weight_D, state, gradient_D, int(t), float(draws["lr"].iloc[0]), self.law)
        self._add("steps", f"unrolled {curvature}", self._falls(weight_D, push_UZ))

    def _add_products(
        self,
        counting: str,
        query_QD: Tensor,
        unit_UPD: Tensor,
        columns: list[int],
        weights: tuple[Tensor, Tensor],
        state: tuple[Tensor, Tensor],
        t: int,
    ) -> None:
        m_D, v_D = state
        optimizer, part_D = self.story.optimizer, self.law.part_D
        scale_D = part_D / ((v_D / (1 - optimizer.betas[1] ** t)).sqrt() + optimizer.eps)
        scale_D = torch.where(v_D > 0, scale_D, 0.0)
        diagonals = {"paper": part_D * m_D / (v_D.sqrt() + optimizer.eps), "sgd": part_D, "adam": scale_D}
        by_draw, whole = weights
        for formula in ("paper", "sgd", "adam", "cosine"):
            added_UQZ = torch.zeros(len(UNITS), len(query_QD), self.num_photos, dtype=torch.float64)
            for p, z in enumerate(columns):
                for u in range(len(UNITS)):
                    ours_D = unit_UPD[u, p]
                    for q, theirs_D in enumerate(query_QD):
                        if formula == "cosine":
                            square = (scale_D * ours_D**2).sum() * (scale_D * theirs_D**2).sum()
                            score = whole[p] * (scale_D * ours_D * theirs_D).sum() / square.sqrt()
                        else:
                            score = by_draw[p] * (diagonals[formula] * ours_D * theirs_D).sum()
                        added_UQZ[u, q, z] += score
            self._add(counting, formula, added_UQZ)

    def _falls(self, weight_D: Tensor, push_UZ: Tensor) -> Tensor:
        """Minus the derivative of each query's loss at these weights with respect to every push, [U, Q, Z]."""
        rows = [
            torch.autograd.grad(-self._loss(weight_D, query), push_UZ, retain_graph=True)[0] for query in self.queries
        ]
        return torch.stack(rows, dim=1)

    def _add(self, counting: str, formula: str, added_UQZ: Tensor) -> None:
        for unit, added_QZ in zip(UNITS, added_UQZ, strict=True):
            key = (counting, formula, unit)
            self.found[key] = self.found.get(key, 0.0) + added_QZ.numpy()

    def _of_queries(self, weight_D: Tensor) -> Tensor:
        return torch.stack([self._gradient(weight_D, query).detach() for query in self.queries])

    def _of_units(self, weight_D: Tensor, batch: BagBatch) -> Tensor:
        """Gradient of every present photo in every unit [U, P, D]."""
        with torch.no_grad():
            for name, value in self._by_name(weight_D).items():
                self.network.get_parameter(name).copy_(value)
        found = [reference_units.photo_gradients(self.network, unit, batch) for unit in UNITS]
        rows = [[torch.cat([photo[name].flatten() for name in self.shapes]) for photo in photos] for photos in found]
        return torch.stack([torch.stack(photos) for photos in rows])

    def _gradient(self, weight_D: Tensor, batch: BagBatch) -> Tensor:
        """Gradient [D] of the batch's mean loss, differentiable where the weights are."""
        at_D = weight_D if weight_D.requires_grad else weight_D.clone().requires_grad_()
        found: Tensor = torch.autograd.grad(self._loss(at_D, batch), at_D, create_graph=weight_D.requires_grad)[0]
        return found

    def _loss(self, weight_D: Tensor, batch: BagBatch) -> Tensor:
        inputs = (batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.region_BN)
        logits_BC = torch.func.functional_call(self.network, self._by_name(weight_D), inputs).logits_BC
        return plain_losses(self.network, logits_BC, batch.label_B).mean()

    def _by_name(self, weight_D: Tensor) -> dict[str, Tensor]:
        parts = weight_D.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}


def _present(bag: Bag) -> list[str]:
    return [photo_id for photo_id, present in zip(bag.photo_ids, bag.is_present, strict=True) if present]


def _pushed(push_UZ: Tensor, unit_UPD: Tensor, columns: list[int], num_draws: int) -> Tensor:
    """What the gradient of the step's mean loss would gain from the pushes."""
    return torch.einsum("up,upd->d", push_UZ[:, columns], unit_UPD) / num_draws


def _adam(
    weight_D: Tensor,
    state: tuple[Tensor, Tensor],
    gradient_D: Tensor,
    t: int,
    lr: float,
    law: "_FlatLaw",
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One step of clipped Adam with coupled decay (Kingma and Ba 2015; torch's eps outside the root)."""
    optimizer = law.optimizer
    beta1, beta2 = optimizer.betas
    assert optimizer.kind == "adam"
    assert optimizer.clip_norm is not None
    gradient_D = gradient_D * (optimizer.clip_norm / (gradient_D.norm() + 1e-6)).clamp(max=1.0)
    gradient_D = gradient_D + law.decay_D * weight_D
    m_D = beta1 * state[0] + (1 - beta1) * gradient_D
    v_D = beta2 * state[1] + (1 - beta2) * gradient_D**2
    step_D = m_D / (1 - beta1**t) / ((v_D / (1 - beta2**t)).sqrt() + optimizer.eps)
    return weight_D - lr * law.part_D * step_D, (m_D, v_D)
