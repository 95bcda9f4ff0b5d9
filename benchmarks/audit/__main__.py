"""What each ranking of the audit finds, on drawn cohorts and on a study of yours.

    make bench-audit                               drawn cohorts alone; what is of a study is skipped, and said so
    make bench-audit STUDY=folder TUNED_ON=file    and a study with two readers whose features stand (`grasp features`)

``TUNED_ON`` names patients on whom anything was tuned, one a line: they teach the folds and are left out of the figures. The
drawn cohorts are those of the demo with other seeds, photos of 128 px for the packaged encoder; features of a seed are
computed once and read by all drawings of the readers. Everything is kept in the work folder: an interrupted benchmark goes on.
"""

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from benchmarks.audit.plan import Part, Scope, planned
from benchmarks.audit.second_readings import RealGround, read_patients
from benchmarks.audit.summary import summarise
from benchmarks.record import write_result
from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings

log = logging.getLogger("benchmarks")


def _quick(folder: Path, seeds: tuple[int, ...]) -> Scope:
    """A cohort of a few visits, one encoder: shows that everything runs, its figures mean nothing."""
    cohort = SyntheticSettings(24, 48, 4, edge_px=64, val_visits=12, test_visits=9, shortcut=ShortcutSettings("none"))
    return Scope(folder, seeds[:1], (0.2,), (0.2,), ("demo_convnext",), cohort, num_fine_tuned=0, num_candidates=0)


def scope_of(words: argparse.Namespace) -> Scope:
    """What the words of the command line ask for."""
    seeds = tuple(words.seeds)
    scope = _quick(words.folder, seeds) if words.quick else Scope(words.folder, seeds)
    if words.study is None:
        return scope
    return replace(scope, study=RealGround(words.study, read_patients(words.tuned_on)))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?", help="a study folder with two readers")
    parser.add_argument("--tuned-on", nargs="*", default=[], help="patients left out of the figures, or a file of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(200, 210)))
    parser.add_argument("--folder", type=Path, default=Path("work-bench-audit"))
    parser.add_argument(
        "--ranking", default=AuditSettings().ranking, help="the ranking that is compared with the others"
    )
    parser.add_argument("--parts", nargs="*", choices=get_args(Part), default=get_args(Part), help="what is made")
    parser.add_argument("--quick", action="store_true", help="a few small visits: shows that everything runs")
    words = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    if words.study is None:
        log.info("skipped: no study was given (make bench-audit STUDY=folder)")
    tables = []
    for one in planned(scope_of(words)):
        if one.part in words.parts and not one.path.exists():
            log.info("%s: %s", one.part, one.path.relative_to(words.folder))
            one.table()
        if one.path.exists():
            tables.append(one.table())
    # a result file names no place of this machine
    hidden = {str(words.study): "STUDY", str(words.folder): "FOLDER"} | dict.fromkeys(words.tuned_on, "TUNED_ON")
    sys.argv[1:] = [hidden.get(word, word) for word in sys.argv[1:]]
    write_result("audit-quick" if words.quick else "audit", summarise(tables, words.ranking))


if __name__ == "__main__":
    main()
