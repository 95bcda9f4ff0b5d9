"""The stages in order: the one list that the command line offers, ``grasp run`` makes, benchmarks and tests go through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grasp_psonet.stage import Task
from grasp_psonet.stages.declared import diagnosis, quality, readers, revisions, tasks

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job


@dataclass(frozen=True)
class Step:
    """One command of the pipeline: its name, a line of help, the settings that its help shows, and its tasks.

    ``reads_keep_lists``: what its tasks are is known once all keep lists are made. ``goes_side_by_side``: its tasks are
    trainings of keep lists, which are made in several processes at once.
    """

    name: str
    text: str
    shown: tuple[str, ...]
    tasks: "Callable[[Job], list[Task]]"
    reads_keep_lists: bool = False
    goes_side_by_side: bool = False


def _one(task_of: "Callable[[Job], Task]") -> "Callable[[Job], list[Task]]":
    return lambda job: [task_of(job)]


STEPS = (
    Step(
        "prepare",
        "photos -> store: upright, without metadata, one size; their quality, and copies among them",
        ("photos", "machine.processes"),
        lambda job: [*tasks.prepare_tasks(job), *quality.quality_tasks(job)],
    ),
    Step(
        "features",
        "the encoder's feature of every photo, computed once",
        ("network", "train.augmentation", "machine"),
        _one(tasks.features_task),
    ),
    Step(
        "folds",
        "every visit predicted by models that saw none of its patient's visits",
        ("out_of_fold", "seed"),
        _one(tasks.out_of_fold_task),
    ),
    Step(
        "train",
        "the baseline run, with its whole trajectory on record",
        ("seed", "network", "train", "machine"),
        _one(tasks.train_task),
    ),
    Step(
        "learning",
        "whether the baseline learned what is worth tracing: against class frequencies and a linear probe",
        ("evaluate",),
        _one(tasks.learning_task),
    ),
    Step(
        "trace",
        "influence of every training photo on the validation visits that the network got wrong, epoch by epoch",
        ("trace", "machine"),
        _one(tasks.trace_task),
    ),
    Step("prune", "keep lists for each k, and the controls", ("prune", "seed"), tasks.prune_tasks),
    Step(
        "retrain",
        "one run per keep list and training seed",
        ("machine", "prune.controls", "evaluate.training_seeds"),
        tasks.retrain_tasks,
        reads_keep_lists=True,
        goes_side_by_side=True,
    ),
    Step(
        "evaluate",
        "the choice of k on validation; both readers, subgroups, intervals, paired comparisons",
        ("evaluate", "severity"),
        lambda job: [tasks.evaluate_task(job), readers.readers_task(job), *revisions.compare_tasks(job)],
        reads_keep_lists=True,
    ),
    Step(
        "explain",
        "maps inside the bag (Grad-CAM) of flagged photos and of errors, before and after pruning",
        ("explain",),
        _one(tasks.explain_task),
        reads_keep_lists=True,
    ),
    Step(
        "audit",
        "training visits ranked for re-reading, beside simpler rankings",
        ("audit",),
        tasks.audit_tasks,
    ),
    Step(
        "diagnose",
        "what the flagged photos share, and what is wrong with the study: a shortcut, wrong labels, too few data",
        ("diagnose",),
        _one(diagnosis.diagnose_task),
        reads_keep_lists=True,
    ),
    Step("report", "report.html and results.json", ("report",), _one(tasks.report_task), reads_keep_lists=True),
)
NAMES = tuple(step.name for step in STEPS)
