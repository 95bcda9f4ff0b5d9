"""What is traced and how, and the one place where products of a batch become scores."""

# Axes: Q queries, F formulas, Z training photos, P present photos of one batch; W the shape of a parameter.

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import Bag, BagBatch, Pixels, collate
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import FORMULAS, ByName, Formula, FormulaName
from grasp_psonet.influence.gradients.products import query_blocks
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.units.query_gradients import query_gradients
from grasp_psonet.influence.units.table import UNITS, unit_products
from grasp_psonet.influence.units.unit import UnitCoverage

ScoresByFormula = dict[FormulaName, np.ndarray]


@dataclass(frozen=True)
class Request:
    """Training visits whose photos are scored, queries as bags, formulas, and how.

    ``on_passes(number)`` is called after each piece of work with its size, counted in passes of one photo.
    """

    visits: tuple[Bag, ...]
    queries: tuple[Bag, ...]
    pixels: Pixels
    formulas: tuple[Formula, ...]
    settings: TraceSettings
    coverage: UnitCoverage
    on_passes: Callable[[int], None] = lambda passes: None

    @cached_property
    def photo_ids(self) -> tuple[str, ...]:
        """The columns of every score table: the present photos, visit by visit."""
        return tuple(present_photos(self.visits))

    @cached_property
    def column(self) -> Mapping[str, int]:
        """The column of each photo."""
        columns = {photo_id: z for z, photo_id in enumerate(self.photo_ids)}
        assert len(columns) == len(self.photo_ids), "a photo is traced twice"
        return columns

    @property
    def num_rows(self) -> int:
        """Rows of every score table: one a query, or one for all."""
        return 1 if self.settings.summed else len(self.queries)

    def zeros(self) -> ScoresByFormula:
        """Scores [rows, Z] before anything counted."""
        return {formula.name: np.zeros((self.num_rows, len(self.photo_ids))) for formula in self.formulas}

    def blocks(self, network: nn.Module, copies: int) -> list[slice]:
        """Slices of the rows whose gradients fit the memory when ``copies`` of each are held."""
        weights = [weight for name, weight in network.named_parameters() if name in self.coverage.names]
        num_bytes = copies * sum(weight.numel() * weight.element_size() for weight in weights)
        return query_blocks(self.num_rows, num_bytes, self.settings.memory_mib * 2**20)

    def passes(self, num_photos: int, num_directions: int) -> int:
        """About how many passes of one photo the products of these photos cost in this unit."""
        return num_photos * (num_directions if UNITS[self.settings.unit].takes_pass_per_direction else 1)

    def gradients(self, network: nn.Module, rows: slice) -> dict[str, Tensor]:
        """Gradients [rows, ...] of these rows' queries at the network's weights, by covered parameter."""
        device = next(network.parameters()).device
        found: list[dict[str, Tensor]] = []
        for query in self.queries if self.settings.summed else self.queries[rows]:
            batch = collate([query], self.pixels).to(device)
            gradient = query_gradients(network, [batch], self.settings.query, self.coverage.names)
            if self.settings.summed and found:
                found = [{name: found[0][name] + value for name, value in gradient.items()}]
            else:
                found.append(gradient)
            self.on_passes(len(query))
        return {name: torch.cat([gradient[name] for gradient in found]) for name in sorted(self.coverage.names)}


def present_photos(bags: Iterable[Bag]) -> list[str]:
    """Photo ids in the order of a collated batch's present photos."""
    return [
        photo_id for bag in bags for photo_id, present in zip(bag.photo_ids, bag.is_present, strict=True) if present
    ]


def direction(formula: Formula, point: AdamPoint, query_QW: ByName) -> ByName:
    """The formula's directions [Q, ...] by parameter at this point. Raises TraceError where it has none of a single step."""
    if formula.direction is None:
        raise TraceError(f"formula {formula.name} has no direction of one step\n  next: trace with counting steps")
    return formula.direction(point, query_QW)


def add_scores(
    scores: ScoresByFormula,
    request: Request,
    rows: slice,
    network: nn.Module,
    batch: BagBatch,
    photo_ids: Sequence[str],
    directions: Mapping[FormulaName, ByName],
    weight_of: Callable[[bool], Sequence[float] | np.ndarray],
    point: AdamPoint,
) -> None:
    """Adds ``weight * direction . g_z`` for the present photos of a batch (ids in its row order) to their columns.

    ``directions`` holds [rows, ...] by formula and parameter; ``weight_of(divided)`` the weight of each photo [P], divided by
    the number of draws or not. Formulas that ask for it are divided by the photo's norm under their preconditioner at
    ``point``; 0 where that is 0. A photo that stands in the batch several times counts as often; photos that are not traced
    are left out.
    """
    formulas = [FORMULAS[name] for name in directions]
    names = directions[formulas[0].name]
    joined_W = {name: torch.cat([directions[formula.name][name] for formula in formulas]) for name in names}
    normed = [formula for formula in formulas if formula.is_divided_by_photo_norm]
    diagonals = [_diagonal(formula, point) for formula in normed]
    stacked_W = (
        {name: torch.stack([diagonal_W[name] for diagonal_W in diagonals]) for name in names} if normed else None
    )
    found = unit_products(network, batch, request.coverage, joined_W, stacked_W)
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
        weight_P = np.asarray(weight_of(formula.is_divided_by_batch), dtype=float)
        np.add.at(scores[formula.name][rows].T, columns, (dot_QP * weight_P)[:, traced].T)


def _diagonal(formula: Formula, point: AdamPoint) -> ByName:
    assert formula.preconditioner is not None, f"formula {formula.name} is divided by a norm without a preconditioner"
    return formula.preconditioner(point)
