"""What took how long, kept over calls; and an alarm that ends work which can be gone on with."""

import json
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

from grasp_psonet.progress import OnProgress

LEDGER = "paper-preset-times.jsonl"


class TimeIsUp(BaseException):
    """The time of this call is spent; no ``Exception``, so that nobody takes it for a fault of their own."""


@dataclass(frozen=True)
class Attempt:
    """One go at a part; ``epoch_end_unix_s`` by epoch, of a part that trains."""

    part: str
    started_unix_s: float
    elapsed_s: float
    is_finished: bool
    epoch_end_unix_s: dict[str, float] = field(default_factory=dict)


def attempts(folder: Path, part: str) -> list[Attempt]:
    """All goes at a part, oldest first."""
    ledger = folder / LEDGER
    lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    return [attempt for attempt in (Attempt(**json.loads(line)) for line in lines) if attempt.part == part]


def epoch_seconds(found: list[Attempt]) -> float | None:
    """Median seconds from one epoch's end to the next within a go; of a single epoch, from the start of the go."""
    gaps, firsts = [], []
    for attempt in found:
        ends = {int(epoch): end for epoch, end in attempt.epoch_end_unix_s.items()}
        gaps += [end - ends[epoch - 1] for epoch, end in ends.items() if epoch - 1 in ends]
        firsts += [min(ends.values()) - attempt.started_unix_s] if ends else []
    return statistics.median(gaps or firsts) if gaps or firsts else None


def note_made(folder: Path, attempt: Attempt) -> None:
    """Adds a go to the ledger."""
    with (folder / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(asdict(attempt)) + "\n")


@contextmanager
def timed(folder: Path, part: str) -> Iterator[OnProgress]:
    """Notes this go at a part in the ledger, finished or not, and when each epoch ended that the given function hears of."""
    start, clock_start = time.time(), time.monotonic()
    ends: dict[str, float] = {}

    def on_progress(_: str, done: int, __: int) -> None:
        ends[str(done)] = time.time()

    is_finished = False
    try:
        yield on_progress
        is_finished = True
    finally:
        note_made(folder, Attempt(part, start, time.monotonic() - clock_start, is_finished, ends))


@contextmanager
def alarm(at_monotonic_s: float | None) -> Iterator[None]:
    """Raises TimeIsUp in the main thread once the monotonic clock reaches this; None: never."""
    if at_monotonic_s is None:
        yield
        return

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(1e-3, at_monotonic_s - time.monotonic()))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
