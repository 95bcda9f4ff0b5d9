"""``grasp revise STUDY NAME``: readers' decisions become a revision, beside the study's own labels and never over them."""

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.errors import StageError, StudyError, TableError
from grasp_psonet.stage import judge, refuse_damaged, run_task
from grasp_psonet.stages.declared.revisions import revise_task
from grasp_psonet.stages.makers.revise import CHARTER, Source, read_revision
from grasp_psonet.tables.columns import IS_CHANGED, IS_EXCLUDED, IS_USED, NEW_LABEL, SPLIT, WHY_NOT

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def make_named_revision(job: "Job", name: str, told: Path | None) -> bool:
    """Makes the revision of this name; True if it was made, False where it stands, made from the same.

    ``told``: a folder with readings.csv (and flags.csv), or a table of readings, from the study folder or from here; without it
    the only folder in ``readings/``. Raises StudyError for a name that cannot be one and for readings that are not there,
    StageError where the name stands for another revision, TableError with every fault of the tables.
    """
    if not _NAME.fullmatch(name) or "-seed" in name:
        raise StudyError(
            f"{name!r} cannot name a revision\n  next: take letters, digits, '_', '-' and '.', without '-seed'"
        )
    if job.outcome.takes_classes:
        raise StudyError(
            "severity.only_class is interval: no rule makes one label of scores and of classes alone\n"
            "  next: write the new readings into the tables, or learn classes (severity.outcome: classes)"
        )
    task = revise_task(job, name, source_of(job, told))
    verdict = judge(task)
    refuse_damaged(task, verdict)
    if verdict.state == "stale":
        raise StageError(
            f"revision {name} stands already and was made from something else ({verdict.why})\n"
            "  next: give this one another name; nothing is written over a revision"
        )
    try:
        return run_task(task)
    except TableError:
        shutil.rmtree(task.folder.with_name(f"{name}.partial"), ignore_errors=True)  # it will not be gone on with
        raise


def source_of(job: "Job", told: Path | None) -> Source:
    """The files that new readings lie in. Raises StudyError where that cannot be known."""
    place = _only_round(job) if told is None else _found(job, told)
    if place.is_file():
        return Source(place, None)
    tables = [file for file in (place / "readings.csv", *sorted(place.glob("readings.*"))) if file.is_file()]
    if not tables:
        raise StudyError(f"{place} holds no readings.csv\n  next: name the folder of a locked round, or a table")
    flags = place / "flags.csv"
    return Source(tables[0], flags if flags.exists() else None, (place / CHARTER).exists())


def _found(job: "Job", told: Path) -> Path:
    for place in (job.study.folder / told, told):
        if place.exists():
            return place
    raise StudyError(
        f"--from {told}: there is no such file or folder, neither in {job.study.folder} nor from here\n"
        "  next: name a table of readings, or the folder of a locked round (readings/ROUND)"
    )


def _only_round(job: "Job") -> Path:
    rounds = sorted(folder for folder in job.study.folder.glob("readings/*/") if (folder / "readings.csv").exists())
    if len(rounds) == 1:
        return rounds[0]
    seen = f"{len(rounds)} rounds: {', '.join(folder.name for folder in rounds[:20])}" if rounds else "no locked round"
    raise StudyError(f"readings/ holds {seen}\n  next: say which with --from readings/ROUND, or --from TABLE")


def say_revision(job: "Job", name: str, is_made: bool) -> None:
    """One line for what the revision changes, and one for each reason why a reading changes nothing."""
    found = read_revision(job.study.revision(name))
    labels, photos, readings = found.labels, found.photos, found.readings
    changed = labels[labels[IS_CHANGED]]
    of_split = ", ".join(f"{count} in {split}" for split, count in changed[SPLIT].value_counts().items())
    lines = [
        f"revision {name} {'is made' if is_made else 'stands'}: {len(labels)} visits read anew, {len(changed)} labels changed"
        + f" ({of_split})" * bool(of_split)
        + f", {int(photos[IS_EXCLUDED].astype(bool).sum())} of {len(photos)} flagged photos left out of training"
    ]
    if undecided := int(labels[NEW_LABEL].isna().sum()):
        lines.append(f"{undecided} visits are not decided by revise.rule and keep their label")
    unused = readings.loc[~readings[IS_USED], WHY_NOT].value_counts()
    lines += [f"{count} readings do not count: {why}" for why, count in unused.items()]
    sys.stderr.write("\n".join([*lines, f"next: grasp run STUDY --revision {name}"]) + "\n")
