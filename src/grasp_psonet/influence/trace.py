"""Tracing: every training photo against every query, by any formula, unit and counting.

What is computed apart (an anchor, a window of steps, a block of queries) is one *part*; scores of parts add up. A caller that
keeps parts hands in ``remember``, and an interrupted trace then goes on where it stopped.
"""

# Axes: Q queries, Z training photos.

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from grasp_psonet.bags.bag import Bag, Pixels
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.checkpoints import anchor_scores
from grasp_psonet.influence.request import Request, ScoresByFormula
from grasp_psonet.influence.settings import Formula, TraceSettings, caveats
from grasp_psonet.influence.steps import window_scores
from grasp_psonet.influence.unit_scope import UnitScope
from grasp_psonet.influence.unroll import COPIES, unrolled_scores
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.anchors import load_weights
from grasp_psonet.trajectory.trajectory import Replaying, Trajectory

LINE_EVERY_S = 10.0
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
    network: BagNetwork,
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
    after_part: Callable[[int, int], None] = lambda done, total: None,
) -> Traced:
    """Scores of the present photos of ``visits`` for each query.

    ``visits`` are bags as training had them, ``queries`` bags of one photo or whole (setting trace.query). ``formulas``
    (default: that of the settings) are traced together in the same passes. Counting ``steps`` needs ``replaying``. The
    network holds the kept weights afterwards. Raises TraceError without anchors, SettingsError for a combination without
    meaning, ReplayMismatch where replay gives other losses than training did.
    """
    wanted = tuple(formulas or (settings.formula,))
    told = [note for formula in wanted for note in caveats(replace(settings, formula=formula))]
    for note in told:
        log.warning("  %s", note)
    request = Request(tuple(visits), tuple(queries), pixels, wanted, settings, scope)
    visit_of = {photo_id: bag.visit_id for bag in visits for photo_id in bag.photo_ids}
    query_ids = (ALL_QUERIES,) if settings.summed else tuple(bag.visit_id for bag in queries)
    scores = request.zeros()
    if queries:
        pace = _Pace(_amount(trajectory, request))
        parts = list(_parts(network, trajectory, replaying, replace(request, did=pace.did)))
        for done, (name, make) in enumerate(parts, start=1):
            for formula, found in remember(name, make).items():
                scores[formula] += found
            after_part(done, len(parts))
        step = trajectory.windows()[-1][1]
        load_weights(network, trajectory.read(step, next(network.parameters()).device))
    visit_ids = tuple(visit_of[photo_id] for photo_id in request.photo_ids)
    return Traced(scores, query_ids, request.photo_ids, visit_ids, tuple(told))


def _parts(
    network: BagNetwork, trajectory: Trajectory, replaying: Replaying | None, request: Request
) -> Iterator[tuple[str, Callable[[], ScoresByFormula]]]:
    """Name and maker of every part."""
    windows = trajectory.windows()
    if not windows:
        raise TraceError(f"the run has no anchor up to its kept step {trajectory.kept_step}\n  next: train again")
    if request.settings.counting == "checkpoints":
        for before, step in windows:
            yield (
                f"anchor-{step:07d}",
                partial(anchor_scores, network, trajectory, before, step, request),
            )
        return
    if replaying is None:
        raise TraceError("counting steps replays training and needs what rebuilds its batches, and its start")
    stepwise = replace(request, formulas=tuple(formula for formula in request.formulas if formula != "unrolled"))
    if stepwise.formulas:
        for before, until in windows:
            yield (
                f"steps-{before + 1:07d}-{until:07d}",
                partial(window_scores, network, trajectory, replaying, before, until, stepwise),
            )
    if "unrolled" in request.formulas:
        for rows in request.blocks(network, COPIES):
            yield (
                f"unrolled-{rows.start:05d}-{rows.stop:05d}",
                partial(unrolled_scores, network, trajectory, replaying, rows, request),
            )


def _amount(trajectory: Trajectory, request: Request) -> int:
    """About how many passes of one photo the trace will take, as ``Request.did`` counts them."""
    settings = request.settings
    of_queries = sum(map(len, request.queries))
    counts: Counter[str] = Counter()
    for bag in request.visits:
        counts[bag.visit_id] += sum(bag.is_present)
    steps = trajectory.steps[trajectory.steps["step"] <= trajectory.kept_step]
    if settings.counting == "checkpoints":
        drawn = sum(counts[visit_id] for visit_id in steps["visit_id"].unique())
        return len(trajectory.windows()) * (of_queries + drawn)
    drawn = int(steps["visit_id"].map(counts).fillna(0).sum())
    amount = 0
    if stepwise := [formula for formula in request.formulas if formula != "unrolled"]:
        sides = ("adam-step" in stepwise) + (set(stepwise) != {"adam-step"})
        amount += drawn + sides * of_queries * steps["step"].nunique()
    if "unrolled" in request.formulas:
        amount += of_queries + drawn * 2 * (1 + request.num_rows)
    return amount


class _Pace:
    """Tells after the first pass how long all will take, and now and then what is left."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._start = self._last = time.monotonic()

    def did(self, photos: int) -> None:
        """So many photos more are done."""
        first, now = self._done == 0, time.monotonic()
        self._done += photos
        left_s = (now - self._start) / max(1, self._done) * max(0, self._total - self._done)
        if first or now - self._last >= LINE_EVERY_S:
            log.info("  tracing: %.0f %%, about %.0f s left", 100 * min(1.0, self._done / max(1, self._total)), left_s)
            self._last = now
