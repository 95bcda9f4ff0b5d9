"""``grasp revise``: a revision from new readings; and what training on it changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.new_readings import read_new_readings
from grasp_psonet.cohort.revision import Revision, revise
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.tables import Cohort, message_of
from grasp_psonet.errors import TableError
from grasp_psonet.evidence.evaluate import evaluate_runs
from grasp_psonet.files import read_json
from grasp_psonet.proof import digest
from grasp_psonet.stages.declared.needs import LearningNeeds, ReviseNeeds
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import RUN
from grasp_psonet.tables.schemas.revisions import (
    REVISED_LABELS,
    REVISED_PHOTOS,
    REVISED_READINGS,
    REVISION_DIFFERENCES,
    REVISION_FIGURES,
)
from grasp_psonet.tables.schemas.runs import PREDICTIONS

CHARTER = "charter.json"


@dataclass(frozen=True)
class Source:
    """Files of new readings: the table of readings, that of flags (None: nobody flagged), whether a round of the reading app
    wrote them, so that they are in our own form whatever the study's tables are written in.
    """

    readings: Path
    flags: Path | None
    is_round: bool = False

    @cached_property
    def digests(self) -> dict[str, str]:
        """What names the contents of both."""
        return {"readings": digest(self.readings)} | ({"flags": digest(self.flags)} if self.flags else {})


def make_revision(folder: Path, own: ReviseNeeds, source: Source, cohort: Cohort, form: TablesSettings) -> None:
    """The tables of the revision. Raises TableError with every fault of the new readings."""
    form = TablesSettings() if source.is_round else form
    new = read_new_readings(source.readings, source.flags, cohort, own.outcome, form)
    if new.faults:
        raise TableError(_message(new.faults))
    revision, faults = revise(cohort, new, own.outcome, own.revise)
    if faults:
        raise TableError(_message(faults))
    REVISED_LABELS.write(revision.labels, folder / "labels.parquet")
    REVISED_PHOTOS.write(revision.photos, folder / "photos.parquet")
    REVISED_READINGS.write(revision.readings, folder / "readings.parquet")


def _message(faults: Sequence[Fault]) -> str:
    told = message_of(tuple(faults))
    return told.replace("correct the files and run `grasp check`", "correct them and run the same command again")


def read_revision(folder: Path) -> Revision:
    """The revision in this folder. Raises StageError where a table of it is missing or damaged."""
    return Revision(
        REVISED_LABELS.read(folder / "labels.parquet"),
        REVISED_PHOTOS.read(folder / "photos.parquet"),
        REVISED_READINGS.read(folder / "readings.parquet"),
    )


def make_comparison(
    folder: Path, own: LearningNeeds, runs: Mapping[str, Sequence[Path]], cohort: Cohort, evaluation: Path
) -> None:
    """Figures of the baseline, of the pruned run to compare with, and of the revised run (the last of ``runs``) on test, and
    the paired differences of the revised one to either. The labels of both readers are the study's own.

    The pruned run is the chosen one; where no pruning was chosen, that which took most.
    """
    *before, revised = runs
    chosen = str(read_json(evaluation / "choice.json")[RUN])
    pruned = chosen if chosen != BASELINE else next(iter(before[:0:-1]), BASELINE)
    compared = dict.fromkeys((BASELINE, pruned, revised))
    predictions = {run: [PREDICTIONS.read(one / "predictions.parquet") for one in runs[run]] for run in compared}
    figures = None
    differences: list[pd.DataFrame] = []
    for other in dict.fromkeys((BASELINE, pruned)):
        found = evaluate_runs(predictions, cohort.visits, cohort.outcome, own.evaluate, own.seed, other)
        figures = found.figures if figures is None else figures
        differences.append(found.differences[found.differences[RUN] == revised])
    assert figures is not None
    REVISION_FIGURES.write(figures, folder / "figures.parquet")
    REVISION_DIFFERENCES.write(pd.concat(differences, ignore_index=True), folder / "differences.parquet")
