"""The one place where products of a batch become scores."""

# Axes: Q queries of a block, F formulas, Z training photos, B bags of one batch, P its present photos; W the shape of a
# parameter.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from grasp_psonet.bags.bag import Bag, BagBatch
from grasp_psonet.influence.formulas import FORMULAS, ByName, Formula, FormulaName
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula, present_photos
from grasp_psonet.influence.units.table import unit_products


@dataclass(frozen=True)
class QueryBlock:
    """A block of queries at an anchor or a replayed step.

    ``rows`` are theirs in the scores, ``directions`` [Q, ...] theirs by formula and parameter, ``point`` the optimizer there.
    What every batch is multiplied with is made once: ``joined`` [F * Q, ...] holds the directions of all formulas (the
    same memory, where there is one formula), ``preconditioners`` [M, ...] those of the formulas that divide by a norm.
    """

    rows: slice
    directions: Mapping[FormulaName, ByName]
    point: AdamPoint

    @cached_property
    def joined(self) -> ByName:
        own = list(self.directions.values())
        if len(own) == 1:
            return own[0]
        return {name: torch.cat([by_name[name] for by_name in own]) for name in own[0]}

    @cached_property
    def normed(self) -> list[Formula]:
        """The formulas whose scores are divided by the photo's norm."""
        return [FORMULAS[name] for name in self.directions if FORMULAS[name].is_divided_by_photo_norm]

    @cached_property
    def preconditioners(self) -> ByName | None:
        diagonals = [_diagonal(formula, self.point) for formula in self.normed]
        if not diagonals:
            return None
        return {name: torch.stack([diagonal_W[name] for diagonal_W in diagonals]) for name in self.joined}


@dataclass(frozen=True)
class WeighedBatch:
    """Bags in one batch, and what each of them weighs [B]: divided by the number of draws of its step (True) or not (False)."""

    bags: Sequence[Bag]
    batch: BagBatch
    weight_B: Mapping[bool, np.ndarray]

    @cached_property
    def photo_ids(self) -> list[str]:
        """The present photos in the row order of the batch."""
        return present_photos(self.bags)

    def of_bags(self, rows: list[int]) -> "WeighedBatch":
        """Some of its bags, with what they weigh."""
        at = torch.tensor(rows, device=self.batch.label_B.device)
        weight_B = {divided: own[rows] for divided, own in self.weight_B.items()}
        return WeighedBatch([self.bags[b] for b in rows], self.batch.rows(at), weight_B)

    def of_photos(self, divided: bool) -> np.ndarray:
        """What each present photo weighs [P]: as much as its bag."""
        found: np.ndarray = np.repeat(self.weight_B[divided], [len(present_photos([bag])) for bag in self.bags])
        return found


def add_scores(
    scores: ScoresByFormula, request: Request, network: nn.Module, block: QueryBlock, weighed: WeighedBatch
) -> None:
    """Adds ``weight * direction . g_z`` for the present photos of a batch to their columns of ``scores``, in place.

    Formulas that ask for it are divided by the photo's norm under their preconditioner at the block's point; 0 where that is
    0. A photo that stands in the batch several times counts as often; photos that are not traced are left out.
    """
    formulas, photo_ids, normed = [FORMULAS[name] for name in block.directions], weighed.photo_ids, block.normed
    found = unit_products(network, weighed.batch, request.coverage, block.joined, block.preconditioners)
    request.on_passes(request.passes(len(photo_ids), len(next(iter(block.joined.values())))))
    dot_FQP = found.dot_PQ.T.double().cpu().numpy().reshape(len(formulas), -1, len(photo_ids))
    traced = np.array([p for p, photo_id in enumerate(photo_ids) if photo_id in request.column], dtype=int)
    columns = np.array([request.column[photo_ids[p]] for p in traced], dtype=int)
    for f, formula in enumerate(formulas):
        dot_QP = dot_FQP[f]
        if formula in normed:
            assert found.squared_PM is not None
            norm_P = found.squared_PM[:, normed.index(formula)].double().clamp(min=0).sqrt().cpu().numpy()
            dot_QP = np.divide(dot_QP, norm_P, out=np.zeros_like(dot_QP), where=norm_P > 0)
        weight_P = weighed.of_photos(formula.is_divided_by_batch)
        np.add.at(scores[formula.name][block.rows].T, columns, (dot_QP * weight_P)[:, traced].T)


def _diagonal(formula: Formula, point: AdamPoint) -> ByName:
    assert formula.preconditioner is not None, f"formula {formula.name} is divided by a norm without a preconditioner"
    return formula.preconditioner(point)
