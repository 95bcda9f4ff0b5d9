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
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import FORMULAS, ByName, Formula, FormulaName
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula, present_photos
from grasp_psonet.influence.units.table import unit_products


@dataclass(frozen=True)
class QueryBlock:
    """A block of queries at an anchor or a replayed step.

    ``rows`` are theirs in the scores, ``directions`` [Q, ...] theirs by formula and parameter, ``point`` the optimizer there.
    """

    rows: slice
    directions: Mapping[FormulaName, ByName]
    point: AdamPoint


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

    def of_photos(self, divided: bool) -> np.ndarray:
        """What each present photo weighs [P]: as much as its bag."""
        found: np.ndarray = np.repeat(self.weight_B[divided], [len(present_photos([bag])) for bag in self.bags])
        return found


def direction(formula: Formula, point: AdamPoint, query_QW: ByName) -> ByName:
    """The formula's directions [Q, ...] by parameter at this point. Raises TraceError where it has none of a single step."""
    if formula.direction is None:
        raise TraceError(f"formula {formula.name} has no direction of one step\n  next: trace with counting steps")
    return formula.direction(point, query_QW)


def add_scores(
    scores: ScoresByFormula, request: Request, network: nn.Module, block: QueryBlock, weighed: WeighedBatch
) -> None:
    """Adds ``weight * direction . g_z`` for the present photos of a batch to their columns of ``scores``, in place.

    Formulas that ask for it are divided by the photo's norm under their preconditioner at the block's point; 0 where that is
    0. A photo that stands in the batch several times counts as often; photos that are not traced are left out.
    """
    formulas, photo_ids = [FORMULAS[name] for name in block.directions], weighed.photo_ids
    names = block.directions[formulas[0].name]
    joined_W = {name: torch.cat([block.directions[formula.name][name] for formula in formulas]) for name in names}
    normed = [formula for formula in formulas if formula.is_divided_by_photo_norm]
    diagonals = [_diagonal(formula, block.point) for formula in normed]
    stacked_W = (
        {name: torch.stack([diagonal_W[name] for diagonal_W in diagonals]) for name in names} if normed else None
    )
    found = unit_products(network, weighed.batch, request.coverage, joined_W, stacked_W)
    request.on_passes(request.passes(len(photo_ids), len(next(iter(joined_W.values())))))
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
