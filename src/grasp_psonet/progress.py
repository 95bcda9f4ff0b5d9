"""Progress of long work and log lines: bars with time left on a terminal, plain lines elsewhere.

All long work tells its progress in one way: ``progress(title)`` gives a ``Progress``, which is told ``advance(done, total)``.
Who wants to hear of it too, e.g. to time epochs, works inside ``heard_by(on_progress)``.
"""

import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")
Track = Callable[[Iterable[T], str, int], Iterator[T]]
OnProgress = Callable[[str, int, int], None]  # title of the work, done, total
LINE_EVERY_S = 10.0
_SHORTEST_PACE_S = 5.0  # less tells no pace
_LONG_START_S = 60.0  # of a first part

log = logging.getLogger("grasp_psonet")

_heard_by: ContextVar[OnProgress | None] = ContextVar("heard_by", default=None)


class Progress(Protocol):
    """One piece of long work."""

    def advance(self, done: int, total: int) -> None:
        """So much is done of so much; the last call has the two equal. ``total`` may change on the way."""


def progress(title: str) -> Progress:
    """A bar with time left on a terminal; elsewhere a line with time left, at most every ten seconds and at the end.

    Processes started by others always write lines: their bars would overwrite each other.
    """
    shown: Progress = _Bar(title) if _shows_bars() else _Lines(title)
    on_progress = _heard_by.get()
    return shown if on_progress is None else _Heard(title, shown, on_progress)


def track(items: Iterable[T], title: str, total: int) -> Iterator[T]:
    """Yields the items and shows how many of ``total`` are done and how long the rest will take."""
    told = progress(title)
    for done, item in enumerate(items, start=1):
        yield item
        told.advance(done, total)


@contextmanager
def heard_by(on_progress: OnProgress | None) -> Iterator[None]:
    """Inside, ``on_progress`` is told of all progress of this process too; None: as it was."""
    before = _heard_by.set(on_progress or _heard_by.get())
    try:
        yield
    finally:
        _heard_by.reset(before)


def spoken_time(seconds: float) -> str:
    """A duration for people, e.g. ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def show_plainly() -> None:
    """Log lines to standard error, bare; for the command line and for processes it starts."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)


class _Pace:
    """How long the rest will take, by what was done after the first part: that one took the start-up of processes, too,
    or stood already."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._first: tuple[float, int] | None = None  # when the first part was done, and how much that was

    def left_s(self, now: float, done: int, total: int) -> float | None:
        """Seconds left; None while that cannot be told."""
        if done >= total:
            return 0.0
        if self._first is None:
            self._first = (now, done)
        first_at, first_done = self._first
        start_s, since_s = first_at - self._start, now - first_at
        if done > first_done and since_s >= max(_SHORTEST_PACE_S, start_s / 2):
            return since_s / (done - first_done) * (total - done)
        if start_s >= _LONG_START_S:  # of parts that take minutes, the start-up is a small part
            return (now - self._start) / done * (total - done)
        return None


class _Lines:
    def __init__(self, title: str) -> None:
        self._title = title
        self._pace = _Pace()
        self._last = time.monotonic()

    def advance(self, done: int, total: int) -> None:
        now = time.monotonic()
        left_s = self._pace.left_s(now, done, total) if done else None
        if done >= total or (done and now - self._last >= LINE_EVERY_S):
            self._last = now
            rest = "" if left_s is None else f", {spoken_time(left_s)} left"
            log.info("%s: %d of %d%s", self._title, done, total, rest)


class _Bar:
    def __init__(self, title: str) -> None:
        from rich.console import Console  # no bar, no need of it: help and a look at a finished study start at once
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            speed_estimate_period=3600,  # parts may take minutes; what came before the first one never counts
        )
        self._task = self._bars.add_task(title, total=None)

    def advance(self, done: int, total: int) -> None:
        self._bars.start()
        self._bars.update(self._task, completed=done, total=total)
        if done >= total:
            self._bars.stop()


class _Heard:
    def __init__(self, title: str, shown: Progress, on_progress: OnProgress) -> None:
        self._title, self._shown, self._on_progress = title, shown, on_progress

    def advance(self, done: int, total: int) -> None:
        self._shown.advance(done, total)
        self._on_progress(self._title, done, total)


def _shows_bars() -> bool:
    return sys.stderr.isatty() and multiprocessing.parent_process() is None
