"""Does pruning undo a planted shortcut? Baseline, oracle, every formula and its controls on the demo cohort, over seeds.

    python -m benchmarks.demo                  five seeds, all formulas (about an hour on two cores; goes on where it stopped)
    python -m benchmarks.demo --only-recipe    baseline and oracle alone: how much the shortcut costs

The oracle never saw the planted training photos: they are removed and the network is trained again. The cohort of seed s
and the training of seed s share the number. The formula is one for all seeds, chosen by mean validation AUC.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks.record import write_result
from grasp_psonet.evidence.choose import choose_k
from grasp_psonet.evidence.evaluate import auc_of_split
from grasp_psonet.presets import preset
from grasp_psonet.progress import show_plainly
from grasp_psonet.settings import merged, parse
from grasp_psonet.stage import Task, judge, run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.prepare import prepare_task
from grasp_psonet.stages.prune import keep_lists, prune_tasks
from grasp_psonet.stages.retrain import read_sweep, train_together
from grasp_psonet.stages.trace import trace_task
from grasp_psonet.stages.train import train_task
from grasp_psonet.study import Study

log = logging.getLogger("grasp_psonet")

ARMS: tuple[tuple[str, Literal["harmful", "helpful"]], ...] = (
    ("paper", "harmful"),
    ("paper", "helpful"),
    ("sgd", "harmful"),
    ("adam", "harmful"),
    ("cosine", "harmful"),
)
ORACLE = "oracle"


def job_of(
    folder: Path, seed: int, formula: str = "cosine", end: str = "harmful", has_control: bool = False, **overrides: Any
) -> Job:
    """The demo preset at this seed, with one formula and end of the ranking, with or without the random control."""
    own = {
        "seed": seed,
        "cohort_seed": seed,
        "trace": {"formula": formula},
        "prune": {"end": end, "controls": ["random"] if has_control else []},
    }
    settings = parse(merged(merged(preset("demo"), own), overrides), "the benchmark")
    return Job(Study(folder / f"seed-{seed}"), settings)


def oracle_task(job: Job) -> Task:
    """The keep list that removes exactly the planted shortcut photos of the train split."""

    def make(folder: Path) -> None:
        truth = pd.read_parquet(job.study.truth_file)
        train = truth[truth["visit_id"].isin(job.visits_of("train")["visit_id"])]
        keep = train[["photo_id", "visit_id"]].assign(kept=~train["is_shortcut"])
        lost = ~keep.groupby("visit_id")["kept"].transform("any")
        keep["kept"] |= lost & ~keep.duplicated("visit_id")
        keep.to_parquet(folder / "keep.parquet", index=False)

    return Task("oracle list", job.study.pruning(ORACLE), {}, {"truth": job.study.truth_file}, make)


def auc(job: Job, run: str, split: str) -> float:
    """Micro AUC against Reader 1."""
    value = auc_of_split(pd.read_parquet(job.study.run(run) / "predictions.parquet"), split)
    assert value is not None, f"{run} of {job.study.folder} lacks a class in {split}"
    return value


def train_all(folder: Path, seed: int, only_recipe: bool, **overrides: Any) -> None:
    """Makes every run of one seed that does not stand."""
    job = job_of(folder, seed, **overrides)
    job.study.folder.mkdir(parents=True, exist_ok=True)
    make_cohort(job)
    run_task(prepare_task(job))
    run_task(train_task(job))
    run_task(oracle_task(job))
    train_together(job, [ORACLE])
    if only_recipe:
        return
    for formula, end in ARMS:
        train_arm(job_of(folder, seed, formula, end, **overrides))


def train_arm(job: Job) -> None:
    """Trace, keep lists and retrainings of one formula and end of the ranking, as far as they do not stand."""
    run_task(trace_task(job))
    for task in prune_tasks(job):
        run_task(task)
    tasks = {arm.name: train_task(job, arm.name, job.study.pruning(arm.name)) for arm in read_sweep(job).trained}
    train_together(job, [name for name, task in tasks.items() if judge(task).state != "valid"])


def arm_rows(folder: Path, seed: int, controlled: str, **overrides: Any) -> Iterable[dict[str, Any]]:
    """Validation and test AUC of every run of one seed: formula, end, k, control ("" for the pruning itself).

    ``controlled`` names the arm whose random control was trained too.
    """
    job = job_of(folder, seed, **overrides)
    yield {"arm": BASELINE, "k": 0, "control": "", "val": auc(job, BASELINE, "val"), "test": auc(job, BASELINE, "test")}
    yield {"arm": ORACLE, "k": 0, "control": "", "val": auc(job, ORACLE, "val"), "test": auc(job, ORACLE, "test")}
    for formula, end in ARMS:
        one = job_of(folder, seed, formula, end, f"{formula} {end}" == controlled, **overrides)
        empty = {arm.name for arm in read_sweep(one).empty}
        for arm in keep_lists(one):
            run = BASELINE if arm.name in empty else arm.name
            keep = pd.read_parquet(one.study.pruning(arm.name) / "keep.parquet")
            truth = pd.read_parquet(one.study.truth_file).set_index("photo_id")["is_shortcut"]
            removed = keep.loc[~keep["kept"], "photo_id"]
            yield {
                "arm": f"{formula} {end}",
                "k": arm.k,
                "control": arm.control,
                "removed": len(removed),
                "shortcut_precision": float(truth[removed].mean()) if len(removed) else None,
                "val": auc(one, run, "val"),
                "test": auc(one, run, "test"),
            }


def chosen_row(rows: pd.DataFrame, arm: str, control: str) -> "pd.Series[Any]":
    """The row that validation AUC chooses among the k of an arm, the baseline included."""
    own = pd.concat([rows[rows["arm"] == BASELINE], rows[(rows["arm"] == arm) & (rows["control"] == control)]])
    ks: list[int] = [int(str(k)) for k in own["k"]]
    k = choose_k(dict(zip(ks, own["val"].tolist(), strict=True)))
    return own[own["k"] == k].iloc[0]


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """The figures over seeds: every formula side by side, and those of the formula that validation chooses."""
    arms = [f"{formula} {end}" for formula, end in ARMS]
    by_seed = dict(list(table.groupby("seed")))
    baseline = pd.Series({seed: rows[rows["arm"] == BASELINE]["test"].iloc[0] for seed, rows in by_seed.items()})
    oracle = pd.Series({seed: rows[rows["arm"] == ORACLE]["test"].iloc[0] for seed, rows in by_seed.items()})
    formulas: dict[str, Any] = {}
    for arm in arms:
        picked = pd.DataFrame({seed: chosen_row(rows, arm, "") for seed, rows in by_seed.items()}).T
        gain = picked["test"].astype(float) - baseline
        formulas[arm] = {
            "mean_val_auc": float(picked["val"].astype(float).mean()),
            "auc_gain": float(gain.mean()),
            "auc_gain_by_seed": gain.round(4).tolist(),
            "k_by_seed": picked["k"].astype(int).to_list(),
            "gap_recovered": float(gain.sum() / (oracle - baseline).sum()),
            "mean_test_auc_by_k": _by_k(table, arm, ""),
        }
        if ((table["arm"] == arm) & (table["control"] == "random")).any():
            at_random = pd.DataFrame({seed: chosen_row(rows, arm, "random") for seed, rows in by_seed.items()}).T
            random_gain = at_random["test"].astype(float) - baseline
            formulas[arm] |= {
                "auc_gain_random": float(random_gain.mean()),
                "auc_gain_random_by_seed": random_gain.round(4).tolist(),
                "seeds_better_than_random": int((gain > random_gain).sum()),
                "random_mean_test_auc_by_k": _by_k(table, arm, "random"),
            }
    best = best_arm(formulas)
    of_best = ("auc_gain", "auc_gain_random", "seeds_better_than_random", "gap_recovered")
    return {
        "formula_chosen_by_validation": best,
        "seeds": sorted(table["seed"].unique().tolist()),
        "shortcut_cost": float((oracle - baseline).mean()),
        "shortcut_cost_by_seed": (oracle - baseline).round(4).tolist(),
        "baseline_auc_by_seed": baseline.round(4).tolist(),
        "oracle_auc_by_seed": oracle.round(4).tolist(),
        **{key: formulas[best][key] for key in of_best if key in formulas[best]},
        "formulas": formulas,
    }


def best_arm(formulas: dict[str, Any]) -> str:
    """The formula for all seeds: the highest mean validation AUC at the harmful end."""
    harmful = [arm for arm in formulas if arm.endswith(" harmful")]
    return max(harmful, key=lambda arm: float(formulas[arm]["mean_val_auc"]))


def _by_k(table: pd.DataFrame, arm: str, control: str) -> dict[str, float]:
    rows = table[(table["arm"] == arm) & (table["control"] == control)]
    return {str(k): float(value) for k, value in rows.groupby("k")["test"].mean().items()}


def table_of(folder: Path, seeds: list[int], controlled: str, **overrides: Any) -> pd.DataFrame:
    """Every run of every seed."""
    rows = [pd.DataFrame(arm_rows(folder, seed, controlled, **overrides)).assign(seed=seed) for seed in seeds]
    return pd.concat(rows, ignore_index=True)


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
    parser.add_argument("--encoder", default="demo_convnext")
    parser.add_argument("--overrides", type=json.loads, default={}, help="settings as JSON, for trying recipes")
    words = parser.parse_args()
    show_plainly()
    overrides = merged({"network": {"encoder": words.encoder}}, words.overrides)
    for seed in words.seeds:
        log.info("seed %d", seed)
        train_all(words.folder, seed, words.only_recipe, **overrides)
        if words.only_recipe:
            job = job_of(words.folder, seed, **overrides)
            found = {run: (auc(job, run, "val"), auc(job, run, "test")) for run in (BASELINE, ORACLE)}
            sys.stdout.write(json.dumps({"seed": seed, "val_test_auc": found}) + "\n")
    if not words.only_recipe:
        chosen = summarise(table_of(words.folder, words.seeds, "", **overrides))["formula_chosen_by_validation"]
        formula, end = chosen.split()
        for seed in words.seeds:
            train_arm(job_of(words.folder, seed, formula, end, True, **overrides))
        figures = summarise(table_of(words.folder, words.seeds, chosen, **overrides))
        figures |= time_the_demo(words.folder / "timed")
        write_result("demo" if words.encoder == "demo_convnext" else f"demo-{words.encoder}", figures)


if __name__ == "__main__":
    main()
