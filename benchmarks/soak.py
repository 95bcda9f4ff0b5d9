"""A study is made under faults and must come out as one that nothing disturbed.

    make soak                                  the tiny study, until 300 commands were killed; minutes
    python -m benchmarks.soak --kills 20       fewer

A command is started on a study again and again, and each time something goes wrong: the process is killed at a write (before
the file has reached the disk, or right after), or at a random instant; the disk is full at a write; a second command is
started beside the first, and both are killed; the study is moved to another folder; an attempt that is killed ran with another
version of numpy. When a command ends by itself the study is finished, and its contents are compared with those of a study
that was made in one go.
Damaged files of the finished study follow: each must be named before it is used.
"""

import argparse
import contextlib
import errno
import importlib
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.damages import damages_of, is_named_before_use
from benchmarks.record import write_result
from grasp_psonet.chance import generator

log = logging.getLogger("benchmarks")

KILL_AT_WRITE, KILL_AFTER_WRITE, KILL_AT_INSTANT = "killed at a write", "killed after a write", "killed at an instant"
FULL, BESIDE, OTHER_VERSION = "disk full at a write", "a second command beside it", "another version noted"
FAULTS = {  # with their chances
    KILL_AT_WRITE: 0.35,
    KILL_AFTER_WRITE: 0.35,
    KILL_AT_INSTANT: 0.15,
    FULL: 0.09,
    BESIDE: 0.03,
    OTHER_VERSION: 0.03,
}
MOVED = 0.1  # chance that the study lies elsewhere at the next attempt
NOT_FAULTS = ("Traceback",)  # what no fault may lead to
_WRITES_MEAN = 5  # writes until the fault, on average
_INSTANT_S = 6.0  # the latest instant of a kill
_LOADED = ["torch", "timm", "grasp_psonet.stages.run", "grasp_psonet.stages.makers.audit"]
_LOADED += ["grasp_psonet.stages.makers.out_of_fold", "grasp_psonet.stages.makers.explain"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong: of its kind, at the given write (from 1) or after so many seconds."""

    kind: str
    write: int = 0
    after_s: float = 0.0

    @property
    def kills(self) -> bool:
        """Whether the process does not outlive it."""
        return self.kind != FULL


@dataclass
class Told:
    """What happened to the commands of one study: faults by kind, those that struck, where, and what must not be."""

    met: Counter[str] = field(default_factory=Counter)
    killed_in: Counter[str] = field(default_factory=Counter)
    moves: int = 0
    attempts: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(number for kind, number in self.met.items() if Fault(kind).kills)


def make_under_faults(
    start: Callable[[Path], None], words: Sequence[str], folder: Path, seed: int
) -> tuple[Path, Told]:
    """The study that ``grasp WORDS[0] STUDY WORDS[1:]`` finished in the end, in a subfolder of ``folder``; what happened."""
    rng, told = generator("benchmark soak", seed), Told()
    study = folder / "study-0"
    start(study)
    while True:
        told.attempts += 1
        fault = draw_fault(rng)
        code, printed = attempt([words[0], str(study), *words[1:]], folder / "printed", fault)
        if _struck(code, printed, fault):
            told.met[fault.kind] += 1
        if code == -signal.SIGKILL:
            told.killed_in[_step_of(printed)] += 1
        if code == 0:
            return study, told
        told.wrong += _wrong(code, printed, fault)
        if len(told.wrong) > 20:
            return study, told
        if rng.random() < MOVED:
            told.moves += 1
            study = study.rename(folder / f"study-{told.moves}")


def draw_fault(rng: np.random.Generator) -> Fault:
    """A fault of a random kind, at a random write or instant."""
    kind = str(rng.choice(list(FAULTS), p=list(FAULTS.values())))
    return Fault(kind, int(rng.geometric(1 / _WRITES_MEAN)), float(rng.uniform(0, _INSTANT_S)))


def attempt(words: Sequence[str], printed: Path, fault: Fault | None) -> tuple[int, str]:
    """The exit code of the command under a fault (-9 where it was killed), and what it printed."""
    process = _warm().Process(target=_command, args=(list(words), printed, fault))
    process.start()
    text_beside = ""
    if fault is not None and fault.kind == BESIDE:
        kill = Fault(KILL_AT_INSTANT, after_s=fault.after_s)
        _, text_beside = attempt(words, printed.with_name("beside"), kill)
    process.join()
    assert process.exitcode is not None
    return process.exitcode, text_beside + printed.read_text(encoding="utf-8", errors="replace")


def _warm() -> ForkServerContext:
    """Starts processes from one server that has loaded everything and run nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    return context


def _command(words: list[str], printed: Path, fault: Fault | None) -> None:
    with printed.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["grasp", *words]
    entry = importlib.import_module("grasp_psonet.cli").entry
    with _met(fault):
        entry()


@contextlib.contextmanager
def _met(fault: Fault | None) -> Iterator[None]:
    """The process meets the fault; writes are counted where they must reach the disk, and where a file takes its name."""
    if fault is None:
        yield
    elif fault.kind in (KILL_AT_INSTANT, BESIDE):
        clock = threading.Timer(fault.after_s, os.kill, (os.getpid(), signal.SIGKILL))
        clock.daemon = True
        clock.start()
        yield
    else:
        counted = _Counted(fault)
        with contextlib.ExitStack() as patches:
            for name in ("fsync", "replace", "rename"):
                patches.enter_context(mock.patch.object(os, name, counted(getattr(os, name))))
            if fault.kind == OTHER_VERSION:
                patches.enter_context(mock.patch("grasp_psonet.stage._version", _other_version))
            yield


def _other_version(name: str) -> str:
    return "0.0.0" if name == "numpy" else importlib.metadata.version(name)


@dataclass
class _Counted:
    """Wraps the calls that make a write last; at the fault's one it strikes."""

    fault: Fault
    number: int = 0

    def __call__(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*words: Any, **more: Any) -> Any:
            self.number += 1
            if self.number != self.fault.write:
                return write(*words, **more)
            if self.fault.kind == FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.fault.kind == KILL_AFTER_WRITE:
                write(*words, **more)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("outlived its kill")

        return counted


def _struck(code: int, printed: str, fault: Fault) -> bool:
    """Whether the fault was met before the command had ended."""
    return code == -signal.SIGKILL if fault.kills else os.strerror(errno.ENOSPC) in printed


def _wrong(code: int, printed: str, fault: Fault) -> list[str]:
    """What a command may not do: a traceback, an exit code that hides the fault, a fault that is not named."""
    wrong = [f"{fault.kind}: {word}: {printed[-2000:]}" for word in NOT_FAULTS if word in printed]
    expected = {-signal.SIGKILL, 1} if fault.kind == BESIDE else {-signal.SIGKILL} if fault.kills else {1}
    if code not in expected or (code == 1 and fault.kind == BESIDE and "another process" not in printed):
        wrong.append(f"{fault.kind}: exit code {code}: {printed[-2000:]}")
    if fault.kind == FULL and code == 1 and os.strerror(errno.ENOSPC) not in printed:
        wrong.append(f"{fault.kind}: not said: {printed[-2000:]}")
    return wrong


def _step_of(printed: str) -> str:
    """The last step that a command said it was at."""
    said = [line.split(":")[0] for line in printed.splitlines() if line and not line.startswith(" ") and ":" in line]
    return said[-1].split(" ")[0] if said else "before the first step"


def soak(words: Sequence[str], num_kills: int, folder: Path) -> dict[str, Any]:
    """Figures of as many studies as it takes to kill so many commands."""
    content = importlib.import_module("tests.golden.content")
    once = folder / "once"
    _draw(once)
    code, printed = attempt([words[0], str(once), *words[1:]], folder / "printed", None)
    assert code == 0, printed
    wanted, studies, differing, told = content.content_digests(once), 0, list[str](), Told()
    while told.kills < num_kills and not told.wrong:
        place = folder / str(studies)
        place.mkdir()
        study, of_one = make_under_faults(_draw, words, place, studies)
        differing += content.differences(content.content_digests(study), wanted)
        told.met += of_one.met
        told.killed_in += of_one.killed_in
        told.moves, told.attempts = told.moves + of_one.moves, told.attempts + of_one.attempts
        told.wrong += of_one.wrong
        studies += 1
        log.info("%d studies, %d commands killed, %d files differ", studies, told.kills, len(differing))
        shutil.rmtree(place)
    return {
        "kills": told.kills,
        "studies": studies,
        "commands": told.attempts,
        "faults_met": dict(told.met),
        "killed_in": dict(told.killed_in),
        "moves": told.moves,
        "files_compared": len(wanted) * studies,
        "files_that_differ": differing,
        "wrong": told.wrong,
    } | damaged(once)


def damaged(study: Path) -> dict[str, Any]:
    """How many damages to a finished study's files were tried, and which were used without a word."""
    tried = damages_of(study)
    with tempfile.TemporaryDirectory(dir=study.parent) as copies:
        silent = [
            f"{one.file}: {one.kind}"
            for n, one in enumerate(tried)
            if not is_named_before_use(study, one, Path(copies) / str(n))
        ]
    return {"damages": len(tried), "damages_used_in_silence": silent}


def _draw(study: Path) -> None:
    """An empty study of the tiny preset, whose photos and tables are drawn by the first command."""
    study.mkdir()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where the studies are made (default: a temporary folder)")
    words = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        command = ["demo", "--preset", "tiny", "--machine.processes", "1"]
        write_result("soak", soak(command, words.kills, Path(folder)))


if __name__ == "__main__":
    main()
