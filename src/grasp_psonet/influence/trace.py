"""Tracing: every training photo against every query, by any formula, unit and counting.

What is computed apart (an anchor, a window of steps, a block of queries) is one *part*; scores of parts add up. A caller that
keeps parts hands in ``remember``, and an interrupted trace then goes on where it stopped.
"""

# Axes: Q queries, Z training photos.

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from torch import nn

from grasp_psonet.bags.bag import Bag, Pixels
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.checkpoints import anchor_scores
from grasp_psonet.influence.pace import Pace, passes_of_anchor, passes_of_sweep, passes_of_window
from grasp_psonet.influence.request import Request, ScoresByFormula
from grasp_psonet.influence.settings import Formula, TraceSettings, caveats
from grasp_psonet.influence.steps import window_scores
from grasp_psonet.influence.unit_scope import UnitScope
from grasp_psonet.influence.unroll import COPIES, unrolled_scores
from grasp_psonet.trajectory.anchors import load_weights
from grasp_psonet.trajectory.trajectory import Replaying, Trajectory

ALL_QUERIES = "all errors"

log = logging.getLogger("grasp_psonet")

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
    queries: Sequence[Bag],
    pixels: Pixels,
    settings: TraceSettings,
    scope: UnitScope,
    *,
    formulas: Sequence[Formula] | None = None,
    replaying: Replaying | None = None,
    remember: Remember = lambda part, make: make(),
) -> Traced:
    """Scores of the present photos of ``visits`` for each query.

    ``visits`` are bags as training had them, ``queries`` bags of one photo or whole (setting trace.query). ``formulas``
    (default: that of the settings) are traced together in the same passes. Counting ``steps`` needs ``replaying``. The
    network holds the kept weights afterwards. Raises TraceError without anchors, SettingsError for a combination without
    meaning, ReplayMismatch where replay gives other losses than training did.
    """
    wanted = tuple(formulas or (settings.formula,))
    told = [note for formula in wanted for note in caveats(formula, settings.unit)]
    for note in told:
        log.warning("  %s", note)
    request = Request(tuple(visits), tuple(queries), pixels, wanted, settings, scope)
    visit_of = {photo_id: bag.visit_id for bag in visits for photo_id in bag.photo_ids}
    query_ids = (ALL_QUERIES,) if settings.summed else tuple(bag.visit_id for bag in queries)
    scores = request.zeros()
    if queries:
        pace = Pace()
        parts = list(_parts(network, trajectory, replaying, replace(request, did=pace.did)))
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
    """A part: its name, what makes its scores, and about how many passes of one photo that takes (``Request.did``)."""

    name: str
    make: Callable[[], ScoresByFormula]
    num_passes: int


def _parts(
    network: nn.Module, trajectory: Trajectory, replaying: Replaying | None, request: Request
) -> Iterator[_Part]:
    if not trajectory.windows():
        raise TraceError(f"the run has no anchor up to its kept step {trajectory.kept_step}\n  next: train again")
    match request.settings.counting:
        case "even" | "checkpoints":
            yield from _parts_at_anchors(network, trajectory, request)
        case "steps":
            yield from _parts_by_step(network, trajectory, replaying, request)
        case _ as other:
            assert_never(other)


def _parts_at_anchors(network: nn.Module, trajectory: Trajectory, request: Request) -> Iterator[_Part]:
    for before, step in trajectory.windows():
        yield _Part(
            f"anchor-{step:07d}",
            partial(anchor_scores, network, trajectory, before, step, request),
            passes_of_anchor(network, trajectory, before, step, request),
        )


def _parts_by_step(
    network: nn.Module, trajectory: Trajectory, replaying: Replaying | None, request: Request
) -> Iterator[_Part]:
    if replaying is None:
        raise TraceError("counting steps replays training and needs what rebuilds its batches, and its start")
    stepwise = replace(request, formulas=tuple(formula for formula in request.formulas if formula != "unrolled"))
    if stepwise.formulas:
        for before, until in trajectory.windows():
            yield _Part(
                f"steps-{before + 1:07d}-{until:07d}",
                partial(window_scores, network, trajectory, replaying, before, until, stepwise),
                passes_of_window(network, trajectory, before, until, stepwise),
            )
    if "unrolled" in request.formulas:
        for rows in request.blocks(network, COPIES):
            yield _Part(
                f"unrolled-{rows.start:05d}-{rows.stop:05d}",
                partial(unrolled_scores, network, trajectory, replaying, rows, request),
                passes_of_sweep(trajectory, rows, request),
            )
