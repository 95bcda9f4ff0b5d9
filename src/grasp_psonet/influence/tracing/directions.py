"""Directions of queries: what a formula multiplies the gradients of training photos with, one a query, or one for all."""

# Axes: Q queries; W the shape of a parameter.

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import ByName, Formula, FormulaName
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.request import Request

NetworkAt = Callable[[bool], nn.Module]  # the network at the weights after the step (True), or before it


def directions_of(request: Request, rows: slice, point: AdamPoint, at: NetworkAt) -> dict[FormulaName, ByName]:
    """Directions [Q, ...] of these rows by formula and parameter; of a request that folds, their sum over all queries [1, ...].

    They are projected where the request's coverage is. At an anchor both sides of the step are the same. Raises TraceError
    for a formula without a direction of one step.
    """
    found: dict[FormulaName, ByName] = {}
    for is_after in sorted({formula.reads_query_after_step for formula in request.formulas}):
        network = at(is_after)
        formulas = [formula for formula in request.formulas if formula.reads_query_after_step == is_after]
        if request.folds:
            found |= _summed(request, network, formulas, point)
        else:
            found |= _of_each(request, rows, network, formulas, point)
    return {formula.name: found[formula.name] for formula in request.formulas}


def _of_each(
    request: Request, rows: slice, network: nn.Module, formulas: Sequence[Formula], point: AdamPoint
) -> dict[FormulaName, ByName]:
    """One direction for each of these rows; those to be projected are made and projected some at a time."""
    projection = request.coverage.projection
    parts: dict[FormulaName, list[ByName]] = {formula.name: [] for formula in formulas}
    for block in request.whole_blocks(network, rows):
        query_QW = request.gradients(network, block)
        for formula in formulas:
            own = direction(formula, point, query_QW)
            parts[formula.name].append(own if projection is None else projection.of_all(own))
    return {
        name: own[0] if len(own) == 1 else {key: torch.cat([part[key] for part in own]) for key in own[0]}
        for name, own in parts.items()
    }


def direction(formula: Formula, point: AdamPoint, query_QW: ByName) -> ByName:
    """The formula's directions [Q, ...] by parameter at this point. Raises TraceError where it has none of a single step."""
    if formula.is_of_unit_queries:
        query_QW = point.unit_length(_diagonal(formula, point), query_QW)
    return _linear(formula, point, query_QW)


def _linear(formula: Formula, point: AdamPoint, query_QW: ByName) -> ByName:
    if formula.direction is None:
        raise TraceError(f"formula {formula.name} has no direction of one step\n  next: trace with counting steps")
    return formula.direction(point, query_QW)


def _summed(
    request: Request, network: nn.Module, formulas: Sequence[Formula], point: AdamPoint
) -> dict[FormulaName, ByName]:
    """One direction for all queries: that of the sum of their gradients, each of unit length where the formula wants it."""
    if not request.takes_queries_in_batches:
        return _summed_one_by_one(request, network, formulas, point)
    found: dict[FormulaName, ByName] = {}
    plain: ByName | None = None
    for formula in formulas:
        if formula.is_of_unit_queries:
            norm_Q = request.squared_norms(network, _diagonal(formula, point)).clamp(min=0).sqrt()
            gradient_1W: ByName = request.weighed_gradient(network, torch.where(norm_Q > 0, 1 / norm_Q, 0.0))
        else:
            gradient_1W = plain = plain or request.weighed_gradient(network, None)
        found[formula.name] = _linear(formula, point, gradient_1W)
    return found


def _summed_one_by_one(
    request: Request, network: nn.Module, formulas: Sequence[Formula], point: AdamPoint
) -> dict[FormulaName, ByName]:
    total: dict[FormulaName, dict[str, Tensor]] = {}
    for one in request.each_query():
        query_1W = one.gradients(network, slice(0, 1))
        for formula in formulas:
            own, so_far = direction(formula, point, query_1W), total.get(formula.name)
            total[formula.name] = {
                name: value if so_far is None else so_far[name] + value for name, value in own.items()
            }
    return dict(total)


def _diagonal(formula: Formula, point: AdamPoint) -> ByName:
    assert formula.preconditioner is not None, f"formula {formula.name} takes a length without a preconditioner"
    return formula.preconditioner(point)
