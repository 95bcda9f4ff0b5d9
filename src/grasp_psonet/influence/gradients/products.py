"""The seam of the engine: products of per-example gradients with directions, without ever storing a gradient.

An *example* is whatever lies along dimension 0 of every layer: a photo as a bag of one (unit ``single``), or a photo
within its visit (unit ``share``). Nothing here knows formulas: they come as directions and preconditioners.

Axes: B examples, Q directions, M preconditioners.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.backward_pass import LossOf, backward_pass
from grasp_psonet.influence.gradients.contraction import ProductAccumulator
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics
from grasp_psonet.influence.gradients.coverage import Coverage


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
    [Q, *shape], ``preconditioners`` (nonnegative weights, as Adam's 1 / (sqrt(v) + eps)) to [M, *shape]; an empty mapping
    means none. Raises TraceError where a covered parameter is missing, a shape does not fit, or a layer mixes examples.
    """
    preconditioners = preconditioners or {}
    parameters = dict(network.named_parameters())
    for what, values in (("direction", directions), ("preconditioner", preconditioners)):
        _refuse_misfits(what, values, coverage, parameters)
    refuse_batch_statistics(network)
    sums = ProductAccumulator(directions, preconditioners, wants_gram)
    with torch.autocast(next(iter(parameters.values())).device.type, enabled=False):
        loss_B = backward_pass(network, loss_of, coverage.sites, sums, num_examples)
    sums.finish()
    size = len(loss_B) if num_examples is None else num_examples
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


def query_blocks(num_queries: int, bytes_per_query: int, budget_bytes: int) -> list[slice]:
    """Slices of the queries whose directions fit the budget together, at least one query each."""
    size = max(1, budget_bytes // max(1, bytes_per_query))
    return [slice(start, min(start + size, num_queries)) for start in range(0, num_queries, size)]


def _refuse_misfits(
    what: str, values: Mapping[str, Tensor], coverage: Coverage, parameters: Mapping[str, Tensor]
) -> None:
    if not values:
        return
    missing, surplus = sorted(coverage.names - values.keys()), sorted(values.keys() - coverage.names)
    if missing or surplus:
        raise TraceError(
            f"{what}s lack {missing} and have {surplus} that are not covered; wanted: one for each covered parameter"
        )
    counts = {len(value) for value in values.values()}
    misfits = [
        f"{name}: {what} {tuple(value.shape)} {value.dtype}, parameter {tuple(parameters[name].shape)} {parameters[name].dtype}"
        for name, value in values.items()
        if value.shape[1:] != parameters[name].shape or value.dtype != parameters[name].dtype
    ]
    if misfits or len(counts) > 1:
        raise TraceError(f"{what}s do not fit (counts {sorted(counts)}): " + "; ".join(misfits))
