# ruff: noqa: A005  a script, never imported by that name alone
"""What tracing costs: products of per-photo gradients against a plain forward and backward pass, in one process.

    python -m benchmarks.trace [--brief] [--short] [--threads 1] [--device cuda] [--neighbours captum dattri vmap]

Rounds alternate between the contestants, and medians of the ratios within a round are told. The plain pass fills
``.grad``; ours takes the same photos (unit ``single``, one anchor, directions as formula ``adam`` folds them). Loading an
anchor and folding the queries are done once per anchor, not per batch, and are told apart. The last line printed is one
JSON object: time over plain forward and backward by key, for neighbours their time over ours for the same ``sgd`` scores
of 160 photos in batches of 32 (plain names: demo ConvNeXt; ``_vit``: demo ViT), ``together_over_training`` (the larger of
``trace_together.CASES``), ``projection_spearman_4096`` (rank correlation of projected to exact scores), ``families_median`` and
``families_worst`` over small encoders of eleven families with nine directions (``families.table.FRUGAL``; CPU alone),
memory, and all details. ``--brief``: one round, the workloads of the demo encoders and no neighbours, but all else: minutes.

On CUDA everything is done twice in float32, with TF32 off and on (keys ending in ``_tf32``).
"""

import argparse
import importlib.metadata
import json
import resource
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import trace_memory, trace_projection, trace_together
from benchmarks.families import table as family_costs
from benchmarks.neighbours import NEIGHBOURS, WAYS, installed, make_task
from benchmarks.record import write_result
from benchmarks.trace_cases import WORKLOADS, Case, Clock, Workload, interleaved, make_case
from grasp_psonet.trajectory.adam import AdamState, preconditioner
from grasp_psonet.trajectory.anchors import anchor_of, anchor_path, load_weights, read_anchor, weights_of, write_anchor
from grasp_psonet.trajectory.settings import OptimizerSettings

KEYS = tuple(key for work in WORKLOADS for key in work.num_queries)
MORE_ROUNDS = 5  # times as many for the demo encoders, whose passes are short


def measure(work: Workload, keys: Sequence[str], rounds: int, device: str) -> dict[str, Any]:
    """Ours with each number of queries against the plain pass, in the same rounds; the anchor and the direction apart."""
    case = make_case(work, device)
    directions = case.directions(max(work.num_queries[key] for key in keys))
    ours = {
        key: partial(case.scores, {name: value[: work.num_queries[key]] for name, value in directions.items()})
        for key in keys
    }
    clocks = interleaved({"plain": case.plain, **ours}, rounds, device)
    plain_s = statistics.median(clocks["plain"].wall_s)
    apart = _once_per_anchor(case, device)
    return {
        key: {
            "ratio": clocks[key].over(clocks["plain"]),
            "ratio_of_process_time": clocks[key].process_over(clocks["plain"]),
            "anchor_ratio": _median_s(apart["anchor"]) / plain_s,
            "direction_ratio": _median_s(apart["direction"]) * work.num_queries[key] / plain_s,
            "ours_s": _median_s(clocks[key]),
            "plain_s": plain_s,
            "ours_photos_per_s": work.num_photos / _median_s(clocks[key]),
            "plain_photos_per_s": work.num_photos / plain_s,
            "rounds": rounds,
            "num_photos": work.num_photos,
            "coverage": str(case.coverage),
        }
        for key in keys
    }


def _once_per_anchor(case: Case, device: str) -> dict[str, Clock]:
    """Reading an anchor into the network (its file still warm), and making the direction of one query from its moments."""
    settings = OptimizerSettings()
    gradient = case.directions(1)
    first, second = ({n: torch.rand_like(weight) for n, weight in weights_of(case.network).items()} for _ in range(2))
    state = AdamState(first, second, 1)

    def direction() -> None:
        for name, moment in state.exp_avg_sq.items():
            gradient[name].mul(preconditioner(moment, state.step, settings))

    with tempfile.TemporaryDirectory() as folder:
        write_anchor(Path(folder), anchor_of(case.network, state))
        path = anchor_path(Path(folder), 1)
        read = partial(_read, case, path, device)
        return interleaved({"anchor": read, "direction": direction}, 3, device)


def _read(case: Case, path: Path, device: str) -> None:
    load_weights(case.network, read_anchor(path, torch.device(device)))


def measure_neighbours(
    work: Workload, num_queries: int, names: list[str], rounds: int, device: str, *, is_short: bool
) -> dict[str, Any]:
    """Their time over ours for the same sgd scores, query gradients included, after a look at how well they agree."""
    task = make_task(work, num_queries, device, is_short=is_short)
    wanted = WAYS["ours"](task)
    gaps = {name: float((WAYS[name](task) - wanted).abs().max() / wanted.abs().max()) for name in names}
    clocks = interleaved({name: partial(WAYS[name], task) for name in ["ours", *names]}, rounds, device)
    return {
        "ratio": {name: clocks[name].over(clocks["ours"]) for name in names},
        "ratio_of_process_time": {name: clocks[name].process_over(clocks["ours"]) for name in names},
        "largest_gap_over_largest_score": gaps,
        "seconds": {name: _median_s(clock) for name, clock in clocks.items()},
        "versions": {name: importlib.metadata.version(name) for name in names if name != "vmap"},
    }


def _median_s(clock: Clock) -> float:
    return statistics.median(clock.wall_s)


def measure_all(options: argparse.Namespace, *, ending: str = "") -> dict[str, Any]:
    """Ratios by key, and under ``details`` all that belongs to them."""
    ratios: dict[str, float] = {}
    details: dict[str, Any] = {}
    for work in WORKLOADS:
        keys = [key for key in work.num_queries if key in options.keys]
        if not keys:
            continue
        is_demo = keys[0].startswith("demo")
        chosen = work.shrunk() if options.short else work
        found = measure(
            chosen, keys, options.rounds * (MORE_ROUNDS if is_demo and not options.short else 1), options.device
        )
        for key, figures in found.items():
            print(key + ending, json.dumps(figures), flush=True)
            details[key + ending] = figures
            ratios[key + ending] = round(figures["ratio"], 3)
        if not is_demo or not options.neighbours:
            continue
        which = "" if "convnext" in keys[0] else "_vit"
        compared = measure_neighbours(
            chosen,
            work.num_queries[keys[0]],
            options.neighbours,
            options.rounds,
            options.device,
            is_short=options.short,
        )
        print("neighbours" + which + ending, json.dumps(compared), flush=True)
        details["neighbours" + which + ending] = compared
        ratios |= {name + which + ending: round(ratio, 2) for name, ratio in compared["ratio"].items()}
    return {**ratios, "details": details}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="everything at a tiny size, one round; writes no file")
    parser.add_argument("--brief", action="store_true", help="one round, demo encoders alone, no neighbours: minutes")
    parser.add_argument("--keys", nargs="*", default=list(KEYS), choices=KEYS, help="only these workloads")
    parser.add_argument(
        "--rounds", type=int, default=3, help=f"at 224 px; {MORE_ROUNDS} times as many for demo encoders"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--neighbours", nargs="*", default=installed(), choices=NEIGHBOURS, help="default: those installed"
    )
    parser.add_argument(
        "--together",
        nargs="*",
        default=list(trace_together.CASES),
        choices=trace_together.CASES,
        help="cases of one ranking",
    )
    parser.add_argument("--memory-of", metavar="WHAT:KEY", help="only the peak memory of one thing, in bytes")
    options = parser.parse_args()
    if options.short or options.brief:
        options.rounds = 1
    if options.brief:
        options.keys, options.neighbours = [key for key in options.keys if key.startswith("demo")], []
    return options


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def use_tf32(is_on: bool) -> None:
    """TF32 in matrix products and convolutions on CUDA."""
    torch.backends.cuda.matmul.allow_tf32 = is_on
    torch.backends.cudnn.allow_tf32 = is_on


def main() -> None:
    """Measures, writes a dated file to ``benchmarks/results``, prints the figures as the last line."""
    options = arguments()
    torch.set_num_threads(options.threads)
    use_tf32(False)
    if options.memory_of:
        what, _, key = options.memory_of.partition(":")
        print(json.dumps(trace_memory.measure(what, key, options.device, is_short=options.short)))
        return
    figures = measure_all(options)
    card = ""
    if options.device != "cpu":
        card = torch.cuda.get_device_name()
        use_tf32(True)
        faster = measure_all(options, ending="_tf32")
        figures |= faster | {"details": figures["details"] | faster["details"]}
    together = options.together[:1] if options.short else options.together
    for key in together:
        case = trace_together.CASES[key]
        found = trace_together.measure(case.shrunk() if options.short else case, options.rounds, options.device)
        print("together", key, json.dumps(found), flush=True)
        figures["details"][f"together_{key}"] = found
    if together:
        told = [figures["details"][f"together_{key}"]["together_over_training"] for key in together]
        figures["together_over_training"] = round(max(told), 3)
    projected = trace_projection.measure(options.device, is_short=options.short)
    print("projection", json.dumps(projected), flush=True)
    figures["details"]["projection"] = projected
    figures["projection_spearman_4096"] = round(projected["projection_spearman_4096"], 4)
    if options.device == "cpu":
        costs = family_costs.frugal(options.rounds, 2 if options.short else None)
        figures["details"]["families"] = costs
        figures |= {key: costs[key] for key in ("families_median", "families_worst")}
        print("families", json.dumps(costs), flush=True)
    memory_keys = options.keys[:1] if options.short else options.keys
    ways = [] if options.short else options.neighbours
    figures["memory"] = trace_memory.compare(memory_keys, ways, options.device, is_short=options.short)
    figures |= {"device": card or "cpu", "threads": options.threads, "cpu_s": round(_cpu_s(), 1)}
    if options.short:
        print(json.dumps(figures))
    else:
        write_result("trace-" + "brief-" * options.brief + ("-".join(card.lower().split()) or "cpu"), figures)


if __name__ == "__main__":
    main()
