"""Peak memory of tracing, of a training step and of other tools, each in a process of its own.

Counted is what comes on top of the network and the photos: for a training step its activations, gradients and both Adam
moments; for ours everything but the directions, which are told apart; for all ways of scoring from scratch everything.
"""

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.neighbours import WAYS, make_task
from benchmarks.trace_cases import WORKLOADS, Case, make_case

LOOP_BATCHES = 2  # batches of the shorter of the two loops that show that memory does not grow with photos


def in_child(what: str, key: str, device: str, *, is_short: bool) -> dict[str, int]:
    """Runs ``measure`` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.trace", "--memory-of", f"{what}:{key}", "--device", device]
    done = subprocess.run(
        [*command, "--threads", str(torch.get_num_threads()), *(["--short"] if is_short else [])],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"memory of {what} for {key} was not measured:\n{done.stderr[-2000:]}")
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(what: str, key: str, device: str, *, is_short: bool) -> dict[str, int]:
    """Bytes at the peak over those before, in this process.

    ``what`` is step (of training), loop-N (tracing N batches of photos), or a way of scoring from scratch.
    """
    work = next(work for work in WORKLOADS if key in work.num_queries)
    work = work.shrunk() if is_short else work
    if what in WAYS:
        task = make_task(work, work.num_queries[key], device, is_short=is_short)
        before = _start(device)
        WAYS[what](task)
        return {"peak_bytes": _peak(device) - before}
    case = make_case(work, device)
    if what == "step":
        before = _start(device)
        _training_step(case)
        return {"peak_bytes": _peak(device) - before}
    directions = case.directions(work.num_queries[key])
    size = sum(value.numel() * value.element_size() for value in directions.values())
    before = _start(device)
    kept = []
    for _ in range(int(what.removeprefix("loop-"))):
        case.photos.normal_()
        kept.append(case.scores(directions))
    return {"peak_bytes": _peak(device) - before, "directions_bytes": size}


def _training_step(case: Case) -> None:
    """Two steps of Adam: the second has gradients and moments from its start."""
    optimizer = torch.optim.Adam(case.network.parameters(), lr=1e-6)
    for _ in range(2):
        optimizer.zero_grad()
        case.losses(case.network).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def compare(keys: list[str], ways: list[str], device: str, *, is_short: bool) -> dict[str, Any]:
    """Ours against a training step for every key; in the long form also ways of scoring from scratch, and few photos
    against many."""
    figures: dict[str, Any] = {"ours_and_step": {}, "from_scratch": {}}
    for work in WORKLOADS:
        chosen = [key for key in work.num_queries if key in keys]
        step = in_child("step", chosen[0], device, is_short=is_short)["peak_bytes"] if chosen else 0
        for key in chosen:
            ours = in_child("loop-1", key, device, is_short=is_short)
            figures["ours_and_step"][key] = {
                "ours_bytes": ours["peak_bytes"],
                "directions_bytes": ours["directions_bytes"],
                "step_bytes": step,
                "ratio_beside_directions": round(ours["peak_bytes"] / step, 3),
            }
    if is_short:
        return figures
    for key in (key for key in keys if key.startswith("demo")):
        found = {way: in_child(way, key, device, is_short=is_short)["peak_bytes"] for way in ["ours", *ways]}
        figures["from_scratch"][key] = {f"{way}_bytes": size for way, size in found.items()}
    key = keys[0]
    few, many = LOOP_BATCHES, 4 * LOOP_BATCHES
    loops = [in_child(f"loop-{count}", key, device, is_short=is_short)["peak_bytes"] for count in (few, many)]
    figures["more_photos"] = {
        "key": key,
        "batches": [few, many],
        "peak_bytes": loops,
        "ratio": round(loops[1] / max(1, loops[0]), 3),
    }
    return figures


def _start(device: str) -> int:
    """Forgets the peak so far; bytes in use now."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _resident("VmRSS")


def _peak(device: str) -> int:
    return torch.cuda.max_memory_allocated() if device != "cpu" else _resident("VmHWM")


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
