"""Drawn cohorts in which it is known what is wrong: a shortcut, wrong labels, both, too few visits, a network that did not
learn, or nothing. Each is taken by the product's own stages from its photos to the diagnosis, with one removal retrained.

Thresholds of the diagnosis (``diagnosis/findings.py``, ``diagnosis/diagnosis.py``) were chosen on ``TUNED_ON``; figures come
from ``HELD_OUT``, which chose nothing. A study folder stands as long as the code that made it writes the same bytes.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from grasp_psonet.diagnosis.diagnosis import Diagnosis
from grasp_psonet.presets import preset
from grasp_psonet.settings import merged, parse
from grasp_psonet.stage import run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.steps import STEPS
from grasp_psonet.study import Study

# about as many training visits as the demo cohort, of 8 views; a test split as small as can be, for nothing here looks at it
_SIZE = {"num_patients": 62, "num_visits": 146, "num_views": 8, "val_visits": 40, "test_visits": 6}
FEATURES = ("prepare", "features")
DIAGNOSIS = (*FEATURES, "folds", "train", "learning", "trace", "prune", "retrain", "evaluate", "audit", "diagnose")
_OWN_SETTINGS: Mapping[Diagnosis, dict[str, Any]] = {
    "shortcut": {},
    "none": {},
    "label noise": {"cohort": {"gross_errors": 0.25}},
    "both": {"cohort": {"gross_errors": 0.25}},
    "too few data": {"cohort": {"num_patients": 16, "num_visits": 40, "val_visits": 12}},
    "not learned": {"train": {"epochs": 3, "optimizer": {"lr": 1e-6}}},
}


@dataclass(frozen=True)
class PlantedCohort:
    """A cohort by what is wrong with it; ``fault``: what is planted as a shortcut, none where there is none."""

    kind: Diagnosis
    seed: int
    fault: str = "none"

    @property
    def name(self) -> str:
        return f"{self.kind.replace(' ', '-')}-{self.fault}-{self.seed}"


TUNED_ON = (
    PlantedCohort("shortcut", 300, "colour_cast"),
    PlantedCohort("none", 301),
    PlantedCohort("label noise", 302),
    PlantedCohort("both", 303, "colour_cast"),
    PlantedCohort("too few data", 304),
    PlantedCohort("not learned", 305),
    PlantedCohort("none", 306),
    PlantedCohort("shortcut", 307, "under_exposure"),
    PlantedCohort("too few data", 308),
)
HELD_OUT = (
    PlantedCohort("shortcut", 310, "colour_cast"),
    PlantedCohort("too few data", 313),
    PlantedCohort("none", 311),
    PlantedCohort("not learned", 314),
    PlantedCohort("label noise", 312),
    PlantedCohort("both", 315, "colour_cast"),
    PlantedCohort("shortcut", 316, "under_exposure"),
    PlantedCohort("none", 317),
    PlantedCohort("shortcut", 318, "colour_cast"),
    PlantedCohort("none", 319),
    PlantedCohort("too few data", 320),
    PlantedCohort("not learned", 321),
    PlantedCohort("label noise", 322),
    PlantedCohort("both", 323, "under_exposure"),
    PlantedCohort("shortcut", 324, "background"),
    PlantedCohort("none", 325),
)
SIMULATED_ON = tuple(
    PlantedCohort("shortcut", 330 + number, fault)
    for number, fault in enumerate(("colour_cast", "under_exposure", "blur", "background", "marker"))
)
"""Cohorts in which flags are simulated: photos and features alone are made."""


def made(folder: Path, cohort: PlantedCohort, steps: tuple[str, ...] = DIAGNOSIS) -> Job:
    """The study of this cohort with these stages, made as far as they do not stand."""
    job = job_of(folder, cohort)
    job.study.folder.mkdir(parents=True, exist_ok=True)
    make_cohort(job)
    for step in STEPS:
        for task in step.tasks(job) if step.name in steps else ():
            run_task(task)
    return job


def make_together(
    folder: Path, cohorts: Sequence[PlantedCohort], processes: int, steps: tuple[str, ...] = DIAGNOSIS
) -> None:
    """Makes the studies of these cohorts, some at a time; with one process they are made where they are read."""
    if processes == 1:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for waiting in [pool.submit(_make_one, folder, cohort, steps) for cohort in cohorts]:
            waiting.result()


def _make_one(folder: Path, cohort: PlantedCohort, steps: tuple[str, ...]) -> None:
    made(folder, cohort, steps)


def job_of(folder: Path, cohort: PlantedCohort) -> Job:
    """The demo preset at the cohort's seed, with what is wrong with it."""
    own = {
        "seed": cohort.seed,
        "cohort_seed": cohort.seed,
        "cohort": _SIZE | {"shortcut": {"fault": cohort.fault}},
        "prune": {"k": [20], "controls": []},
        "out_of_fold": {"repeats": 1},
        "machine": {"processes": 1},
    }
    tree = merged(merged(preset("demo"), own), _OWN_SETTINGS[cohort.kind])
    return Job(Study(folder / cohort.name), parse(tree, "the benchmark"))
