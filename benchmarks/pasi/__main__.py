"""PASI as a number on drawn cohorts, beside the readers' own agreement; and a planted shortcut, in points.

    make bench-pasi

Part ``clean``: networks by region, of the total and of the classes on the same visits; part ``shortcut``: baseline, oracle,
the default pruning and random removal. A cell, one part of one seed, that is done is kept in the work folder, so that an
interrupted benchmark goes on. Keys of the result: see ``summary.py``.
"""

import argparse
import logging
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from benchmarks.audit.cell import kept
from benchmarks.pasi.clean import answers
from benchmarks.pasi.ground import Ground, Tree
from benchmarks.pasi.shortcut import SHORTCUT, prunings
from benchmarks.pasi.summary import summarise
from benchmarks.record import write_result

log = logging.getLogger("benchmarks")
PARTS = {"clean": answers, "shortcut": prunings}
COHORTS: dict[str, Tree] = {
    "clean": {"num_patients": 120, "num_visits": 280, "num_views": 4, "val_visits": 40, "test_visits": 80}
    | {"shortcut": {"fault": "none"}},
    "shortcut": {"num_patients": 96, "num_visits": 240, "num_views": 6, "val_visits": 50, "test_visits": 70}
    | {"shortcut": SHORTCUT},
}
QUICK: Tree = {"num_patients": 24, "num_visits": 48, "num_views": 4, "val_visits": 12, "test_visits": 9}
ENCODER, QUICK_ENCODER = "efficientnet_lite0", "demo_convnext"


def tables_of(words: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """The rows of every part, of all seeds: one seed after the other, both parts of it; what stands is read."""
    rows: dict[str, list[pd.DataFrame]] = {part: [] for part in words.parts}
    encoder = QUICK_ENCODER if words.quick else ENCODER
    for seed in words.seeds:
        for part in words.parts:
            cohort = COHORTS[part] | (QUICK if words.quick else {})
            ground = Ground(words.folder / part / str(seed), seed, cohort, encoder)
            log.info("%s, seed %d", part, seed)
            rows[part].append(kept(words.folder / "tables" / f"{part}-{seed}.parquet", partial(PARTS[part], ground)))
    return {part: pd.concat(found, ignore_index=True) for part, found in rows.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(400, 408)))
    parser.add_argument("--folder", type=Path, default=Path("work-bench-pasi"))
    parser.add_argument("--parts", choices=list(PARTS), nargs="+", default=list(PARTS), help="what is made")
    parser.add_argument("--quick", action="store_true", help="a few small visits: shows that everything runs")
    words = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    torch.set_num_threads(1)
    write_result("pasi-quick" if words.quick else "pasi", summarise(tables_of(words)))


if __name__ == "__main__":
    main()
