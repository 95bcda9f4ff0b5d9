"""What reading again is worth, on drawn cohorts with gross errors of Reader 1.

    make bench-reading

A simulated further reader, as noisy and as rarely grossly wrong as the two, reads the first 10, 20 and 30 % of the training
visits again: as the audit's review list has them, at random, and as an oracle would who knows the errors. Then the head of the
preset ``small`` is trained on the labels as they were, on the revision that ``grasp revise`` makes, and without these visits.
Features of a seed are computed once; a fraction of a seed that is done is kept in the work folder, so that an interrupted
benchmark goes on; of all seeds the largest fraction comes first.
"""

import argparse
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.audit.cell import kept
from benchmarks.audit.ground import DrawnGround, Readers
from benchmarks.reading.cohort import Reread
from benchmarks.reading.lists import FRACTIONS
from benchmarks.reading.summary import summarise
from benchmarks.record import write_result
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings

log = logging.getLogger("benchmarks")
ENCODER = "efficientnet_lite0"
QUICK = SyntheticSettings(24, 48, 4, edge_px=64, val_visits=12, test_visits=9, shortcut=ShortcutSettings("none"))


def table_of(words: argparse.Namespace) -> pd.DataFrame:
    """The rows of every seed and fraction, the largest fraction first; what stands is read."""
    settings, encoder = (QUICK, "demo_convnext") if words.quick else (SyntheticSettings(), ENCODER)
    cohorts = {}
    for seed in words.seeds:
        ground = DrawnGround(words.folder / "cohorts" / str(seed), seed, settings)
        readers = Readers(words.gross_errors, has_shortcut=False)
        name = f"{seed}-{words.gross_errors:g}-{words.trainings}"
        cohorts[name] = Reread(words.folder / "studies" / name, ground, readers, encoder, words.trainings)
    parts = [_table(words.folder, f"{name}-kept", one.kept) for name, one in cohorts.items()]
    for fraction in sorted(words.fractions, reverse=True):
        parts += [
            _table(words.folder, f"{name}-{round(100 * fraction)}", partial(one.read, fraction))
            for name, one in cohorts.items()
        ]
    return pd.concat(parts, ignore_index=True)


def _table(folder: Path, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    log.info("%s", name)
    return kept(folder / "tables" / f"{name}.parquet", make)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(300, 310)))
    parser.add_argument(
        "--fractions", type=float, nargs="+", default=list(FRACTIONS), help="parts of each list that are read"
    )
    parser.add_argument("--gross-errors", type=float, default=0.1, help="chance of a gross error in a reading")
    parser.add_argument("--trainings", type=int, default=1, help="training seeds of each network")
    parser.add_argument("--folder", type=Path, default=Path("work-bench-reading"))
    parser.add_argument("--quick", action="store_true", help="a few small visits: shows that everything runs")
    words = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    torch.set_num_threads(1)
    about: dict[str, Any] = {"gross_errors": words.gross_errors, "training_seeds": words.trainings}
    write_result("reading-quick" if words.quick else "reading", about | summarise(table_of(words)))


if __name__ == "__main__":
    main()
