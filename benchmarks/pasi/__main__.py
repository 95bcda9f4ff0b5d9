"""PASI as a number on drawn cohorts, beside the readers' own agreement; and a planted shortcut, in points.

    make bench-pasi

Part ``clean``: networks by region, of the total and of the classes on the same visits; part ``shortcut``: baseline, oracle,
the default pruning and random removal. A cell, one part of one seed, that is done is kept in the work folder, so that an
interrupted benchmark goes on. Keys of the result: see ``summary.py``.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.audit.cell import kept
from benchmarks.pasi.clean import answers
from benchmarks.pasi.ground import Ground, Tree

log = logging.getLogger("benchmarks")
CLEAN: Tree = {"num_patients": 200, "num_visits": 480, "num_views": 6, "val_visits": 40, "test_visits": 120}
QUICK: Tree = {"num_patients": 24, "num_visits": 48, "num_views": 4, "val_visits": 12, "test_visits": 9}


def clean_table(folder: Path, seeds: list[int], cohort: Tree, encoder: str) -> pd.DataFrame:
    """The rows of the part ``clean`` of every seed; what stands is read."""
    parts = []
    for seed in seeds:
        ground = Ground(folder / "clean" / str(seed), seed, cohort | {"shortcut": {"fault": "none"}}, encoder)
        path = folder / "tables" / f"clean-{seed}.parquet"
        if not path.exists():
            log.info("clean, seed %d", seed)
        parts.append(kept(path, lambda ground=ground: answers(ground)))  # type: ignore[misc]
    return pd.concat(parts, ignore_index=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(400, 408)))
    parser.add_argument("--folder", type=Path, default=Path("work-bench-pasi"))
    parser.add_argument("--quick", action="store_true", help="a few small visits: shows that everything runs")
    words = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    torch.set_num_threads(1)
    clean_table(words.folder, words.seeds, CLEAN, "efficientnet_lite0")


if __name__ == "__main__":
    main()
