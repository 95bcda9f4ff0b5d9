"""Cohorts with a planted shortcut: the baseline, the oracle that never saw it, and what each way of pruning makes of it.

Everything is made by the product's own stages in one study folder per fault and seed, so that an interrupted benchmark goes
on where it stopped. The cohort of seed s and the training of seed s share the number.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.errors import StudyError
from grasp_psonet.evidence.choose import Candidate, choose, gain_standard_error
from grasp_psonet.evidence.evaluate import figure_of_split
from grasp_psonet.presets import preset
from grasp_psonet.settings import merged, parse
from grasp_psonet.stage import Task, judge, run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.declared.tasks import train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.retrain import train_together
from grasp_psonet.stages.names import BASELINE, KeepList, Training
from grasp_psonet.stages.pipeline import run_all
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study

ORACLE = "oracle"
_PER_ERROR = {"rule": "each", "within": "none", "k": [10, 20, 40, 80]}


@dataclass(frozen=True)
class Arm:
    """One way of pruning: its name, and how its settings differ from those of the demo preset."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)


def _each(formula: str, **trace: Any) -> dict[str, Any]:
    return {
        "trace": {"formula": formula, "errors": "kept", "counting": "checkpoints", "pairs": "all"} | trace,
        "prune": _PER_ERROR,
    }


ARMS = {
    arm.name: arm
    for arm in (
        Arm("default"),
        Arm("counts", {"prune": {"within": "none", "k": [20, 40, 80, 160]}}),
        Arm("errors of the kept epoch", {"trace": {"errors": "kept"}}),
        Arm("paper, harmful", _each("paper")),
        Arm("paper, helpful", merged(_each("paper"), {"prune": {"end": "helpful"}})),
        Arm("sgd, each", _each("sgd")),
        Arm("adam, each", _each("adam")),
        Arm("cosine, each", _each("cosine")),
        # one direction an anchor: each query's own would cost a pass of every photo
        Arm("edit, together", {"trace": {"formula": "adam", "unit": "edit", "query": "visit", "sum_queries": True}}),
        Arm("adam, together", {"trace": {"formula": "adam"}}),
        Arm("share cosine, each", _each("cosine", unit="share", query="visit")),
        Arm("share cosine, together", {"trace": {"unit": "share"}}),
    )
}


@dataclass(frozen=True)
class Cohorts:
    """Where the studies of one kind of fault lie, and settings that all of them share."""

    folder: Path
    fault: str = "colour_cast"
    overrides: dict[str, Any] = field(default_factory=dict)

    def job(self, seed: int, arm: Arm = ARMS["default"], *, has_control: bool = False) -> Job:
        """The demo preset at this seed, pruned this way, with or without the random control."""
        own: dict[str, Any] = {
            "seed": seed,
            "cohort_seed": seed,
            "cohort": {"shortcut": {"fault": self.fault}},
            "prune": {"controls": ["random"] if has_control else []},
        }
        tree = merged(merged(merged(preset("demo"), own), self.overrides), arm.settings)
        return Job(Study(self.folder / f"{self.fault}-{seed}"), parse(tree, "the benchmark"))

    @property
    def has_shortcut(self) -> bool:
        return self.fault != "none"


def make_baseline(cohorts: Cohorts, seed: int) -> None:
    """Cohort, photos, baseline and (where something is planted) the oracle of one seed, as far as they do not stand."""
    job = cohorts.job(seed)
    job.study.folder.mkdir(parents=True, exist_ok=True)
    make_cohort(job)
    run_all(job, until="train")
    if cohorts.has_shortcut:
        run_task(oracle_task(job))
        train_lists(job, [ORACLE])


def make_arm(job: Job) -> None:
    """Trace, keep lists and retrainings of one way of pruning, as far as they do not stand."""
    run_all(job, until="retrain")


def train_lists(job: Job, names: Iterable[str]) -> None:
    """Trains those of these keep lists whose run does not stand."""
    tasks = {name: train_task(job, Training(name)) for name in names}
    train_together(job, [name for name, task in tasks.items() if judge(task).state != "valid"])


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
    """Micro AUC against Reader 1. Raises StudyError where the split lacks a class."""
    value = figure_of_split(_predictions(job, run), job.outcome, split)
    if value is None:
        raise StudyError(
            f"a class has no visit in {split} of {job.study.folder}\n  next: take another seed or a larger study"
        )
    return value


def _predictions(job: Job, run: str) -> pd.DataFrame:
    return TrainedRun(job, run).predictions


def rows_of_baseline(cohorts: Cohorts, seed: int) -> Iterator[dict[str, Any]]:
    """Validation and test AUC of baseline and oracle."""
    job = cohorts.job(seed)
    for run in (BASELINE, ORACLE) if cohorts.has_shortcut else (BASELINE,):
        yield {"arm": run, "k": 0, "control": "", "val": auc(job, run, "val"), "test": auc(job, run, "test")}


def rows_of_arm(job: Job, name: str) -> Iterator[dict[str, Any]]:
    """The same for every k of one way of pruning and its control ("" for the pruning itself), with what was removed."""
    return rows_of_lists(job, name, made_keep_lists(job).lists)


def rows_of_lists(job: Job, arm: str, lists: Iterable[KeepList]) -> Iterator[dict[str, Any]]:
    """The same for these keep lists; the run of a list bears its name, that of a list that keeps everything is the baseline."""
    truth = pd.read_parquet(job.study.truth_file).set_index("photo_id")["is_shortcut"]
    baseline, evaluate = _predictions(job, BASELINE), job.settings.evaluate
    for one in lists:
        keep = pd.read_parquet(job.study.pruning(one.name) / "keep.parquet")
        planted, is_removed = truth[keep["photo_id"]].to_numpy(), ~keep["kept"].to_numpy()
        run = one.name if is_removed.any() else BASELINE
        yield {
            "arm": arm,
            "list": one.pruning,
            "k": one.k,
            "control": one.control,
            "removed": int(is_removed.sum()),
            "shortcut_precision": float(planted[is_removed].mean()) if is_removed.any() else None,
            "shortcut_recall": float(is_removed[planted].mean()) if planted.any() else None,
            "val": auc(job, run, "val"),
            "test": auc(job, run, "test"),
            "val_gain_se": gain_standard_error(
                _predictions(job, run),
                baseline,
                job.cohort.visits,
                job.outcome,
                evaluate.replicates,
                job.settings.seed,
            ),
        }


def chosen_rows(table: pd.DataFrame, arm: str, control: str = "", min_gain_se: float = 1.0) -> pd.DataFrame:
    """By seed the row that validation chooses among the lists of an arm, the baseline (k = 0) included, as the product does."""
    rows = {}
    for seed, of_seed in table.groupby("seed"):
        of_arm = of_seed[(of_seed["arm"] == arm) & (of_seed["control"] == control)].sort_values("k", kind="stable")
        own = pd.concat(
            [of_seed[of_seed["arm"] == BASELINE], of_arm], ignore_index=True
        )  # two lists may be equally long
        told = zip(own["k"], own["val"], own["val_gain_se"], strict=True)
        candidates = {str(row): Candidate(int(k), val, error) for row, (k, val, error) in enumerate(told)}
        rows[seed] = own.loc[int(choose(candidates, min_gain_se))]
    return pd.DataFrame(rows).T.infer_objects()


def by_seed(table: pd.DataFrame, run: str) -> "pd.Series[float]":
    """Test AUC of the baseline or the oracle by seed."""
    return table[table["arm"] == run].set_index("seed")["test"].astype(float)
