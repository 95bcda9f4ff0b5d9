"""Does pruning undo a planted shortcut? Baseline, oracle, every formula and its controls on the demo cohort, over seeds.

    python -m benchmarks.demo                  five seeds, every way of pruning (about an hour; resumes)
    python -m benchmarks.demo --only-recipe    baseline and oracle alone: how much the shortcut costs
    python -m benchmarks.demo --only-time      minutes and memory of ``grasp demo``

The way of pruning is one for all seeds, chosen by mean validation AUC.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.gains import gains, shortcut_figures
from benchmarks.planted import (
    ARMS,
    ORACLE,
    Cohorts,
    auc,
    make_arm,
    make_baseline,
    rows_of_arm,
    rows_of_baseline,
)
from benchmarks.record import write_result
from grasp_psonet.progress import show_plainly
from grasp_psonet.stages.names import BASELINE

log = logging.getLogger("grasp_psonet")

COMPARED = ("default", "paper, harmful", "paper, helpful", "sgd, each", "adam, each", "cosine, each")


def table_of(cohorts: Cohorts, seeds: list[int], controlled: str) -> pd.DataFrame:
    """Every run of every seed; ``controlled`` names the arm whose random control is trained too."""
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        found = list(rows_of_baseline(cohorts, seed))
        for name in COMPARED:
            job = cohorts.job(seed, ARMS[name], has_control=name == controlled)
            make_arm(job)
            found += rows_of_arm(job, name)
        rows += [row | {"seed": seed} for row in found]
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame, chosen: str) -> dict[str, Any]:
    """The figures over seeds: every way of pruning side by side, and those of the chosen one."""
    arms = {name: gains(table, name) for name in COMPARED}
    of_chosen = ("auc_gain", "auc_gain_random", "seeds_better_than_random", "gap_recovered")
    return (
        {"chosen_by_validation": chosen}
        | shortcut_figures(table)
        | {key: arms[chosen][key] for key in of_chosen}
        | {"arms": arms}
    )


def best_arm(table: pd.DataFrame) -> str:
    """The way of pruning for all seeds: the highest mean validation AUC."""
    return max(COMPARED, key=lambda name: float(gains(table, name)["mean_val_auc"]))


def time_the_demo(folder: Path) -> dict[str, float]:
    """Wall-clock minutes of ``grasp demo`` in a fresh folder, and the peak memory of all its processes together."""
    shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()
    command = [sys.executable, "-m", "grasp_psonet", "demo", str(folder)]
    peak_kib = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None:
            peak_kib = max(peak_kib, _memory_of_session_kib(process.pid))
            time.sleep(0.25)
    assert process.returncode == 0, f"grasp demo ended with exit code {process.returncode}"
    return {"minutes": (time.monotonic() - started) / 60, "peak_gib": peak_kib / 2**20}


def _memory_of_session_kib(session: int) -> int:
    """Proportional set size of all processes of a session: memory that several share counts once."""
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == session:
                    rollup = (entry / "smaps_rollup").read_text()
                    total += int(rollup.partition("\nPss:")[2].split()[0])
            except OSError:  # the process ended meanwhile
                continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--folder", type=Path, default=Path("work-bench-demo"))
    parser.add_argument("--only-recipe", action="store_true")
    parser.add_argument("--only-time", action="store_true")
    parser.add_argument("--encoder", default="demo_convnext")
    words = parser.parse_args()
    show_plainly()
    if words.only_time:
        write_result("demo-time", time_the_demo(words.folder / "timed"))
        return
    cohorts = Cohorts(words.folder, overrides={"network": {"encoder": words.encoder}})
    for seed in words.seeds:
        log.info("seed %d", seed)
        make_baseline(cohorts, seed)
        if words.only_recipe:
            job = cohorts.job(seed)
            found = {run: (auc(job, run, "val"), auc(job, run, "test")) for run in (BASELINE, ORACLE)}
            sys.stdout.write(json.dumps({"seed": seed, "val_test_auc": found}) + "\n")
    if not words.only_recipe:
        chosen = best_arm(table_of(cohorts, words.seeds, ""))
        figures = summarise(table_of(cohorts, words.seeds, chosen), chosen)
        figures |= time_the_demo(words.folder / "timed")
        write_result("demo" if words.encoder == "demo_convnext" else f"demo-{words.encoder}", figures)


if __name__ == "__main__":
    main()
