"""Writes the table of families into the docs, and tells what nine queries cost: ``python -m benchmarks.families.table DOC``.

Every family is judged in float64 (``exactness``); those that are exact are timed in float32, products with nine directions
against a plain forward and backward pass of the same photos in alternating rounds, in this process's own seconds.
"""

import argparse
import json
import statistics
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.families.encoders import FAMILIES, NUM_CLASSES, Family
from benchmarks.families.exactness import Verdict, judged
from benchmarks.record import write_result
from benchmarks.trace_cases import interleaved
from grasp_psonet.influence.gradients.coverage import cover
from grasp_psonet.influence.gradients.products import products

NUM_PHOTOS, NUM_QUERIES = 8, 9
# one of each kind of block, the quick ones: what ``bench-trace`` times
FRUGAL = {
    "beit_base_patch16_224",
    "cait_xxs24_224",
    "convnext_atto",
    "convnextv2_atto",
    "deit_tiny_distilled_patch16_224",
    "edgenext_xx_small",
    "efficientnet_lite0",
    "eva02_tiny_patch14_224",
    "mobilenetv3_small_050",
    "swin_tiny_patch4_window7_224",
    "xcit_nano_12_p16_224",
}
START, END = "<!-- families: written by benchmarks/families/table.py -->", "<!-- end of families -->"


def cost(family: Family, rounds: int) -> float:
    """Products of a batch with nine directions over a plain pass that fills ``.grad``: median over rounds of the ratio."""
    network = family.build()
    photos = torch.rand(NUM_PHOTOS, 3, family.edge_px, family.edge_px)
    labels = torch.arange(NUM_PHOTOS) % NUM_CLASSES

    def losses(module: nn.Module, size: int = NUM_PHOTOS) -> Tensor:
        return functional.cross_entropy(module(photos[:size]), labels[:size], reduction="none")

    def plain() -> None:
        network.zero_grad()
        losses(network).sum().backward()  # type: ignore[no-untyped-call]

    coverage = cover(network, partial(losses, size=2))
    directions = {name: torch.randn(NUM_QUERIES, *p.shape) for name, p in network.named_parameters()}
    clocks = interleaved(
        {"plain": plain, "ours": lambda: products(network, losses, coverage, directions)}, rounds, "cpu"
    )
    return clocks["ours"].process_over(clocks["plain"])


def row_of(family: Family, verdict: Verdict, ratio: float | None) -> str:
    """One line of the table."""
    slow = f"{100 * verdict.num_slow / verdict.num_parameters:.2g} %" if verdict.num_slow else ""
    told = "" if ratio is None else f"{ratio:.2f}"
    return (
        f"| `{family.model}` | {family.edge_px} | {verdict.num_parameters:,} | {verdict.in_words} | {slow} | {told} |"
    )


def write_between(path: Path, lines: list[str]) -> None:
    """Puts the lines between the two marks of a page."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(START)
    _, after = rest.split(END)
    path.write_text("\n".join([before + START, "", *lines, "", END + after]), encoding="utf-8")


def kept_rows(path: Path) -> dict[str, str]:
    """The lines of the page's table by encoder."""
    told = path.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    return {line.split("`")[1]: line for line in told.splitlines() if line.startswith("| `")}


def summary(ratios: Mapping[str, float]) -> dict[str, object]:
    """Median and worst of the ratios, and whose is the worst."""
    worst = max(ratios, key=lambda model: ratios[model])
    return {
        "families_median": round(statistics.median(ratios.values()), 3),
        "families_worst": round(ratios[worst], 3),
        "families_worst_is": worst,
    }


def frugal(rounds: int, num_families: int | None = None) -> dict[str, object]:
    """``summary`` over the families of ``FRUGAL`` (the first so many), with the ratio of each, as ``bench-trace`` has it."""
    chosen = [family for family in FAMILIES if family.model in FRUGAL][:num_families]
    ratios = {family.model: round(cost(family, rounds), 3) for family in chosen}
    return {**summary(ratios), "families": ratios}


def main() -> None:
    """Judges, times, writes the table into the page and the figures into ``benchmarks/results``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", nargs="*", help="these encoders; the other lines stay, and their verdicts are not judged anew"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    kept = kept_rows(asked.page) if asked.only else {}
    rows, ratios, verdicts = [], dict[str, float](), dict[str, str]()
    for family in FAMILIES:
        if asked.only and family.model not in asked.only:
            rows.append(kept[family.model])
            continue
        verdict = judged(family)
        if verdict.gap is not None:
            ratios[family.model] = cost(family, asked.rounds)
        verdicts[family.model] = verdict.in_words
        rows.append(row_of(family, verdict, ratios.get(family.model)))
        print(rows[-1], flush=True)
    head = [
        "| encoder | px | parameters | products | rerun by module | 9 queries over a plain pass |",
        "|---|---|---|---|---|---|",
    ]
    write_between(asked.page, [*head, *rows])
    figures = {
        **summary(ratios),
        "num_families": len(verdicts),
        "num_exact": sum(word == "exact" for word in verdicts.values()),
        "ratios": ratios,
        "verdicts": verdicts,
    }
    write_result("families", figures)
    print(
        json.dumps(
            {key: figures[key] for key in ("families_median", "families_worst", "families_worst_is", "num_exact")}
        )
    )


if __name__ == "__main__":
    main()
