"""Twenty readers at once: how long a page takes, beside the same page alone.

python -m benchmarks.reading_app load
"""

import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.reading_app.app_study import PASSWORD, make_study
from benchmarks.reading_app.served import Browser, Server, revision_of

_ALONE = 20  # pages of each pair
_PAIRS = 5  # the machine may be busy with other things: each loaded stretch stands beside an unloaded one

Times = dict[str, list[float]]


def load(folder: Path, num_readers: int, seconds: float, think_s: float) -> dict[str, float]:
    """Medians in milliseconds of the page of a visit, a photo and a save, alone and with so many readers at once.

    Each reader opens the visit, loads a photo, saves an answer, and thinks for ``think_s`` after each, ``seconds`` in all. What
    is alone is measured in turn with what is not; a ratio is the median over these pairs of the ratio of their medians.
    """
    study = folder / "study"
    names = make_study(study, num_readers)
    server = Server(study)
    server.start()
    alone, together = list[Times](), list[Times]()
    try:
        readers = [_signed_in(server.port, name) for name in names]  # here: hashing passwords is slow on purpose
        for _ in range(_PAIRS):
            alone.append(_timed(readers[0], time.monotonic() + 3600, 0.0, _ALONE))
            together.append(_at_once(readers, seconds / _PAIRS, think_s))
    finally:
        server.kill()
    found = {f"{kind}_ms_alone": statistics.median(_pooled(alone, kind)) for kind in alone[0]}
    found |= {f"{kind}_ms_together": statistics.median(_pooled(together, kind)) for kind in alone[0]}
    for kind in alone[0]:
        pairs = zip(alone, together, strict=True)
        ratios = [statistics.median(loaded[kind]) / statistics.median(one[kind]) for one, loaded in pairs]
        found |= {f"{kind}_ratio": statistics.median(ratios), f"{kind}_ratio_least": min(ratios)}
        found[f"{kind}_ratio_most"] = max(ratios)
    pages = _pooled(together, "page")
    found["page_ms_together_95th"] = statistics.quantiles(pages, n=20)[-1]
    counts = {"num_readers": num_readers, "num_pages": len(pages), "num_pairs": _PAIRS}
    return {**found, **counts, "think_s": think_s, "seconds": seconds}


def _signed_in(port: int, name: str) -> Browser:
    browser = Browser(port)
    browser.sign_in(name, PASSWORD)
    return browser


def _at_once(readers: list[Browser], seconds: float, think_s: float) -> Times:
    """Times of all readers together. Raises RuntimeError where one of them met a fault."""
    found, end = list[Times](), time.monotonic() + seconds
    threads = [
        threading.Thread(target=lambda browser=browser: found.append(_timed(browser, end, think_s, 10**9)))
        for browser in readers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) < len(readers):
        raise RuntimeError(f"{len(readers) - len(found)} readers met a fault")
    return {kind: _pooled(found, kind) for kind in found[0]}


def _pooled(parts: list[Times], kind: str) -> list[float]:
    return [one for part in parts for one in part[kind]]


def _timed(browser: Browser, end: float, think_s: float, most: int) -> Times:
    """Milliseconds of each page, photo and save of one reader until ``end``, or so many pages."""
    times = {"page": list[float](), "photo": list[float](), "save": list[float]()}
    code = browser.current()
    while time.monotonic() < end and len(times["page"]) < most:
        content = _clocked(times["page"], lambda: browser.get(f"/item/{code}/"))
        time.sleep(think_s)
        photo = content.decode().partition('data-large="')[2].partition('"')[0]
        _clocked(times["photo"], partial(browser.get, photo))
        time.sleep(think_s)
        told = {"v.head_area": str(len(times["page"]) % 7), "revision": str(revision_of(content))}
        _clocked(times["save"], partial(browser.post, f"/item/{code}/draft/", told))
        time.sleep(think_s)
    return times


def _clocked(times: list[float], ask: Callable[[], tuple[int, str, bytes]]) -> bytes:
    start = time.perf_counter()
    status, _, content = ask()
    if status != 200:
        raise RuntimeError(f"status {status}")
    times.append(1000 * (time.perf_counter() - start))
    return content
