"""What reading again is worth, on drawn cohorts with gross errors of Reader 1.

    make bench-reading

A simulated further reader, as noisy and as rarely grossly wrong as the two, reads the first 10, 20 and 30 % of the training
visits again: as the audit's review list has them, at random, and as an oracle would who knows the errors. Then the head of the
preset ``small`` is trained on the labels as they were, on the revision that ``grasp revise`` makes, and without these visits.
Features of a seed are computed once; a seed that is done is kept in the work folder, so that an interrupted benchmark goes on.
"""

import argparse
import logging
from pathlib import Path

import pandas as pd
import torch

from benchmarks.audit.cell import kept
from benchmarks.audit.ground import DrawnGround, Readers
from benchmarks.reading.cohort import Reread
from benchmarks.reading.summary import summarise
from benchmarks.record import write_result
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings

log = logging.getLogger("benchmarks")
ENCODER = "efficientnet_lite0"
QUICK = SyntheticSettings(24, 48, 4, edge_px=64, val_visits=12, test_visits=9, shortcut=ShortcutSettings("none"))


def table_of(words: argparse.Namespace) -> pd.DataFrame:
    """The rows of every seed; a seed that stands is read."""
    settings, encoder = (QUICK, "demo_convnext") if words.quick else (SyntheticSettings(), ENCODER)
    parts = []
    for seed in words.seeds:
        ground = DrawnGround(words.folder / "cohorts" / str(seed), seed, settings)
        readers = Readers(words.gross_errors, has_shortcut=False)
        name = f"{seed}-{words.gross_errors:g}-{words.trainings}"
        one = Reread(words.folder / "studies" / name, ground, readers, encoder, words.trainings)
        log.info("seed %s", seed)
        parts.append(kept(words.folder / "tables" / f"{name}.parquet", one.rows))
    return pd.concat(parts, ignore_index=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(300, 310)))
    parser.add_argument("--gross-errors", type=float, default=0.1, help="chance of a gross error in a reading")
    parser.add_argument("--trainings", type=int, default=1, help="training seeds of each network")
    parser.add_argument("--folder", type=Path, default=Path("work-bench-reading"))
    parser.add_argument("--quick", action="store_true", help="a few small visits: shows that everything runs")
    words = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    torch.set_num_threads(1)
    about = {"gross_errors": words.gross_errors, "training_seeds": words.trainings}
    write_result("reading-quick" if words.quick else "reading", about | summarise(table_of(words)))


if __name__ == "__main__":
    main()
