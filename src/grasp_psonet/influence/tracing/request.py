"""What is traced, and how."""

# Axes: Q queries, Z training photos; W the shape of a parameter.

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import Bag, Pixels, collate
from grasp_psonet.influence.formulas import Formula, FormulaName
from grasp_psonet.influence.gradients.products import query_blocks
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.units.query_gradients import prove_query_gradient, query_gradients
from grasp_psonet.influence.units.table import UNITS
from grasp_psonet.influence.units.unit import UnitCoverage

Queries = Sequence[Bag] | Mapping[int, Sequence[Bag]]
ScoresByFormula = dict[FormulaName, np.ndarray]

ALL_QUERIES = "all"  # the one query that stands for all with ``sum_queries``


@dataclass(frozen=True)
class Request:
    """Training visits whose photos are scored, queries as bags, formulas, and how.

    ``visits`` are bags as training had them, ``queries`` bags of one photo or whole (setting trace.query): the same at all
    anchors up to the kept one; or, by the step of an anchor, those that count at that anchor alone (counting ``steps``: in
    the steps that led to it), over all of training.

    ``on_passes(number)`` is called after each piece of work with its size, counted in passes of one photo.
    """

    visits: tuple[Bag, ...]
    queries: Queries
    pixels: Pixels
    formulas: tuple[Formula, ...]
    settings: TraceSettings
    coverage: UnitCoverage
    on_passes: Callable[[int], None] = lambda passes: None

    @cached_property
    def query_bags(self) -> tuple[Bag, ...]:
        """The rows of every score table: the queries as they are, or by id every visit that is one at some anchor."""
        if not isinstance(self.queries, Mapping):
            return tuple(self.queries)
        by_visit = {bag.visit_id: bag for bags in self.queries.values() for bag in bags}
        return tuple(by_visit[visit_id] for visit_id in sorted(by_visit))

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
    def query_ids(self) -> tuple[str, ...]:
        """The names of the rows of every score table: one a query, or one for all."""
        return (ALL_QUERIES,) if self.settings.sum_queries else tuple(bag.visit_id for bag in self.query_bags)

    @property
    def num_rows(self) -> int:
        """Rows of every score table."""
        return len(self.query_ids)

    def zeros(self) -> ScoresByFormula:
        """Scores [rows, Z] before anything counted."""
        return {formula.name: np.zeros((self.num_rows, len(self.photo_ids))) for formula in self.formulas}

    @property
    def num_copies(self) -> int:
        """Copies of a query's gradient that its directions are: one a formula, twice where several are joined."""
        return len(self.formulas) * (1 if len(self.formulas) == 1 else 2)

    def blocks(self, network: nn.Module, copies: int) -> list[slice]:
        """Slices of the rows whose gradients fit the memory when ``copies`` of each are held."""
        weights = [weight for name, weight in network.named_parameters() if name in self.coverage.names]
        num_bytes = copies * sum(weight.numel() * weight.element_size() for weight in weights)
        return query_blocks(self.num_rows, num_bytes, self.settings.memory_mib * 2**20)

    def passes(self, num_photos: int, num_directions: int) -> int:
        """About how many passes of one photo the products of these photos cost in this unit."""
        return num_photos * (num_directions if UNITS[self.settings.unit].takes_pass_per_direction else 1)

    def prove_gradients(self, network: nn.Module) -> None:
        """Proves the gradient of the first query at the network's weights. Raises TraceError where it is not exact."""
        first = collate([self.query_bags[0]], self.pixels).to(next(network.parameters()).device)
        prove_query_gradient(network, first, self.settings.query, self.coverage.names)

    def gradients(self, network: nn.Module, rows: slice) -> dict[str, Tensor]:
        """Gradients [rows, ...] of these rows' queries at the network's weights, by covered parameter."""
        device = next(network.parameters()).device
        found: list[dict[str, Tensor]] = []
        for query in self.query_bags if self.settings.sum_queries else self.query_bags[rows]:
            batch = collate([query], self.pixels).to(device)
            gradient = query_gradients(network, [batch], self.settings.query, self.coverage.names)
            if self.settings.sum_queries and found:
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
