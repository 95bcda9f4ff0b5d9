"""Stages: a folder that is missing, partial or complete, and that knows what made it.

A stage is built beside its place as ``NAME.partial`` and renamed when whole. ``stage.json`` in it holds the settings it
depends on, the digests of its inputs, versions, and the digest of every file it made: nothing in it depends on the clock.
What does stands in ``clock.json`` alone.
"""

import fcntl
import hashlib
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
from pathlib import Path
from typing import Any, Literal

from grasp_psonet.errors import StageError

log = logging.getLogger("grasp_psonet")

NOTE = "stage.json"
CLOCK = "clock.json"
_IDENTITY = "identity.json"
_PATIENCE_S = 5.0  # a killed process may leave children that need a moment to notice
_VERSIONS = ("grasp-psonet", "numpy", "pandas", "pillow", "scikit-learn", "timm", "torch")


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

    state: Literal["valid", "missing", "partial", "stale", "waiting"]
    why: str


def judge(task: Task) -> Verdict:
    """Whether the stage stands. ``waiting``: an input is not there yet, so that it cannot be known."""
    absent = [name for name, source in task.inputs.items() if isinstance(source, Path) and not _is_there(source)]
    if absent:
        return Verdict("waiting", f"needs {', '.join(absent)} first")
    if not (task.folder / NOTE).exists():
        if _partial(task.folder).exists():
            return Verdict("partial", _after_interruption(task))
        return Verdict("missing", "not made yet")
    before = read_note(task.folder)
    now = _identity(task)
    for kind, word in (("settings", "setting"), ("inputs", "input")):
        changed = _changed(before[kind], now[kind])
        if changed:
            return Verdict("stale", f"{word} changed: {_few(changed)}")
    return Verdict("valid", "stands")


def run_task(task: Task) -> bool:
    """Makes the stage unless it stands; True if it was made. Raises StageError while an input is missing."""
    verdict = judge(task)
    if verdict.state == "valid":
        log.info("%s: stands", task.title)
        return False
    if verdict.state == "waiting":
        raise StageError(f"{task.title}: {verdict.why}\n  next: `grasp run` makes everything in order")
    log.info("%s: %s", task.title, verdict.why)
    started = time.time()
    identity = _identity(task)
    partial = _partial(task.folder)
    with held(partial, task.title):
        if not _is_whole(partial, identity):
            _clear_unless_resumable(task, partial, identity)
            task.make(partial)
            clock = {"started_unix_s": started, "elapsed_s": time.time() - started, "host": platform.node()}
            _write_json(partial / CLOCK, clock)
            _write_json(partial / NOTE, identity | {"versions": versions(), "outputs": _file_digests(partial)})
        (partial / _IDENTITY).unlink(missing_ok=True)
        if task.folder.exists():
            shutil.rmtree(task.folder)
        partial.rename(task.folder)
    return True


def read_note(folder: Path) -> dict[str, Any]:
    """What made a complete stage. Raises StageError when it is missing or damaged."""
    try:
        note: dict[str, Any] = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        return {"settings": note["settings"], "inputs": note["inputs"], **note}
    except FileNotFoundError:
        raise StageError(f"{folder} is not a complete stage\n  next: `grasp run` makes what is missing") from None
    except (json.JSONDecodeError, KeyError) as error:
        raise StageError(f"{folder / NOTE} is damaged: {error}\n  next: delete {folder} and run again") from None


def is_complete(folder: Path) -> bool:
    return (folder / NOTE).exists()


def digest(source: Path) -> str:
    """The digest of a file's bytes, or of a complete stage's outputs."""
    if source.is_file():
        return _file_digest(source)
    outputs = read_note(source)["outputs"]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()[:32]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; "not installed" for what runs from its source."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _VERSIONS}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _is_there(source: Path) -> bool:
    return source.is_file() or is_complete(source)


def _partial(folder: Path) -> Path:
    return folder.with_name(folder.name + ".partial")


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
    """Whether an interruption left a finished stage that only has to be put in its place."""
    if not (partial / NOTE).exists():
        return False
    note = read_note(partial)
    return all(note[kind] == identity[kind] for kind in ("settings", "inputs"))


def _after_interruption(task: Task) -> str:
    """What becomes of the partial folder that an interrupted attempt left."""
    partial, identity = _partial(task.folder), _identity(task)
    if not task.resumable:
        return "was interrupted"
    if _is_whole(partial, identity):
        return "was interrupted; goes on where it stopped"
    before = _claim(partial)
    if before is None:
        return "was interrupted; starts again"
    now = identity | {"versions": versions()}
    for kind in ("settings", "inputs", "versions"):
        changed = _changed(before[kind], now[kind])
        if changed:
            return f"was interrupted under other {kind} ({_few(changed)}); starts again"
    return "was interrupted; goes on where it stopped"


def _claim(partial: Path) -> dict[str, Any] | None:
    """Settings, inputs and versions of the attempt that left a partial folder; None where it left none."""
    claim = partial / _IDENTITY
    return json.loads(claim.read_text(encoding="utf-8")) if claim.exists() else None


def _clear_unless_resumable(task: Task, partial: Path, identity: dict[str, Any]) -> None:
    """Empties the partial folder, unless a resumable task with this identity and these versions left it."""
    now = identity | {"versions": versions()}
    if not (task.resumable and _claim(partial) == now):
        for left in partial.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
    _write_json(partial / _IDENTITY, now)
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


def _file_digests(folder: Path) -> dict[str, str]:
    apart = {_IDENTITY, CLOCK, NOTE}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in apart)
    return {path.relative_to(folder).as_posix(): _file_digest(path) for path in paths}


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _write_json(path: Path, value: Any) -> None:
    partial = path.with_name(path.name + ".writing")
    partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(path)
