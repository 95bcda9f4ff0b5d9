"""Processes of their own that need not load torch again: forked from a server that has loaded everything and run nothing."""

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from grasp_psonet.cli import entry

_LOADED = ["torch", "timm", "grasp_psonet.stages.run", "grasp_psonet.stages.makers.audit"]
_LOADED += ["grasp_psonet.stages.makers.out_of_fold", "grasp_psonet.stages.makers.explain"]


def warm_context() -> ForkServerContext:
    """Starts processes from the one server of this test process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    return context


def start_command(words: list[str], told: Path) -> BaseProcess:
    """The real command, leader of a process group of its own; what it prints goes to the file.

    It hears Ctrl-C, which a test run in the background ignores and would hand down.
    """
    process = warm_context().Process(target=_command, args=(words, told))
    process.start()
    return process


def kill_with_children(process: BaseProcess) -> None:
    """SIGKILL for the command and the processes that it started."""
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def _command(words: list[str], told: Path) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with told.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["grasp", *words]
    entry()
