"""The diagnosis as it is declared: what it depends on, and what makes it (see ``tasks``)."""

from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.stage import Task
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.needs import DiagnoseNeeds
from grasp_psonet.stages.declared.tasks import store_of
from grasp_psonet.stages.keep_lists import made_keep_lists

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job


def diagnose_task(job: "Job") -> Task:
    """What the flagged photos share, and what is wrong with the study; known once all keep lists are made."""
    study, made = job.study, made_keep_lists(job)
    trace, flagged = study.trace(job.trace_name()), made.flagged

    def make(folder: Path, own: DiagnoseNeeds) -> None:
        from grasp_psonet.stages.makers.diagnose import DiagnosisInputs, make_diagnosis

        pruning = None if flagged is None else study.pruning(flagged.name)
        make_diagnosis(folder, own, DiagnosisInputs(study, trace, pruning, job.kind == "photos"), job.cohort_for(own))

    inputs: dict[str, Path | str] = {
        **store_of(job),
        "features": study.features,
        "learning": study.learning,
        "trace": trace,
        "audit": study.audit,
        "evaluation": study.evaluation,
        "tables": job.tables_digest,
    }
    inputs |= {"flagged": "none"} if flagged is None else {"pruning": study.pruning(flagged.name)}
    return declared("diagnose", study.diagnosis, needs_of(DiagnoseNeeds, job.settings), inputs, make)
