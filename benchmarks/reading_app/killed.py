"""Kills the server at random moments while two scripted readers read, and compares what was acknowledged with what stands.

python -m benchmarks.reading_app killed --kills 100
"""

import json
import random
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.reading_app.app_study import PASSWORD, grasp, make_study
from benchmarks.reading_app.served import Browser, Server, revision_of

_REGIONS = ("head", "upper_limbs", "trunk", "lower_limbs")
_PARTS = ("erythema", "induration", "desquamation", "area")
_PATIENCE_S = 120


@dataclass
class Reader:
    """A scripted reader. ``saved``: the last answers acknowledged of each visit; ``signed``: visits acknowledged as signed."""

    name: str
    port: int
    chance: random.Random
    saved: dict[str, dict[str, float]] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    num_acknowledged: int = 0
    fault: str = ""

    def read(self, stop: threading.Event) -> None:
        """Reads until the queue is empty or it is told to stop."""
        browser = Browser(self.port)
        try:
            self._again(lambda: browser.sign_in(self.name, PASSWORD))
            while not stop.is_set():
                code = self._again(browser.current)
                if code is None:
                    return
                self._visit(browser, code, stop)
        except RuntimeError as error:
            self.fault = str(error)

    def _visit(self, browser: Browser, code: str, stop: threading.Event) -> None:
        """Fills in one answer after the other, as the page's script does, and signs."""
        page = self._again(lambda: browser.get(f"/item/{code}/"))[2]
        revision, values = revision_of(page), dict[str, str]()
        for name in [f"{region}_{part}" for region in _REGIONS for part in _PARTS]:
            if stop.is_set():
                return
            values[f"v.{name}"] = str(self.chance.randint(1, 4))
            sent = values | {"revision": str(revision)}
            status, _, content = self._again(lambda sent=sent: browser.post(f"/item/{code}/draft/", sent))
            if status != 200:
                raise RuntimeError(f"{self.name} could not save: {status} {content[:200]!r}")
            revision = int(json.loads(content)["revision"])
            self.saved[code] = {key[2:]: float(value) for key, value in values.items()}
            self.num_acknowledged += 1
        told = {"revision": str(revision), "password": PASSWORD}
        status, _, content = self._again(lambda: browser.post(f"/item/{code}/sign/", told))
        if status == 302 or (status == 409 and b"signed already" in content):
            self.signed.add(code)
            self.num_acknowledged += 1
        else:
            raise RuntimeError(f"{self.name} could not sign: {status} {content[:200]!r}")

    def _again(self, ask: Any) -> Any:
        """Asks until there is an answer: the server may be down for a while."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return ask()
            except OSError:
                if time.monotonic() > end:
                    raise RuntimeError("the server did not come back") from None
                time.sleep(0.05)


def killed(folder: Path, num_kills: int, seed: int) -> dict[str, int]:
    """Counts: acknowledged answers, lost ones, doubled readings, kills. Raises RuntimeError where a reader was refused or the
    trail is broken."""
    study = folder / "study"
    names = make_study(study, 2)
    server, stop, chance = Server(study), threading.Event(), random.Random(seed)
    server.start()
    readers = [Reader(name, server.port, random.Random(seed + number)) for number, name in enumerate(names, 1)]
    threads = [threading.Thread(target=reader.read, args=(stop,)) for reader in readers]
    for thread in threads:
        thread.start()
    num_done = 0
    try:
        while num_done < num_kills and any(thread.is_alive() for thread in threads):
            _await_progress(readers, threads)
            time.sleep(chance.uniform(0.0, 0.5))
            server.kill()
            num_done += 1
            server.start()
        stop.set()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        server.kill()
    if faults := [reader.fault for reader in readers if reader.fault]:
        raise RuntimeError("; ".join(faults))
    grasp("read", "verify", str(study))
    return {"num_kills": num_done, **_compared(study / "reading-app" / "reading.sqlite3", readers)}


def _await_progress(readers: list[Reader], threads: list[threading.Thread]) -> None:
    """Waits until something more was acknowledged, or nobody reads any more: else a slow start is all that is killed."""
    before = sum(reader.num_acknowledged for reader in readers)
    while sum(reader.num_acknowledged for reader in readers) == before and any(one.is_alive() for one in threads):
        time.sleep(0.005)


def _compared(database: Path, readers: list[Reader]) -> dict[str, int]:
    with sqlite3.connect(database) as connection:
        drafts = dict(
            connection.execute("SELECT i.code, d.answers FROM reading_draft d JOIN reading_item i ON i.id = d.item_id")
        )
        readings = connection.execute(
            "SELECT i.code, r.answers FROM reading_reading r JOIN reading_item i ON i.id = r.item_id"
        ).fetchall()
    counts = Counter(code for code, _ in readings)
    read = {code: json.loads(answers)["values"] for code, answers in readings}
    saved = {code: values for reader in readers for code, values in reader.saved.items()}
    signed = {code for reader in readers for code in reader.signed}
    lost = sum(code not in drafts or json.loads(drafts[code])["values"] != values for code, values in saved.items())
    return {
        "num_acknowledged": sum(reader.num_acknowledged for reader in readers),
        "num_visits": len(saved),
        "num_signed": len(signed),
        "num_lost": lost + sum(read.get(code) != saved[code] for code in signed),
        "num_doubled": sum(count > 1 for count in counts.values()),
    }
