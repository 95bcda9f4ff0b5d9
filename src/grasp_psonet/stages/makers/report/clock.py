"""When the report is made, on what the study was trained, and how long each step took."""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grasp_psonet.proof import CLOCK
from grasp_psonet.report.made import Clock, StageTime
from grasp_psonet.stages.declared.tasks import trainings
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.names import BASELINE, FIRST


def clock_of(job: Job, metrics: dict[str, Any]) -> Clock:
    """``metrics``: those of the baseline, which hold what it was trained on."""
    folders = _folders(job)
    return Clock(
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=tuple((name, str(told)) for name, told in metrics.get("machine", {}).items()),
        steps=tuple(StageTime(step, _seconds(places)) for step, places in folders.items()),
    )


def _folders(job: Job) -> dict[str, list[Path]]:
    """The finished folders of each step, in the order of the pipeline; steps that this study has not are left out."""
    study = job.study
    prunings = [one.name for one in made_keep_lists(job).lists]
    found = {
        "prepare": [study.store, study.quality],
        "features": [study.features],
        "folds": [study.out_of_fold],
        "train": [study.run(BASELINE)],
        "learning": [study.learning],
        "trace": [study.trace(job.trace_name())],
        "prune": [study.pruning(name) for name in prunings],
        "retrain": [study.run(one.name) for one in trainings(job) if one != FIRST],
        "evaluate": [study.evaluation, study.readers, *(study.revised(name) for name in job.revisions)],
        "explain": [study.explanations],
        "audit": [study.audit, study.paper_audit],
        "diagnose": [study.diagnosis],
    }
    made = {step: [place for place in places if place.exists()] for step, places in found.items()}
    return {step: places for step, places in made.items() if places}


def _seconds(places: Iterable[Path]) -> float | None:
    """The sum over these folders; None where none has a clock that can be read."""
    known = []
    for place in places:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            known.append(float(json.loads((place / CLOCK).read_text(encoding="utf-8"))["elapsed_s"]))
    return sum(known) if known else None
