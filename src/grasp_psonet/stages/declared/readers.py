"""Agreement of all readers, as it is declared: what it depends on, and what makes it (see ``tasks``)."""

from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.proof import digest
from grasp_psonet.stage import Task
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.needs import LearningNeeds

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job


def readers_task(job: "Job") -> Task:
    """Agreement of any number of readers, how each differs from the others, and how far each agrees with itself."""
    rounds = _rounds(job)

    def make(folder: Path, own: LearningNeeds) -> None:
        from grasp_psonet.cohort.sources.settings import TablesSettings
        from grasp_psonet.stages.makers.readers import make_reader_agreement

        told = job.table_files.readings
        sources = [] if told is None else [(told, job.settings.tables)]
        sources += [(table, TablesSettings()) for table in rounds.values()]
        make_reader_agreement(folder, own, job.cohort_for(own), sources)

    inputs: dict[str, Path | str] = {"tables": job.tables_digest}
    inputs |= {f"round {name}": digest(table) for name, table in rounds.items()}
    return declared("readers", job.study.readers, needs_of(LearningNeeds, job.settings), inputs, make)


def _rounds(job: "Job") -> dict[str, Path]:
    """The tables of the locked rounds of the reading app that stand in the study, by the name of their folder."""
    found = sorted(job.study.folder.glob("readings/*/readings.csv"))
    return {table.parent.name: table for table in found if (table.parent / "charter.json").exists()}
