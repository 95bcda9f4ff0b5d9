"""What is said before anything long begins: what will stop the study, and what it will not be able to tell.

Anchors are weights and two moments, float32, so 12 bytes a parameter (``trajectory/anchors.py``).
"""

import difflib
import math
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grasp_psonet.errors import GraspError
from grasp_psonet.evidence.intervals import MIN_PATIENTS, MIN_USABLE
from grasp_psonet.explain.settings import refuse_without_captum
from grasp_psonet.proof import is_complete
from grasp_psonet.pruning.settings import MOST_OF_TRAINING, count_of, out_of_proportion
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import PATIENT_ID, SPLIT

if TYPE_CHECKING:
    from grasp_psonet.cohort.tables import Cohort
    from grasp_psonet.stages.job import Job

_BYTES_A_PARAMETER = 12
_MOST_OF_DISK = 0.9
_FEW_VISITS = 5  # of a class in a split: an interval exists, and is wide


@dataclass(frozen=True)
class Preflight:
    """``faults`` will stop the study, sooner or later; ``notes`` will not."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]


def preflight(job: "Job", cohort: "Cohort") -> Preflight:
    """Looks at splits, k, encoder weights and disk before anything is made of them."""
    notes = [*split_notes(job, cohort), *k_notes(job, cohort)]
    faults = [
        *_faults_of_labels(job, cohort),
        *column_faults(job, [str(name) for name in cohort.visits.columns]),
        *_faults_of_k(job, cohort),
        *_faults_of_maps(job),
    ]
    if not is_complete(job.study.run(BASELINE)):
        unreachable = _faults_of_weights(job)
        faults += unreachable
        notes += [] if unreachable else disk_notes(job)
    return Preflight(tuple(faults), tuple(notes))


def _faults_of_labels(job: "Job", cohort: "Cohort") -> list[str]:
    """Training visits that all have one label: there is nothing to learn, and every figure that follows is empty."""
    visits, column = cohort.visits, job.outcome.label_column
    label = visits.loc[visits[SPLIT] == "train", column]
    if len(set(label)) > 1:
        return []
    only = job.outcome.strata[job.outcome.stratum_of(label.iloc[0])]
    everywhere = len(set(visits[column])) == 1
    remedy = (
        "add visits of other classes, or correct severity.cutoffs, severity.classes or tables.values"
        if everywhere
        else "put visits of other classes into train, or take the split column out and let splits be drawn"
    )
    return [
        f"all {len(label)} training visits are {only} by Reader 1; a network learns to tell at least two apart"
        f"\n  next: {remedy}"
    ]


def split_notes(job: "Job", cohort: "Cohort") -> list[str]:
    """Validation and test splits that are too small for an interval, or just large enough, with their visits per class."""
    notes = []
    what = {"val": "k is chosen there, and needs the spread of its gain", "test": "its figures will have no interval"}
    for split, consequence in what.items():
        visits = cohort.visits[cohort.visits[SPLIT] == split]
        strata = visits[job.outcome.label_column].map(job.outcome.stratum_of)
        counts = strata.value_counts()
        by_class = {name: int(counts.get(stratum, 0)) for stratum, name in enumerate(job.outcome.strata)}
        if not len(visits) or not all(by_class.values()):
            continue  # told of the tables themselves
        told = f"{len(visits)} visits of {visits[PATIENT_ID].nunique()} patients ({_listed(by_class)})"
        patients_of = visits.groupby(strata)[PATIENT_ID].nunique()
        num_patients = int(visits[PATIENT_ID].nunique())
        if num_patients < MIN_PATIENTS or share_with_every_class(list(patients_of), num_patients) < MIN_USABLE:
            notes.append(f"split {split} is too small for an interval: {told}; {consequence}")
        elif min(by_class.values()) < _FEW_VISITS:
            notes.append(f"split {split} is small: {told}; its intervals will be wide")
    return notes


def share_with_every_class(patients_by_class: list[int], num_patients: int) -> float:
    """About how many resamples of the patients hold every class, as if classes were drawn independently of each other."""
    return math.prod(1 - (1 - patients / num_patients) ** num_patients for patients in patients_by_class)


def k_notes(job: "Job", cohort: "Cohort") -> list[str]:
    """Values of k that take a large part of the training photos (visits, patients)."""
    from grasp_psonet.stages.makers.prune import num_units_of

    prune = job.settings.prune
    num_units = num_units_of(cohort, prune.remove)
    large = out_of_proportion(prune.k, num_units)
    beyond = [count for count in large if count > num_units]
    notes = []
    if beyond:
        counts = ", ".join(map(str, beyond))
        notes.append(f"prune.k {counts}: there are {num_units} training {prune.remove}s; all that may leave do")
    if large:
        notes.append(
            f"prune.k takes {', '.join(map(str, large))} of {num_units} training {prune.remove}s, more than "
            f"{MOST_OF_TRAINING:.0%}; smaller values suit this study, such as the fractions 0.01, 0.05, 0.2"
        )
    return notes


def disk_notes(job: "Job") -> list[str]:
    """The anchors of the whole sweep over k where they do not fit the free disk."""
    needed, free = anchor_bytes(job), shutil.disk_usage(job.study.folder).free
    if needed <= _MOST_OF_DISK * free:
        return []
    return [
        f"the anchors of all runs need about {needed / 2**30:.1f} GiB; {free / 2**30:.1f} GiB are free here; "
        "a larger train.anchor_every keeps fewer"
    ]


def anchor_bytes(job: "Job") -> int:
    """About the most that anchors take at one time: those of the baseline, one of each retrained run, and two more of
    each training under way."""
    train, num_retrained = job.settings.train, len(job.keep_lists())
    of_baseline = math.ceil(train.epochs / train.anchor_every) + 2
    of_retrained = of_baseline if job.settings.prune.retrained_anchors == "all" else 1
    under_way = 2 * min(job.settings.machine.processes, num_retrained)
    return _BYTES_A_PARAMETER * num_parameters(job) * (of_baseline + of_retrained * num_retrained + under_way)


def num_parameters(job: "Job") -> int:
    """Parameters that anchors of the study's network hold, built without their memory; 0 of precomputed features."""
    import torch

    from grasp_psonet.network.network import build_network
    from grasp_psonet.network.undrawn import Undrawn
    from grasp_psonet.trajectory.step import trained_parameters

    if job.kind == "features":
        return 0
    settings = replace(job.settings.network, weights="random")
    with torch.device("meta"), Undrawn():
        network = build_network(settings, job.settings.photos.edge_px, job.settings.seed, job.outcome)
    held = network.parameters() if not settings.is_frozen else trained_parameters(network).values()
    return sum(parameter.numel() for parameter in held)


def column_faults(job: "Job", columns: list[str]) -> list[str]:
    """Columns that settings name and the visits table does not have."""
    faults = []
    named = [("evaluate.subgroups names", column) for column in job.settings.evaluate.subgroups]
    if (cap_column := job.settings.prune.cap_column) is not None:
        named.append(("prune.cap_column is", cap_column))
    for told, column in named:
        if column not in columns:
            near = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            faults.append(
                f"{told} {column!r}, which the visits table does not have{hint}"
                f"\n  next: choose among {', '.join(sorted(columns))}"
            )
    return faults


def _faults_of_k(job: "Job", cohort: "Cohort") -> list[str]:
    from grasp_psonet.stages.makers.prune import most_that_leave, num_units_of, refuse_same_lists

    prune = job.settings.prune
    try:
        refuse_same_lists(prune, cohort)
    except GraspError as error:
        return [str(error)]
    if prune.cap_column is not None and prune.cap_column not in cohort.visits:
        return []  # told of the column
    most = most_that_leave(cohort, prune)
    counts = [count_of(k, num_units_of(cohort, prune.remove)) for k in prune.set_k]
    if len(counts) < 2 or min(counts) < most:
        return []
    return [
        f"prune.k {', '.join(map(str, prune.set_k))} all take the same: at most {most} training {prune.remove}s may leave "
        "(prune.cap_per_group, prune.keep_at_least)\n  next: smaller values, such as the fractions 0.01, 0.05, 0.2"
    ]


def _faults_of_maps(job: "Job") -> list[str]:
    """Maps that need a package which is not installed."""
    try:
        refuse_without_captum(job.settings.explain.methods)
    except GraspError as error:
        return [str(error)]
    return []


def _faults_of_weights(job: "Job") -> list[str]:
    """Weights out of reach, and a network that cannot be built."""
    from grasp_psonet.network.pretrained import refuse_unreachable

    if job.kind == "features":
        return []  # it has no encoder
    network = job.settings.network
    file = job.study.folder / network.weights
    if file.suffix and not file.is_file():
        return [f"network.weights is {network.weights!r}: {file} is no file\n  next: correct its path, or bring it"]
    try:
        refuse_unreachable(network.encoder, network.weights)
        num_parameters(job)
    except GraspError as error:
        return [str(error)]
    return []


def _listed(by_class: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in by_class.items())
