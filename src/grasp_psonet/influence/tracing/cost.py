"""How long a trace will take: its work counted in passes of one photo, and the time they took so far."""

from collections import Counter

from grasp_psonet.influence.tracing.request import Request, present_photos
from grasp_psonet.progress import progress
from grasp_psonet.tables.columns import VISIT_ID
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory


def passes_of_anchor(trained: TrainedNetwork, before: int, step: int, request: Request) -> int:
    """Passes of one anchor: the queries, and every photo drawn since the last one (counting even: every photo)."""
    drawn = set(trained.trajectory.draws_between(before, step)[VISIT_ID])
    is_even = request.settings.counting == "even"
    weighed = {bag.visit_id for bag in request.visits} if is_even else drawn
    num_photos = sum(sum(bag.is_present) for bag in request.multiplied(weighed))
    blocks = request.blocks(trained.network, request.num_copies + 1)
    return _num_query_photos(request) + sum(
        request.passes(num_photos, _num_rows(rows) * len(request.formulas)) for rows in blocks
    )


def passes_of_window(trained: TrainedNetwork, before: int, until: int, request: Request) -> int:
    """Passes of one window of steps: at each the queries, on either side of it that formulas read, and its draws' photos."""
    sides = len({formula.reads_query_after_step for formula in request.formulas})
    blocks = request.blocks(trained.network, request.num_copies + 2)
    num_photos = _num_drawn_photos(trained.trajectory, before, until, request)
    return (until - before) * sides * _num_query_photos(request) + sum(
        request.passes(num_photos, _num_rows(rows) * len(request.formulas)) for rows in blocks
    )


def passes_of_unrolling(trajectory: Trajectory, rows: slice, request: Request) -> int:
    """Passes of formula unrolled: the queries, and for each photo of a draw its products and those with the curvature."""
    num_photos, num_rows = _num_drawn_photos(trajectory, 0, trajectory.kept_step, request), _num_rows(rows)
    curved = num_photos * (1 + 2 * num_rows)
    queries = request.query_bags if request.settings.sum_queries else request.query_bags[rows]
    return sum(map(len, queries)) + request.passes(num_photos, num_rows) + curved


def _num_rows(rows: slice) -> int:
    return int(rows.stop) - int(rows.start)


def _num_query_photos(request: Request) -> int:
    return sum(map(len, request.query_bags))


def _num_drawn_photos(trajectory: Trajectory, before: int, until: int, request: Request) -> int:
    """Photos of all draws of these steps, as often as drawn."""
    counts: Counter[str] = Counter()
    for bag in request.visits:
        if any(map(request.is_wanted, present_photos([bag]))):
            counts[bag.visit_id] += sum(bag.is_present)
    return sum(counts[visit_id] for visit_id in trajectory.draws_between(before, until)[VISIT_ID])


class Pace:
    """Tells the progress of a trace in passes: those of this call, of those and what is left.

    Parts that are remembered take no time and are no measure of it: they only leave less to do.
    """

    def __init__(self) -> None:
        self._ahead = self._done = self._done_of_part = 0
        self._told = progress("  tracing, in passes of one photo")

    def begins(self, num_passes: int) -> None:
        """This many passes lie ahead, if no part is remembered."""
        self._ahead = num_passes

    def on_passes(self, num_passes: int) -> None:
        """This many more passes are done."""
        self._done += num_passes
        self._done_of_part += num_passes
        left = self._ahead - self._done_of_part
        if left > 0:  # the end is told once, by the last part: passes are counted ahead about, not exactly
            self._told.advance(self._done, self._done + left)

    def ended(self, num_passes: int) -> None:
        """A part of this many passes is over, whether it was computed now or remembered."""
        self._ahead -= num_passes
        self._done_of_part = 0
        if self._ahead <= 0 and self._done:
            self._told.advance(self._done, self._done)
