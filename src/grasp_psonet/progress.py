"""Progress of long work and log lines: bars with time left on a terminal, plain lines elsewhere."""

import logging
import multiprocessing
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


def teller(title: str) -> Callable[[int, int], None]:
    """A function to be told ``(done, total)``: it shows a bar with time left on a terminal, lines with time left elsewhere.

    Processes started by others always write lines: their bars would overwrite each other.
    """
    start = last = time.monotonic()
    bar = _bar() if _shows_bars() else None
    task = None if bar is None else bar.add_task(title, total=None)

    def tell(done: int, total: int) -> None:
        nonlocal last
        if bar is not None and task is not None:
            bar.start()
            bar.update(task, completed=done, total=total)
            if done >= total:
                bar.stop()
            return
        now = time.monotonic()
        if done >= total or now - last >= _LINE_EVERY_S:
            last = now
            log.info("%s: %d of %d, %.0f s left", title, done, total, (now - start) / done * (total - done))

    return tell


def track(items: Iterable[T], title: str, total: int) -> Iterator[T]:
    """Yields the items and shows how many of ``total`` are done and how long the rest will take."""
    if _shows_bars():
        with _bar() as bar:
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


def _shows_bars() -> bool:
    return sys.stderr.isatty() and multiprocessing.parent_process() is None


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
