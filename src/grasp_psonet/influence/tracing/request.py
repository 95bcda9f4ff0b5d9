"""What is traced, and how."""

# Axes: Q queries, Z training photos; W the shape of a parameter.

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import Bag, BagBatch, Pixels, collate
from grasp_psonet.influence.choices import ALL_QUERIES
from grasp_psonet.influence.formulas import Formula, FormulaName
from grasp_psonet.influence.gradients.batch_norm import exact_batch_norm
from grasp_psonet.influence.gradients.products import query_blocks
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.units.network_parts import fitted, visit_losses
from grasp_psonet.influence.units.query_gradients import prove_query_gradient, query_gradients
from grasp_psonet.influence.units.table import UNITS, unit_products
from grasp_psonet.influence.units.unit import UnitCoverage

Queries = Sequence[Bag] | Mapping[int, Sequence[Bag]]
ScoresByFormula = dict[FormulaName, np.ndarray]


@dataclass(frozen=True)
class Request:
    """Training visits whose photos are scored, queries as bags, formulas, and how.

    ``visits`` are bags as training had them, ``queries`` bags of one photo or whole (setting trace.query): the same at all
    anchors up to the kept one; or, by the step of an anchor, those that count at that anchor alone (counting ``steps``: in
    the steps that led to it), over all of training.

    ``folds``: the scores are the sums over the queries, in one row ``all``, and cost one direction whatever their number;
    unlike ``sum_queries``, which adds up gradients, this adds up directions, and is their sum also where a formula is not
    linear in the query's gradient. ``only``: the photos that are multiplied; scores of others mean nothing.

    ``on_passes(number)`` is called after each piece of work with its size, counted in passes of one photo.
    """

    visits: tuple[Bag, ...]
    queries: Queries
    pixels: Pixels
    formulas: tuple[Formula, ...]
    settings: TraceSettings
    coverage: UnitCoverage
    on_passes: Callable[[int], None] = lambda passes: None
    folds: bool = False
    only: frozenset[str] | None = None

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
    def is_one_row(self) -> bool:
        """Whether one row of scores stands for all queries."""
        return self.settings.sum_queries or self.folds

    @property
    def query_ids(self) -> tuple[str, ...]:
        """The names of the rows of every score table: one a query, or one for all."""
        return (ALL_QUERIES,) if self.is_one_row else tuple(bag.visit_id for bag in self.query_bags)

    @property
    def num_rows(self) -> int:
        """Rows of every score table."""
        return len(self.query_ids)

    def zeros(self, num_rows: int | None = None) -> ScoresByFormula:
        """Scores [rows, Z] of so many rows (None: all) before anything counted."""
        shape = (self.num_rows if num_rows is None else num_rows, len(self.photo_ids))
        return {formula.name: np.zeros(shape) for formula in self.formulas}

    @property
    def num_copies(self) -> int:
        """Copies of a query's gradient that its directions are: one a formula, twice where several are joined."""
        return len(self.formulas) * (1 if len(self.formulas) == 1 else 2)

    def blocks(self, network: nn.Module, copies: int) -> list[slice]:
        """Slices of the rows whose directions fit the memory when ``copies`` of each are held; projected ones fit a half."""
        projection = self.coverage.projection
        if projection is None:
            return query_blocks(self.num_rows, copies * self._bytes(network), self._memory_bytes)
        kept = sum(projection.numel_of(weight.shape) * weight.element_size() for weight in self._weights(network))
        return query_blocks(self.num_rows, self.num_copies * kept, self._memory_bytes // 2)

    def whole_blocks(self, network: nn.Module, rows: slice) -> list[slice]:
        """Slices of these rows whose whole gradients are held at once: all, or what fits the other half, to be projected."""
        if self.coverage.projection is None:
            return [rows]
        num_bytes = (self.num_copies + 1) * self._bytes(network)
        found = query_blocks(rows.stop - rows.start, num_bytes, self._memory_bytes // 2)
        return [slice(rows.start + block.start, rows.start + block.stop) for block in found]

    @property
    def _memory_bytes(self) -> int:
        return self.settings.memory_mib * 2**20

    def _weights(self, network: nn.Module) -> list[nn.Parameter]:
        return [weight for name, weight in network.named_parameters() if name in self.coverage.names]

    def _bytes(self, network: nn.Module) -> int:
        """Bytes of one gradient."""
        return sum(weight.numel() * weight.element_size() for weight in self._weights(network))

    def passes(self, num_photos: int, num_directions: int) -> int:
        """About how many passes of one photo the products of these photos cost in this unit."""
        return num_photos * (num_directions if UNITS[self.settings.unit].takes_pass_per_direction else 1)

    def each_query(self) -> Iterator["Request"]:
        """The same request of every query by itself."""
        for bag in self.query_bags:
            yield replace(self, queries=(bag,), folds=False)

    def is_wanted(self, photo_id: str) -> bool:
        """Whether the photo is traced, and multiplied."""
        return photo_id in self.column and (self.only is None or photo_id in self.only)

    def multiplied(self, visit_ids: Collection[str]) -> list[Bag]:
        """The bags to evaluate of these visits; each photo by itself where the unit allows it, so that batches are full."""
        bags = [bag for bag in self.visits if bag.visit_id in visit_ids]
        if UNITS[self.settings.unit].reads_photos_alone:
            bags = [photo for bag in bags for photo in bag.each_alone()]
        return [bag for bag in bags if self.only is None or not self.only.isdisjoint(bag.photo_ids)]

    def prove_gradients(self, network: nn.Module) -> None:
        """Proves the gradient of the first query at the network's weights. Raises TraceError where it is not exact."""
        first = collate([self.query_bags[0]], self.pixels).to(next(network.parameters()).device)
        prove_query_gradient(network, first, self.settings.query, self.coverage.names)

    @property
    def takes_queries_in_batches(self) -> bool:
        """Whether queries are proven examples of the unit, so that they need not be differentiated one by one."""
        return self.settings.query == "photo" and UNITS[self.settings.unit].reads_photos_alone

    def _query_batches(self, network: nn.Module) -> Iterator[BagBatch]:
        device, size = next(network.parameters()).device, self.settings.photos_per_batch
        for start in range(0, len(self.query_bags), size):
            yield collate(list(self.query_bags[start : start + size]), self.pixels).to(device)

    def squared_norms(self, network: nn.Module, diagonal_W: Mapping[str, Tensor]) -> Tensor:
        """``sum D g' ** 2`` of each query [Q], in batches. Only where ``takes_queries_in_batches``."""
        diagonal_1W = {name: value[None] for name, value in diagonal_W.items() if name in self.coverage.names}
        found = []
        for batch in self._query_batches(network):
            squared_PM = unit_products(network, batch, self.coverage, {}, diagonal_1W).squared_PM
            assert squared_PM is not None
            found.append(squared_PM[:, 0])
            self.on_passes(len(squared_PM))
        return torch.cat(found)

    def weighed_gradient(self, network: nn.Module, weight_Q: Tensor | None) -> dict[str, Tensor]:
        """The sum over the queries of weight (None: 1) times gradient [1, ...] by covered parameter, in batches."""
        chosen = {name: weight for name, weight in network.named_parameters() if name in self.coverage.names}
        total: dict[str, Tensor] = {}
        done = 0
        for batch in self._query_batches(network):
            with torch.enable_grad(), exact_batch_norm(network):
                loss_Q = visit_losses(network, fitted(network, batch))
                own_Q = loss_Q if weight_Q is None else loss_Q * weight_Q[done : done + len(loss_Q)]
                found = torch.autograd.grad(
                    own_Q.sum(), list(chosen.values()), allow_unused=True, materialize_grads=True
                )
            for name, gradient in zip(chosen, found, strict=True):
                total[name] = total[name] + gradient[None] if name in total else gradient[None]
            done += len(loss_Q)
            self.on_passes(len(loss_Q))
        return {name: total[name] for name in sorted(total)}

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
