"""Stages: a folder that is missing, partial, complete or damaged, and that knows what made it.

A stage is built beside its place as ``NAME.partial`` and renamed when whole; what stood there before is parked as
``NAME.old`` until the new one stands. ``proof.py`` closes the folder and finds what was damaged since.
"""

import fcntl
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from grasp_psonet.errors import StageError
from grasp_psonet.files import sweep, sync, write_json
from grasp_psonet.proof import (
    CLOCK,
    IDENTITY,
    NEXT,
    NOTE,
    damage_of,
    digest,
    is_complete,
    proven,
    read_note,
    remember_proven,
    seal,
)

log = logging.getLogger("grasp_psonet")

_PATIENCE_S = 5.0  # a killed process may leave children that need a moment to notice
_VERSIONS = ("grasp-psonet", "numpy", "pandas", "pillow", "timm", "torch")


@dataclass(frozen=True)
class Task:
    """One stage to be made: where, from what, and how.

    ``settings`` are the values it depends on; ``inputs`` name stage folders, files, or other facts (a plain string) whose
    change makes it anew. ``make`` fills the partial folder it is given. A resumable task gets back what an interrupted
    attempt with the same settings and inputs left there; any other starts from an empty folder.
    """

    title: str
    folder: Path
    settings: Mapping[str, Any]
    inputs: Mapping[str, Path | str]
    make: Callable[[Path], None]
    resumable: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether a stage has to be made, and why; ``why`` is a short phrase."""

    state: Literal["valid", "missing", "partial", "stale", "waiting", "damaged"]
    why: str


def judge(task: Task, *, reads_bytes: bool = False) -> Verdict:
    """Whether the stage stands, by size and time of its files or by all of their bytes; nothing is made or moved.

    ``waiting``: an input is not there yet, so that it cannot be known. ``damaged``: its settings and inputs are those of
    now, but a file is not as it was made. Raises StageError where the note of an input is damaged.
    """
    absent = [name for name, source in task.inputs.items() if isinstance(source, Path) and not _is_there(source)]
    if absent:
        return Verdict("waiting", f"needs {', '.join(absent)} first")
    if task.folder.exists() and not task.folder.is_dir():
        return Verdict("damaged", f"{task.folder} is a file where the folder of this stage stands")
    if not is_complete(task.folder):
        if task.folder.is_dir() and any(task.folder.iterdir()):  # a stage never stands without its note
            return Verdict("damaged", f"{task.folder / NOTE} is missing")
        return _verdict_on_unfinished(task)
    now = _identity(task)
    try:
        before = read_note(task.folder)
    except StageError as error:
        return Verdict("damaged", str(error).partition("\n")[0])
    for kind, word in (("settings", "setting"), ("inputs", "input")):
        changed = _changed(before[kind], now[kind])
        if changed:
            return Verdict("stale", f"{word} changed: {_few(changed)}")
    damage = damage_of(task.folder, reads_bytes=reads_bytes)
    return Verdict("valid", "stands") if damage is None else Verdict("damaged", damage)


def run_task(task: Task, *, makes_anew: bool = False) -> bool:
    """Makes the stage unless it stands (``makes_anew``: also if it stands or is damaged); True if it was made.

    All inputs are proven by their bytes before they are used. Raises StageError while an input is missing, or naming the
    damaged file where the stage or an input of it is not as it was made.
    """
    _recover(task)
    verdict = judge(task)
    if verdict.state == "waiting":
        raise StageError(f"{task.title}: {verdict.why}\n  next: `grasp run` makes everything in order")
    if not makes_anew:
        if verdict.state == "valid":
            log.info("%s: stands", task.title)
            return False
        refuse_damaged(task, verdict)
    log.info("%s: %s", task.title, "made anew, as asked" if verdict.state == "valid" else verdict.why)
    for source in task.inputs.values():
        if isinstance(source, Path) and source.is_dir():
            proven(source)
    identity, partial = _identity(task), _partial(task.folder)
    with held(partial, task.title):
        if not _is_whole(partial, identity):
            _fill(task, partial, identity)
        (partial / IDENTITY).unlink(missing_ok=True)
        _put_in_place(partial, task.folder)
    remember_proven(task.folder)
    return True


def refuse_damaged(task: Task, verdict: Verdict) -> None:
    """Raises StageError naming the damaged file, where the verdict says so."""
    if verdict.state == "damaged":
        raise StageError(f"{task.title}: {verdict.why}\n  next: {NEXT}")


def _fill(task: Task, partial: Path, identity: dict[str, Any]) -> None:
    """Makes the stage in its partial folder and closes it."""
    started = time.time()
    _clear_unless_resumable(task, partial, identity)
    task.make(partial)
    clock = {"started_unix_s": started, "elapsed_s": time.time() - started, "host": platform.node()}
    seal(partial, identity | {"versions": versions()}, clock)


def _put_in_place(partial: Path, folder: Path) -> None:
    """Renames the finished folder; what stood there is parked meanwhile, so that a kill leaves one of the two."""
    parked = _parked(folder)
    _delete(parked)
    if folder.exists():
        folder.rename(parked)
    partial.rename(folder)
    sync(folder.parent)
    _delete(parked)


def _delete(parked: Path) -> None:
    """Deletes what was parked, also a file that somebody had put in the place of a stage."""
    if parked.is_file():
        parked.unlink()
    shutil.rmtree(parked, ignore_errors=True)


def _recover(task: Task) -> None:
    """Puts the parked output back where a kill between the two renames left its place empty."""
    parked, partial = _parked(task.folder), _partial(task.folder)
    if not parked.exists():
        return
    if task.folder.exists():  # killed while the parked output was deleted
        _delete(parked)
        return
    with held(partial, task.title):
        if not task.folder.exists() and parked.exists():
            parked.rename(task.folder)
        if not any(partial.iterdir()):
            partial.rmdir()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; "not installed" for what runs from its source."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _VERSIONS}


@cache  # each is read from the package's description, which takes longer than closing a stage
def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _is_there(source: Path) -> bool:
    return source.is_file() or is_complete(source)


def _partial(folder: Path) -> Path:
    return folder.with_name(folder.name + ".partial")


def _parked(folder: Path) -> Path:
    return folder.with_name(folder.name + ".old")


def _identity(task: Task) -> dict[str, Any]:
    inputs = {name: digest(source) if isinstance(source, Path) else source for name, source in task.inputs.items()}
    identity: dict[str, Any] = json.loads(json.dumps({"settings": dict(task.settings), "inputs": inputs}))
    return identity


@contextmanager
def held(partial: Path, title: str) -> Iterator[None]:
    """Holds the partial folder for this process alone: two that fill it at once would mix their files.

    The lock goes with the process, however it ends. Raises StageError when another one keeps it.
    """
    partial.mkdir(parents=True, exist_ok=True)
    folder = os.open(partial, os.O_RDONLY)
    try:
        _lock(folder, partial, title)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, partial: Path, title: str) -> None:
    patience_ends = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > patience_ends:
                raise StageError(
                    f"{title}: another process is at work on {partial}\n  next: wait for it, or stop it and run again"
                ) from None
            time.sleep(0.2)
    if not partial.exists() or partial.stat().st_ino != os.fstat(folder).st_ino:
        raise StageError(f"{title}: another process has just finished it\n  next: run again")


def _is_whole(partial: Path, identity: dict[str, Any]) -> bool:
    """Whether an interruption left a finished stage that only has to be put in its place, all of its bytes as made."""
    if not is_complete(partial) or damage_of(partial, reads_bytes=True) is not None:
        return False
    note = read_note(partial)
    return all(note[kind] == identity[kind] for kind in ("settings", "inputs"))


def _verdict_on_unfinished(task: Task) -> Verdict:
    """Missing or partial; and what becomes of the partial folder that an interrupted attempt left."""
    partial = _partial(task.folder)
    if not partial.exists():
        return Verdict("missing", "not made yet")
    return Verdict("partial", f"was interrupted{_after_interruption(task, partial)}")


def _after_interruption(task: Task, partial: Path) -> str:
    identity = _identity(task)
    if not task.resumable:
        return ""
    if _is_whole(partial, identity):
        return "; goes on where it stopped"
    before = _claim(partial)
    if before is None:
        return "; starts again"
    now = identity | {"versions": versions()}
    for kind in ("settings", "inputs", "versions"):
        changed = _changed(before[kind], now[kind])
        if changed:
            return f" under other {kind} ({_few(changed)}); starts again"
    return "; goes on where it stopped"


def _claim(partial: Path) -> dict[str, Any] | None:
    """Settings, inputs and versions of the attempt that left a partial folder; None where it left none that can be read."""
    try:
        claim: dict[str, Any] = json.loads((partial / IDENTITY).read_text(encoding="utf-8"))
        return claim if {"settings", "inputs", "versions"} <= claim.keys() else None
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def _clear_unless_resumable(task: Task, partial: Path, identity: dict[str, Any]) -> None:
    """Empties the partial folder, unless a resumable task with this identity and these versions left it."""
    now = identity | {"versions": versions()}
    if not (task.resumable and _claim(partial) == now):
        for left in partial.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
    sweep(partial)
    write_json(partial / IDENTITY, now)
    for leftover in (NOTE, CLOCK):
        (partial / leftover).unlink(missing_ok=True)


def _changed(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    changed = []
    for key in before.keys() | now.keys():
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            changed += _changed(old, new, f"{prefix}{key}.")
        elif old != new:
            changed.append(prefix + key)
    return changed


def _few(names: list[str]) -> str:
    return ", ".join(sorted(names)[:4]) + (" ..." if len(names) > 4 else "")
