"""Products of every batch, whichever way it goes through the network: by the proven rules, else by autograd one by one.

Rules are proven on a few examples. A network may lead others elsewhere: a layer that only large bags pass, experts chosen by
what a photo shows. Such a batch is seen by the calls of its modules and by the gradients of parameters that had none in the
proof (``products``); it is then taken example by example. What neither shows (a parameter that is used a second time, from
outside its module) is looked for in samples: of the batches 1, 2, 4, 8, ... one example is taken by autograd as well.

Axes: B examples, Q directions, M preconditioners.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.autograd import gradients_of_each, product_of_gradient
from grasp_psonet.influence.gradients.backward_pass import LossOf, NoExactWayError
from grasp_psonet.influence.gradients.coverage import Coverage
from grasp_psonet.influence.gradients.products import Products, UnprovenWayError, products

log = logging.getLogger("grasp_psonet")

SAMPLE_TOLERANCE = {torch.float64: 1e-9}  # of |gradient| |direction|
ROUGH_SAMPLE_TOLERANCE = 1e-3  # in any other precision, where rounding (also TF32) is larger
UNDERFLOW = 1e4  # smallest normal numbers: a gradient no longer than this has lost its digits on the way back

ByName = Mapping[str, Tensor]


@dataclass(frozen=True)
class Examples:
    """A batch of ``size`` examples: ``losses`` runs it whole, ``alone(b)`` example b by itself; either is a ``loss_of``.

    The gradient of ``alone(b)`` is that of example b, also where the losses are not the examples' (photos of a visit).
    """

    size: int
    losses: LossOf
    alone: Callable[[int], LossOf]


def exact_products(
    network: nn.Module, examples: Examples, coverage: Coverage, directions: ByName, preconditioners: ByName
) -> Products:
    """As ``products``, for a batch that may go ways on which the coverage was not proven.

    Raises TraceError where a sampled example shows that neither its calls nor its parameters told of such a way.
    """
    coverage.tally.batches += 1
    try:
        found = products(network, examples.losses, coverage, directions, preconditioners, num_examples=examples.size)
    except (UnprovenWayError, NoExactWayError) as fault:
        if not coverage.tally.one_by_one:
            log.warning(
                "  a batch is taken example by example by autograd (exact, and slower), as will be others like it: %s",
                fault,
            )
        coverage.tally.one_by_one += examples.size
        return _one_by_one(network, examples, coverage, directions, preconditioners)
    if examples.size and coverage.names and _is_sampled(coverage.tally.batches):
        _prove_sample(network, examples, coverage, found, (directions, preconditioners))
    return found


def _is_sampled(batch: int) -> bool:
    return batch & (batch - 1) == 0


def _one_by_one(
    network: nn.Module, examples: Examples, coverage: Coverage, directions: ByName, preconditioners: ByName
) -> Products:
    dots, squares = [], []
    for b in range(examples.size):
        gradient = _gradient(network, examples, coverage, b)
        dot_Q = product_of_gradient(_as_multiplied(network, coverage, gradient), directions)
        squared_M = product_of_gradient(gradient, preconditioners, power=2)
        dots.append(dot_Q)
        squares.append(squared_M)
    like = next(network.parameters())
    return Products(_rows(dots, like), _rows(squares, like), None, like.new_zeros(0))


def _rows(rows: list[Tensor | None], like: Tensor) -> Tensor:
    found = [like.new_zeros(0) if row is None else row for row in rows]
    return torch.stack(found).detach() if found else like.new_zeros(0, 0)


def _gradient(network: nn.Module, examples: Examples, coverage: Coverage, b: int) -> dict[str, Tensor | None]:
    parameters = {name: weight for name, weight in network.named_parameters() if name in coverage.names}
    return gradients_of_each(network, examples.alone(b), parameters, summed=True)


def _as_multiplied(
    network: nn.Module, coverage: Coverage, gradient: Mapping[str, Tensor | None]
) -> Mapping[str, Tensor | None]:
    """A gradient [1, W] as it meets directions: projected, where the coverage says so."""
    projection = coverage.projection
    if projection is None:
        return gradient
    return {
        name: None if value is None else projection.of_rows(name, network.get_parameter(name).shape, value)
        for name, value in gradient.items()
    }


def _prove_sample(
    network: nn.Module, examples: Examples, coverage: Coverage, found: Products, asked: tuple[ByName, ByName]
) -> None:
    """Compares one example's products with autograd's; a different one every time."""
    b = 7919 * coverage.tally.batches % examples.size
    gradient = _gradient(network, examples, coverage, b)
    multiplied = _as_multiplied(network, coverage, gradient)
    dot_Q = product_of_gradient(multiplied, asked[0])
    squared_M = product_of_gradient(gradient, asked[1], power=2)
    dtype = next(network.parameters()).dtype
    tolerance, floor = SAMPLE_TOLERANCE.get(dtype, ROUGH_SAMPLE_TOLERANCE), UNDERFLOW * torch.finfo(dtype).tiny
    pairs = []
    if dot_Q is not None:
        norm = math.sqrt(sum(_squares(value) for value in multiplied.values() if value is not None))
        direction_norm_Q = (
            torch.stack([value.reshape(len(value), -1).square().sum(1) for value in asked[0].values()]).sum(0).sqrt()
        )
        pairs.append((found.dot_BQ[b], dot_Q, (tolerance * norm + floor) * direction_norm_Q.double()))
    if squared_M is not None:
        largest_M = torch.stack([value.reshape(len(value), -1).amax(1) for value in asked[1].values()]).amax(0)
        pairs.append((found.squared_BM[b], squared_M, tolerance * squared_M.double() + floor * largest_M.double()))
    for ours, truth, allowed in pairs:
        if not bool(((ours - truth).abs() <= allowed).all()):
            worst = int(((ours - truth).abs() - allowed).argmax())
            raise TraceError(
                f"the gradient of a training photo is not autograd's (a product of it is {float(ours[worst]):.6g}, in truth "
                f"{float(truth[worst]):.6g}): {type(network).__name__} uses a parameter in ways that depend on what a photo "
                "shows, and that its modules do not tell\n"
                "  next: call the layer itself (layer(x)) wherever its parameter is used, instead of its weight"
            )


def _squares(gradient: Tensor) -> float:
    """The sum of squares, in float64: those of a network that fits its data are too small for others."""
    return float(gradient.double().square().sum())
