"""Tracing: every training photo against every query, by any formula, unit and counting.

Queries are the same at all anchors, or those of each anchor: the errors that the network made there.

What is computed apart (an anchor, a window of steps, a block of queries) is one *part*; scores of parts add up. A part has rows
for its own queries alone. A caller that keeps parts hands in ``remember``, and an interrupted trace then goes on where it
stopped.
"""

# Axes: Q queries, Z training photos.

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.tracing.at_anchors import anchor_scores
from grasp_psonet.influence.tracing.at_steps import window_scores
from grasp_psonet.influence.tracing.cost import Pace, passes_of_anchor, passes_of_unrolling, passes_of_window
from grasp_psonet.influence.tracing.projected import caveat, projected, sample_of
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula
from grasp_psonet.influence.tracing.unrolled import COPIES, unrolled_scores
from grasp_psonet.trajectory.trained_network import TrainedNetwork

log = logging.getLogger("grasp_psonet")

Window = tuple[int, int, Request]  # (previous anchor, anchor, what to trace in the steps between)
Remember = Callable[[str, Callable[[], ScoresByFormula]], ScoresByFormula]


@dataclass(frozen=True)
class Traced:
    """Scores [Q, Z] float64 by formula; **positive = training on the photo lowered the query's loss, negative = harmful**.

    ``query_ids`` name the rows (one row ``all`` where one stands for all queries), ``photo_ids`` and ``visit_ids`` the
    columns; ``caveats`` is what must be said wherever these scores are shown.
    """

    by_formula: ScoresByFormula
    query_ids: tuple[str, ...]
    photo_ids: tuple[str, ...]
    visit_ids: tuple[str, ...]
    caveats: tuple[str, ...]


def trace(trained: TrainedNetwork, request: Request, remember: Remember = lambda part, make: make()) -> Traced:
    """Scores of the present photos of the request's visits for each of its queries.

    Where queries are told by anchor the rows of the scores are visits, by id, each over the anchors where it was a query. All
    formulas are traced in the same passes. Counting ``steps`` replays the trajectory. With ``settings.projection`` gradients
    are projected, and a sample of the pairs is traced exactly as well; its rank correlation is among the caveats. The network
    holds the kept weights afterwards. Raises TraceError without anchors, for queries at a step that has none, and where a
    trajectory has to be replayed and cannot; SettingsError for a combination without meaning, ReplayMismatch where replay
    gives other losses than training did.
    """
    told = _caveats(request)
    for note in told:
        log.warning("  %s", note)
    is_projected = request.settings.projection is not None and len(request.query_bags) > 0
    scores = _scores(trained, projected(request) if is_projected else request, remember)
    if is_projected:
        told += _caveats_of_projection(trained, request, scores, remember)
    visit_of = {photo_id: bag.visit_id for bag in request.visits for photo_id in bag.photo_ids}
    visit_ids = tuple(visit_of[photo_id] for photo_id in request.photo_ids)
    return Traced(scores, request.query_ids, request.photo_ids, visit_ids, told)


def _scores(trained: TrainedNetwork, request: Request, remember: Remember) -> ScoresByFormula:
    scores = request.zeros()
    if not request.query_bags:
        return scores
    pace = Pace()
    parts = list(_parts(trained, replace(request, on_passes=pace.on_passes)))
    pace.begins(sum(part.num_passes for part in parts))
    for part in parts:
        for formula, found in remember(part.name, part.make).items():
            for row, found_Z in zip(part.rows, found, strict=True):
                scores[formula][row] += found_Z
        pace.ended(part.num_passes)
    trained.load(trained.windows()[-1][1])
    return scores


def _caveats_of_projection(
    trained: TrainedNetwork, request: Request, scores: ScoresByFormula, remember: Remember
) -> tuple[str, ...]:
    """How well the scores of projected gradients rank: some pairs are traced exactly as well."""
    sample = sample_of(request, scores)
    exact = _scores(trained, sample.request, lambda part, make: remember(f"exact-{part}", make))
    kept = request.settings.projection
    assert kept is not None
    notes = tuple(
        caveat(kept, name, found, len(sample.columns)) for name, found in sample.correlations(scores, exact).items()
    )
    for note in notes:
        log.warning("  %s", note)
    return notes


@dataclass(frozen=True)
class _Part:
    """A part: its name, what makes its scores, their ``rows`` among all, and about how many passes of one photo that takes
    (``Request.on_passes``)."""

    name: str
    make: Callable[[], ScoresByFormula]
    rows: Sequence[int]
    num_passes: int


def _caveats(request: Request) -> tuple[str, ...]:
    found = [(formula.caveats or {}).get(request.settings.unit) for formula in request.formulas]
    return tuple(note for note in found if note is not None)


def _parts(trained: TrainedNetwork, request: Request) -> Iterator[_Part]:
    if not trained.windows():
        raise TraceError(
            f"the run has no anchor up to its kept step {trained.trajectory.kept_step}\n  next: train again"
        )
    by_anchor = isinstance(request.queries, Mapping)
    windows = list(_windows_of_own_queries(trained, request) if by_anchor else _windows(trained, request))
    match request.settings.counting:
        case "even" | "checkpoints":
            found = _parts_at_anchors(trained, windows)
        case "steps":
            found = _parts_by_step(trained, windows, request)
        case _ as other:
            assert_never(other)
    if not by_anchor:
        yield from found
        return
    row_of = {bag.visit_id: row for row, bag in enumerate(request.query_bags)}
    for part, (_, _, own) in zip(found, windows, strict=True):
        rows = [0] if request.is_one_row else [row_of[bag.visit_id] for bag in own.query_bags]
        yield replace(part, rows=rows)


def _windows(trained: TrainedNetwork, request: Request) -> Iterator[Window]:
    for before, step in trained.windows():
        yield before, step, request


def _windows_of_own_queries(trained: TrainedNetwork, request: Request) -> Iterator[Window]:
    """Every window that has queries of its own, with the request that asks for those alone."""
    assert isinstance(request.queries, Mapping)
    if unrolled := [formula.name for formula in request.formulas if formula.is_unrolled]:
        raise TraceError(
            f"formula {unrolled[0]} goes back from the kept weights: queries of single anchors have no place in it"
        )
    windows = trained.windows(beyond_kept=True)
    if unknown := set(request.queries) - {step for _, step in windows}:
        raise TraceError(f"queries at steps {sorted(unknown)}, where the run has no anchor\n  next: train again")
    for before, step in windows:
        if request.queries.get(step):
            yield before, step, replace(request, queries=tuple(request.queries[step]))


def _parts_at_anchors(trained: TrainedNetwork, windows: Sequence[Window]) -> Iterator[_Part]:
    for before, step, request in windows:
        yield _Part(
            f"anchor-{step:07d}",
            partial(anchor_scores, trained, before, step, request),
            range(request.num_rows),
            passes_of_anchor(trained, before, step, request),
        )


def _parts_by_step(trained: TrainedNetwork, windows: Sequence[Window], request: Request) -> Iterator[_Part]:
    trained.refuse_without_replay()
    stepwise = tuple(formula for formula in request.formulas if not formula.is_unrolled)
    unrolled = tuple(formula for formula in request.formulas if formula.is_unrolled)
    if stepwise:
        for before, until, own in windows:
            of_steps = replace(own, formulas=stepwise)
            yield _Part(
                f"steps-{before + 1:07d}-{until:07d}",
                partial(window_scores, trained, before, until, of_steps),
                range(request.num_rows),
                passes_of_window(trained, before, until, of_steps),
            )
    for formula in unrolled:
        whole = replace(request, formulas=(formula,))
        if request.folds:  # what is carried back is linear in the queries' gradients
            whole = replace(whole, folds=False, settings=replace(request.settings, sum_queries=True))
        for rows in whole.blocks(trained.network, COPIES):
            yield _Part(
                f"{formula.name}-{rows.start:05d}-{rows.stop:05d}",
                partial(unrolled_scores, trained, rows, whole),
                range(rows.start, rows.stop),
                passes_of_unrolling(trained.trajectory, rows, whole),
            )
