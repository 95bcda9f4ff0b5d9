"""Tracing: every training photo against every query, by any formula, unit and counting.

Queries are the same at all anchors, or those of each anchor: the errors that the network made there.

What is computed apart (an anchor, a window of steps, a block of queries) is one *part*; scores of parts add up. A caller that
keeps parts hands in ``remember``, and an interrupted trace then goes on where it stopped.
"""

# Axes: Q queries, Z training photos.

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

import numpy as np
from torch import nn

from grasp_psonet.bags.bag import Bag, Pixels
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import FORMULAS, Formula, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.at_anchors import anchor_scores
from grasp_psonet.influence.tracing.at_steps import window_scores
from grasp_psonet.influence.tracing.cost import Pace, passes_of_anchor, passes_of_unrolling, passes_of_window
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula
from grasp_psonet.influence.tracing.unrolled import COPIES, unrolled_scores
from grasp_psonet.influence.units.unit import UnitCoverage
from grasp_psonet.trajectory.anchors import load_weights
from grasp_psonet.trajectory.trajectory import Replaying, Trajectory

SUMMED = "all errors"  # the name of the one row where queries are summed

log = logging.getLogger("grasp_psonet")

Queries = Sequence[Bag] | Mapping[int, Sequence[Bag]]
Windows = Sequence[tuple[int, int, Request]]  # (previous anchor, anchor, what to trace in the steps between)
Remember = Callable[[str, Callable[[], ScoresByFormula]], ScoresByFormula]


@dataclass(frozen=True)
class Traced:
    """Scores [Q, Z] float64 by formula; **positive = training on the photo lowered the query's loss, negative = harmful**.

    ``query_ids`` name the rows (one row ``all errors`` where queries are summed), ``photo_ids`` and ``visit_ids`` the
    columns; ``caveats`` is what must be said wherever these scores are shown.
    """

    by_formula: ScoresByFormula
    query_ids: tuple[str, ...]
    photo_ids: tuple[str, ...]
    visit_ids: tuple[str, ...]
    caveats: tuple[str, ...]


def trace(
    network: nn.Module,
    trajectory: Trajectory,
    visits: Sequence[Bag],
    queries: Queries,
    pixels: Pixels,
    settings: TraceSettings,
    coverage: UnitCoverage,
    *,
    formulas: Sequence[FormulaName] | None = None,
    replaying: Replaying | None = None,
    remember: Remember = lambda part, make: make(),
) -> Traced:
    """Scores of the present photos of ``visits`` for each query.

    ``visits`` are bags as training had them, ``queries`` bags of one photo or whole (setting trace.query): the same at all
    anchors up to the kept one; or, by the step of an anchor, those that count at that anchor alone (counting ``steps``: in
    the steps that led to it), over all of training. The rows of the scores are then visits, by id, each over the anchors
    where it was a query. ``formulas`` (default: that of the settings) are traced together in the same passes. Counting
    ``steps`` needs ``replaying``. The network holds the kept weights afterwards. Raises TraceError without anchors and for
    queries at a step that has none, SettingsError for a combination without meaning, ReplayMismatch where replay gives
    other losses than training did.
    """
    wanted = tuple(FORMULAS[name] for name in formulas or (settings.formula,))
    told = _caveats(wanted, settings)
    for note in told:
        log.warning("  %s", note)
    asking = _each_visit_once(queries)
    request = Request(tuple(visits), asking, pixels, wanted, settings, coverage)
    visit_of = {photo_id: bag.visit_id for bag in visits for photo_id in bag.photo_ids}
    query_ids = (SUMMED,) if settings.summed else tuple(bag.visit_id for bag in asking)
    scores = request.zeros()
    if asking:
        pace = Pace()
        at_step = queries if isinstance(queries, Mapping) else None
        parts = list(_parts(network, trajectory, replaying, replace(request, on_passes=pace.on_passes), at_step))
        pace.begins(sum(part.num_passes for part in parts))
        for part in parts:
            for formula, found in remember(part.name, part.make).items():
                scores[formula] += found
            pace.ended(part.num_passes)
        step = trajectory.windows()[-1][1]
        load_weights(network, trajectory.read(step, next(network.parameters()).device))
    visit_ids = tuple(visit_of[photo_id] for photo_id in request.photo_ids)
    return Traced(scores, query_ids, request.photo_ids, visit_ids, tuple(told))


@dataclass(frozen=True)
class _Part:
    """A part: its name, what makes its scores, and about how many passes of one photo that takes (``Request.on_passes``)."""

    name: str
    make: Callable[[], ScoresByFormula]
    num_passes: int


def _caveats(formulas: Sequence[Formula], settings: TraceSettings) -> list[str]:
    found = [(formula.caveats or {}).get(settings.unit) for formula in formulas]
    return [note for note in found if note is not None]


def _each_visit_once(queries: Queries) -> tuple[Bag, ...]:
    """The rows of the scores: the queries as they are, or a bag of every visit that is one at some anchor."""
    if not isinstance(queries, Mapping):
        return tuple(queries)
    by_visit = {bag.visit_id: bag for bags in queries.values() for bag in bags}
    return tuple(by_visit[visit_id] for visit_id in sorted(by_visit))


def _parts(
    network: nn.Module,
    trajectory: Trajectory,
    replaying: Replaying | None,
    request: Request,
    at_step: Mapping[int, Sequence[Bag]] | None,
) -> Iterator[_Part]:
    if not trajectory.windows():
        raise TraceError(f"the run has no anchor up to its kept step {trajectory.kept_step}\n  next: train again")
    if at_step is None:
        windows = [(before, step, request) for before, step in trajectory.windows()]
    else:
        windows = list(_windows_of_own_queries(trajectory, request, at_step))
    match request.settings.counting:
        case "even" | "checkpoints":
            found = _parts_at_anchors(network, trajectory, windows)
        case "steps":
            found = _parts_by_step(network, trajectory, replaying, windows, request)
        case _ as other:
            assert_never(other)
    if at_step is None:
        yield from found
    else:
        row_of = {bag.visit_id: row for row, bag in enumerate(request.queries)}
        for part, (_, _, own) in zip(found, windows, strict=True):
            rows = [0] if request.settings.summed else [row_of[bag.visit_id] for bag in own.queries]
            yield replace(part, make=partial(_placed, part.make, rows, request))


def _windows_of_own_queries(
    trajectory: Trajectory, request: Request, at_step: Mapping[int, Sequence[Bag]]
) -> Iterator[tuple[int, int, Request]]:
    """Every window that has queries of its own, with the request that asks for those alone."""
    if unrolled := [formula.name for formula in request.formulas if formula.is_unrolled]:
        raise TraceError(
            f"formula {unrolled[0]} goes back from the kept weights: queries of single anchors have no place in it"
        )
    windows = trajectory.windows(beyond_kept=True)
    if unknown := set(at_step) - {step for _, step in windows}:
        raise TraceError(f"queries at steps {sorted(unknown)}, where the run has no anchor\n  next: train again")
    for before, step in windows:
        if at_step.get(step):
            yield before, step, replace(request, queries=tuple(at_step[step]))


def _placed(make: Callable[[], ScoresByFormula], rows: Sequence[int], request: Request) -> ScoresByFormula:
    """Scores of some queries in their rows among all."""
    scores = request.zeros()
    for formula, found in make().items():
        np.add.at(scores[formula], rows, found)
    return scores


def _parts_at_anchors(network: nn.Module, trajectory: Trajectory, windows: Windows) -> Iterator[_Part]:
    for before, step, request in windows:
        yield _Part(
            f"anchor-{step:07d}",
            partial(anchor_scores, network, trajectory, before, step, request),
            passes_of_anchor(network, trajectory, before, step, request),
        )


def _parts_by_step(
    network: nn.Module, trajectory: Trajectory, replaying: Replaying | None, windows: Windows, request: Request
) -> Iterator[_Part]:
    if replaying is None:
        raise TraceError("counting steps replays training and needs what rebuilds its batches, and its start")
    stepwise = tuple(formula for formula in request.formulas if not formula.is_unrolled)
    unrolled = tuple(formula for formula in request.formulas if formula.is_unrolled)
    if stepwise:
        for before, until, own in windows:
            of_steps = replace(own, formulas=stepwise)
            yield _Part(
                f"steps-{before + 1:07d}-{until:07d}",
                partial(window_scores, network, trajectory, replaying, before, until, of_steps),
                passes_of_window(network, trajectory, before, until, of_steps),
            )
    for formula in unrolled:
        whole = replace(request, formulas=(formula,))
        for rows in whole.blocks(network, COPIES):
            yield _Part(
                f"{formula.name}-{rows.start:05d}-{rows.stop:05d}",
                partial(unrolled_scores, network, trajectory, replaying, rows, whole),
                passes_of_unrolling(trajectory, rows, whole),
            )
