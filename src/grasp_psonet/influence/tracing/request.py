"""What a trace was asked, and the one place where products of a batch become scores."""

# Axes: Q queries, F formulas, Z training photos, P present photos of one batch.

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import Bag, BagBatch, Pixels, collate
from grasp_psonet.influence.gradients.products import query_blocks
from grasp_psonet.influence.settings import Formula, TraceSettings
from grasp_psonet.influence.tracing.formulas import is_divided_by_batch
from grasp_psonet.influence.units.coverage import UnitScope
from grasp_psonet.influence.units.products import query_gradients, unit_products

ScoresByFormula = dict[Formula, np.ndarray]


@dataclass(frozen=True)
class Request:
    """Training visits whose photos are scored, queries as bags, formulas, and how; ``did(passes)`` hears of work done,
    counted in passes of one photo.
    """

    visits: tuple[Bag, ...]
    queries: tuple[Bag, ...]
    pixels: Pixels
    formulas: tuple[Formula, ...]
    settings: TraceSettings
    scope: UnitScope
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
        return {formula: np.zeros((self.num_rows, len(self.photo_ids))) for formula in self.formulas}

    def blocks(self, network: nn.Module, copies: int) -> list[slice]:
        """Slices of the rows whose gradients fit the memory when ``copies`` of each are held."""
        weights = [weight for name, weight in network.named_parameters() if name in self.scope.names]
        num_bytes = copies * sum(weight.numel() * weight.element_size() for weight in weights)
        return query_blocks(self.num_rows, num_bytes, self.settings.memory_mib * 2**20)

    def passes(self, num_photos: int, num_directions: int) -> int:
        """About how many passes of one photo the products of these photos cost: unit edit takes one for each direction."""
        return num_photos * (num_directions if self.settings.unit == "edit" else 1)

    def gradients(self, network: nn.Module, rows: slice) -> dict[str, Tensor]:
        """Gradients [rows, ...] of these rows' queries at the network's weights, by parameter of the scope."""
        device = next(network.parameters()).device
        found: list[dict[str, Tensor]] = []
        for query in self.queries if self.settings.summed else self.queries[rows]:
            batch = collate([query], self.pixels).to(device)
            gradient = query_gradients(network, [batch], self.settings.query, self.scope.names)
            if self.settings.summed and found:
                found = [{name: found[0][name] + value for name, value in gradient.items()}]
            else:
                found.append(gradient)
            self.on_passes(len(query))
        return {name: torch.cat([gradient[name] for gradient in found]) for name in sorted(self.scope.names)}


def present_photos(bags: Iterable[Bag]) -> list[str]:
    """Photo ids in the order of a collated batch's present photos."""
    return [
        photo_id for bag in bags for photo_id, present in zip(bag.photo_ids, bag.is_present, strict=True) if present
    ]


def add_scores(
    scores: ScoresByFormula,
    request: Request,
    rows: slice,
    network: nn.Module,
    batch: BagBatch,
    photo_ids: Sequence[str],
    folded: Mapping[Formula, Mapping[str, Tensor]],
    weight_of: Callable[[bool], Sequence[float] | np.ndarray],
    cosine_metric: Mapping[str, Tensor],
) -> None:
    """Adds ``weight * direction . g_z`` for the present photos of a batch (ids in its row order) to their columns.

    ``folded`` holds directions [rows, ...] by formula; ``weight_of(divided)`` the weight of each photo [P], divided by the
    number of draws or not. For cosine, divides by the photo's norm under ``cosine_metric``; 0 where that is 0.
    A photo that stands in the batch several times counts as often; photos that are not traced are left out.
    """
    formulas = list(folded)
    directions = {name: torch.cat([folded[f][name] for f in formulas]) for name in folded[formulas[0]]}
    metrics = {name: cosine_metric[name][None] for name in directions} if "cosine" in formulas else None
    found = unit_products(request.settings.unit, network, batch, request.scope, directions, metrics)
    request.on_passes(request.passes(len(photo_ids), len(next(iter(directions.values())))))
    dot_FQP = found.dot_PQ.T.double().cpu().numpy().reshape(len(formulas), -1, len(photo_ids))
    traced = np.array([p for p, photo_id in enumerate(photo_ids) if photo_id in request.column], dtype=int)
    columns = np.array([request.column[photo_ids[p]] for p in traced], dtype=int)
    for f, formula in enumerate(formulas):
        dot_QP = dot_FQP[f]
        if formula == "cosine":
            assert found.squared_PM is not None
            norm_P = found.squared_PM[:, 0].double().clamp(min=0).sqrt().cpu().numpy()
            dot_QP = np.divide(dot_QP, norm_P, out=np.zeros_like(dot_QP), where=norm_P > 0)
        weight_P = np.asarray(weight_of(is_divided_by_batch(formula)), dtype=float)
        np.add.at(scores[formula][rows].T, columns, (dot_QP * weight_P)[:, traced].T)
