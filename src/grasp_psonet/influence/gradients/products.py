"""The seam of the engine: products of per-example gradients with directions, without ever storing a gradient.

An *example* is whatever lies along dimension 0 of every layer: a photo as a bag of one (unit ``single``), or a photo
within its visit (unit ``share``). Nothing here knows formulas: they come as directions and preconditioners.

Axes: B examples, Q directions, M preconditioners.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.backward_pass import LossOf, Passed, Sink, backward_pass
from grasp_psonet.influence.gradients.contraction import ProductAccumulator, ProjectedAccumulator
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics
from grasp_psonet.influence.gradients.coverage import Coverage, tolerance_of
from grasp_psonet.influence.gradients.rules import Gradient, Outer


class UnprovenWayError(TraceError):
    """A batch goes another way through the network than the examples on which its coverage was proven."""


@dataclass(frozen=True)
class Products:
    """What one batch of examples gives.

    ``dot_BQ``: gradient of each example's loss times each direction. ``squared_BM``: sum over parameters of
    preconditioner * gradient ** 2. ``gram_MBB``: the same between pairs of examples, with ``wants_gram``. ``loss_B``: the
    losses as ``loss_of`` returned them.
    """

    dot_BQ: Tensor
    squared_BM: Tensor
    gram_MBB: Tensor | None
    loss_B: Tensor


def products(
    network: nn.Module,
    loss_of: LossOf,
    coverage: Coverage,
    directions: Mapping[str, Tensor],
    preconditioners: Mapping[str, Tensor] | None = None,
    *,
    wants_gram: bool = False,
    num_examples: int | None = None,
) -> Products:
    """Products over a batch, in one forward and one backward pass.

    ``loss_of(network)`` runs the network on the batch and returns one loss per example, [B]; where losses and examples
    differ (photos of visits), ``num_examples`` says B. ``directions`` maps every covered parameter to
    [Q, *shape] (its projection, [Q, o * k], where the coverage has one), ``preconditioners`` (nonnegative weights, as Adam's
    1 / (sqrt(v) + eps)) to [M, *shape]; an empty mapping means none. Raises TraceError where a covered parameter is missing, a
    shape does not fit, or a layer mixes examples; UnprovenWayError where the batch goes another way through the network than
    the examples of the proof did.
    """
    preconditioners = preconditioners or {}
    parameters = dict(network.named_parameters())
    shapes = {name: parameters[name].shape for name in coverage.names}
    projection = coverage.projection
    if projection is None:
        sums, kept = ProductAccumulator(directions, preconditioners, wants_gram), shapes
    else:
        sums = ProjectedAccumulator(projection, shapes, directions, preconditioners, wants_gram)
        kept = {name: torch.Size([projection.numel_of(shape)]) for name, shape in shapes.items()}
    for what, values, wanted in (("direction", directions, kept), ("preconditioner", preconditioners, shapes)):
        _refuse_misfits(what, values, wanted, parameters)
    refuse_batch_statistics(network)
    with torch.autocast(next(iter(parameters.values())).device.type, enabled=False):
        watched = SummedGradients(sums, coverage.unproven)
        passed = backward_pass(network, loss_of, coverage.sites, watched, num_examples, coverage.unproven)
    sums.finish()
    loss_B = passed.loss_B
    size = len(loss_B) if num_examples is None else num_examples
    _refuse_unproven(passed, watched, coverage, size)
    like = next(iter(directions.values()), loss_B)
    dot_BQ = like.new_zeros(size, sums.num_directions) if sums.dot_QB is None else sums.dot_QB.T.contiguous()
    gram_MBB, squared_BM = sums.gram_MBB, sums.squared_BM
    if wants_gram and gram_MBB is None:
        gram_MBB = like.new_zeros(sums.num_preconditioners, size, size)
    if gram_MBB is not None:
        squared_BM = gram_MBB.diagonal(dim1=1, dim2=2).T.contiguous()
    if squared_BM is None:
        squared_BM = like.new_zeros(size, sums.num_preconditioners)
    return Products(dot_BQ, squared_BM, gram_MBB, loss_B)


class SummedGradients:
    """Passes gradients on, and keeps the sum over the batch of those that are watched."""

    def __init__(self, sink: Sink, names: Collection[str]) -> None:
        self.sink, self.names = sink, names
        self.total: dict[str, Tensor] = {}

    def expect(self, name: str) -> None:
        """The forward pass has used this parameter once more."""
        self.sink.expect(name)

    def add(self, name: str, gradient: Gradient) -> None:
        """The gradient of one use of this parameter, for every example."""
        if name in self.names:
            if isinstance(gradient, Outer):
                own = torch.einsum("bto,btk->ok", gradient.left_BTO, gradient.right_BTK)
            else:
                own = gradient.sum(0)
            self.total[name] = self.total[name] + own.flatten() if name in self.total else own.flatten()
        self.sink.add(name, gradient)


def _refuse_unproven(passed: Passed, watched: SummedGradients, coverage: Coverage, num_examples: int) -> None:
    """Raises UnprovenWayError where a module was called otherwise than in the proof, as when only some examples pass it, and
    where a parameter whose gradient was 0 there now has one that is not the sum of what was multiplied."""
    for site, proven, seen in zip(coverage.sites, coverage.rows, passed.rows, strict=True):
        allowed = [{own * num_examples, own * num_examples * coverage.growth} for own in proven]
        if len(allowed) != len(seen) or any(rows not in at for rows, at in zip(seen, allowed, strict=True)):
            raise UnprovenWayError(
                f"module {site.module or '(the network)'} got {_listed(seen)} rows for {num_examples} examples; when it was "
                f"proven, {_listed(proven)} for one: only some examples pass it, or not all alike"
            )
    reached = {name: gradient.flatten() for name, gradient in passed.watched.items() if gradient is not None}
    for name, truth in reached.items():
        ours = watched.total.get(name, torch.zeros_like(truth))
        allowance = max(tolerance_of(truth.dtype) * float(truth.abs().max()), num_examples * coverage.floor)
        if not float((ours - truth).abs().max()) <= allowance:
            raise UnprovenWayError(f"parameter {name} has a gradient in this batch, and had none when it was proven")


def _listed(values: Sequence[object]) -> str:
    return " and ".join(map(str, values)) or "no"


def query_blocks(num_queries: int, bytes_per_query: int, budget_bytes: int) -> list[slice]:
    """Slices of the queries whose directions fit the budget together, at least one query each."""
    size = max(1, budget_bytes // max(1, bytes_per_query))
    return [slice(start, min(start + size, num_queries)) for start in range(0, num_queries, size)]


def _refuse_misfits(
    what: str, values: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], parameters: Mapping[str, Tensor]
) -> None:
    if not values:
        return
    missing, surplus = sorted(shapes.keys() - values.keys()), sorted(values.keys() - shapes.keys())
    if missing or surplus:
        raise TraceError(
            f"{what}s lack {missing} and have {surplus} that are not covered; wanted: one for each covered parameter"
        )
    counts = {len(value) for value in values.values()}
    misfits = [
        f"{name}: {what} {tuple(value.shape)} {value.dtype}, parameter {tuple(shapes[name])} {parameters[name].dtype}"
        for name, value in values.items()
        if value.shape[1:] != shapes[name] or value.dtype != parameters[name].dtype
    ]
    if misfits or len(counts) > 1:
        raise TraceError(f"{what}s do not fit (counts {sorted(counts)}): " + "; ".join(misfits))
