"""One call of the benchmark, once all packages are known to be there."""

import json
import logging
import re
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from typing import Any

from benchmarks.paper_preset.clock import TimeIsUp
from benchmarks.paper_preset.figures import gather
from benchmarks.paper_preset.options import parser, remember, request_of
from benchmarks.paper_preset.parts import make_parts
from benchmarks.record import write_result
from grasp_psonet.errors import GraspError
from grasp_psonet.progress import show_plainly

log = logging.getLogger("grasp_psonet")

FIGURES = "figures.json"


def run(description: str | None, words: Sequence[str] | None = None) -> int:
    """Makes the parts asked for, gathers the figures, writes them; ``words`` stand in for the command line. The exit code."""
    start = time.monotonic()
    request = request_of(parser(description).parse_args(words))
    show_plainly()
    ends = None if request.stop_after_minutes is None else start + 60 * request.stop_after_minutes
    try:
        remember(request)
        make_parts(request, ends)
    except TimeIsUp:
        log.info(
            "stopped after %.1f minutes; call again with the same folder to go on", (time.monotonic() - start) / 60
        )
    except GraspError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    figures = gather(request)
    (request.folder / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if figures["is_finished"] and not request.choices.is_small:
        _write(figures)
    else:
        sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _write(figures: dict[str, Any]) -> None:
    name = re.sub(r"[^a-z0-9]+", "-", figures["device"].lower()).strip("-")
    try:
        log.info("written: %s", write_result(f"paper-preset-{name}", figures))
    except PackageNotFoundError as fault:
        log.warning("no dated file: %s is not installed; the figures stand in the study folder", fault.name)
        sys.stdout.write(json.dumps(figures) + "\n")
