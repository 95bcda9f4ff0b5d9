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

_ALONE = 40  # pages


def load(folder: Path, num_readers: int, seconds: float, think_s: float) -> dict[str, float]:
    """Medians in milliseconds of the page of a visit and of a save, alone and with so many readers at once.

    Each reader opens the visit, loads a photo, saves an answer, and thinks for ``think_s`` after each.
    """
    study = folder / "study"
    names = make_study(study, num_readers)
    server = Server(study)
    server.start()
    try:
        alone = _timed(server.port, names[0], time.monotonic() + 3600, 0.0, _ALONE)
        found: list[dict[str, list[float]]] = []
        end = time.monotonic() + seconds
        threads = [
            threading.Thread(target=lambda name=name: found.append(_timed(server.port, name, end, think_s, 10**9)))
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.kill()
    if len(found) < num_readers:
        raise RuntimeError(f"{num_readers - len(found)} readers met a fault")
    together = {kind: [one for times in found for one in times[kind]] for kind in alone}
    middle = {f"{kind}_ms_alone": statistics.median(times) for kind, times in alone.items()}
    middle |= {f"{kind}_ms_together": statistics.median(times) for kind, times in together.items()}
    ratios = {f"{kind}_ratio": middle[f"{kind}_ms_together"] / middle[f"{kind}_ms_alone"] for kind in alone}
    worst = statistics.quantiles(together["page"], n=20)[-1]
    counts = {"num_readers": num_readers, "num_pages": len(together["page"]), "think_s": think_s, "seconds": seconds}
    return {**middle, **ratios, "page_ms_together_95th": worst, **counts}


def _timed(port: int, name: str, end: float, think_s: float, most: int) -> dict[str, list[float]]:
    """Milliseconds of each page, photo and save of one reader until ``end``, or so many pages."""
    browser, times = Browser(port), {"page": list[float](), "photo": list[float](), "save": list[float]()}
    browser.sign_in(name, PASSWORD)
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
