"""Progress of long work and log lines: bars with time left on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
Track = Callable[[Iterable[T], str, int], Iterator[T]]
_LINE_EVERY_S = 10.0

log = logging.getLogger("grasp_psonet")


def show_plainly() -> None:
    """Log lines to standard error, bare; for the command line and for processes it starts."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)


def track(items: Iterable[T], title: str, total: int) -> Iterator[T]:
    """Yields the items and shows how many of ``total`` are done and how long the rest will take."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            yield from bar.track(items, total=total, description=title)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - last >= _LINE_EVERY_S:
            left_s = (now - start) / done * (total - done)
            log.info("%s: %d of %d, %.0f s left", title, done, total, left_s)
            last = now
        yield item
