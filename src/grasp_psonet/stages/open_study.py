"""A study from Python: its tables as data frames, its photos as arrays, and its stages to run."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.cohort.faults import as_table
from grasp_psonet.errors import GraspError, StageError, StudyError
from grasp_psonet.files import read_json
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.progress import OnProgress
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.settings import StudySettings
from grasp_psonet.stage import Task, judge
from grasp_psonet.stages.checking.check import examined
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.opening import open_job
from grasp_psonet.stages.pipeline import run_all
from grasp_psonet.stages.steps import NAMES, STEPS
from grasp_psonet.tables.catalogue import TABLES
from grasp_psonet.tables.columns import PHOTO_ID, ROW, RUN, VISIT_ID
from grasp_psonet.tables.schemas.runs import PHOTO_ATTENTION, PREDICTIONS
from grasp_psonet.tables.schemas.traces import KEEP_LIST, SCORES
from grasp_psonet.tables.table import Table

log = logging.getLogger("grasp_psonet")

# which step makes the folders that begin so; runs other than the baseline are made by retrain
STEP_OF = {
    "store": "prepare",
    "quality": "prepare",
    "features": "features",
    "out_of_fold": "folds",
    "runs": "train",
    "learning": "learning",
    "traces": "trace",
    "prunings": "prune",
    "evaluation": "evaluate",
    "readers": "evaluate",
    "revised": "evaluate",
    "explain": "explain",
    "audit": "audit",
    "paper_audit": "audit",
    "diagnosis": "diagnose",
    "report": "report",
}
Photo = NDArray[np.uint8]


def open_study(
    path: str | Path, settings: Mapping[str, Any] | None = None, revisions: Sequence[str] = ()
) -> "OpenStudy":
    """The study in the folder ``path``, under its study.yaml.

    ``settings``: values that stand in place of those of study.yaml, by their path, e.g. ``{"train.epochs": 20}``; the file is
    left as it is. ``revisions``: those that ``run`` trains on as well.

    Raises StudyError where the folder is no study, SettingsError for settings that cannot be used.
    """
    return OpenStudy(
        open_job(Path(path), {name: json.dumps(_plain(value)) for name, value in (settings or {}).items()}, revisions)
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, eq=False)
class OpenStudy:
    """One study folder. What is read is proven by its bytes first; a stage that settings or inputs of now would make anew is
    read all the same, with a warning in the log. Tables that you bring are read once: open the study again after changing them.

    Errors are GraspErrors: they say what is missing and what makes it.
    """

    job: Job

    @property
    def folder(self) -> Path:
        """The folder of the study."""
        return self.job.study.folder

    @property
    def settings(self) -> StudySettings:
        """Every setting, e.g. ``study.settings.train.epochs``."""
        return self.job.settings

    @property
    def visits(self) -> pd.DataFrame:
        """visits.csv as it was understood: labels as classes from 0, and the split of every visit.

        Raises TableError with every fault of the tables, as do ``photos`` and ``views``.
        """
        return self.job.cohort.visits.copy()

    @property
    def photos(self) -> pd.DataFrame:
        """photos.csv, one row per photo; in a study of precomputed features one row per vector."""
        return self.job.cohort.photos.copy()

    @property
    def views(self) -> pd.DataFrame | None:
        """views.csv, the protocol of views; None where there is none."""
        views = self.job.cohort.views
        return None if views is None else views.copy()

    def check(self) -> pd.DataFrame:
        """Every fault and note of tables and photos, one row per cell: kind (fault, note), file, row, column, value, problem,
        remedy; as ``grasp check`` writes them to check.csv. Photos are read by their headers.
        """
        result = examined(self.job)
        return as_table(result.faults, result.notes)

    @property
    def runs(self) -> list[str]:
        """Names of the finished runs, the baseline first."""
        return sorted(self._finished("runs"), key=lambda name: (name != BASELINE, name))

    @property
    def traces(self) -> list[str]:
        """Names of the finished traces."""
        return self._finished("traces")

    @property
    def chosen_run(self) -> str:
        """The run that validation chose. Raises StageError before the evaluation."""
        choice: dict[str, Any] = read_json(self._made("evaluation") / "choice.json")
        return str(choice[RUN])

    @property
    def results(self) -> dict[str, Any]:
        """Every number of the report. Raises StageError before there is one."""
        results: dict[str, Any] = read_json(self._made("report") / "results.json")
        return results

    def predictions(self, run: str = BASELINE) -> pd.DataFrame:
        """What the kept network of a run says of every visit: label, predicted, loss, ``p_*``, ``logit_*``, split."""
        return self._read(PREDICTIONS, f"runs/{run}")

    def attention(self, run: str = BASELINE) -> pd.DataFrame:
        """How much the kept network of a run attends to every photo; adds up to 1 over a visit."""
        return self._read(PHOTO_ATTENTION, f"runs/{run}")

    def scores(self, trace: str | None = None) -> pd.DataFrame:
        """Influence scores: query_id, photo_id, visit_id of the training photo, score (negative: harmful; see docs/numbers.md).

        ``trace``: its name; by default that of the settings.
        """
        return self._read(SCORES, f"traces/{trace or self.job.trace_name()}")

    def keep_lists(self) -> pd.DataFrame:
        """One row per keep list of the settings: run (its name), k, control (empty: the pruning itself), has_run (false
        where it removes nothing: its run would be the baseline).
        """
        made = made_keep_lists(self.job)
        rows = [(one.name, one.k, one.control, one.name in made.removing) for one in made.lists]
        return pd.DataFrame(rows, columns=[RUN, "k", "control", "has_run"])

    def keep_list(self, name: str) -> pd.DataFrame:
        """A keep list: photo_id, visit_id, kept, reason, score and so on, one row per training photo."""
        return self._read(KEEP_LIST, f"prunings/{name}")

    def table(self, place: str) -> pd.DataFrame:
        """Any table that the study made, by its path from the study folder, e.g. ``audit/review.parquet``.

        Raises StudyError for a path that is no table of a study (``tables`` lists those that are there).
        """
        known = [table for table in TABLES if table.pattern and PurePosixPath(place).match(table.pattern)]
        if not known or not place.endswith(".parquet"):
            raise StudyError(
                f"{place} is no table that a study makes\n  next: study.tables() lists those that are there; visits.csv and "
                "photos.csv are study.visits and study.photos"
            )
        folder = str(PurePosixPath(place).parent)
        return known[0].read(self.folder / place) if folder == "." else self._read(known[0], folder, place)

    def tables(self) -> pd.DataFrame:
        """The tables that the study has made so far: place, title, row (what one row is)."""
        rows = [
            (found.relative_to(self.folder).as_posix(), table.title, table.row)
            for table in TABLES
            if table.pattern.endswith(".parquet")
            for found in sorted(self.folder.glob(table.pattern))
            if not any(part.endswith((".partial", ".old")) for part in found.relative_to(self.folder).parts)
        ]
        return pd.DataFrame(rows, columns=["place", "title", "row"])

    def photo(self, photo_id: str) -> Photo:
        """The stored pixels [edge, edge, RGB] uint8 of a photo. Raises StudyError for an id that is none of the study's."""
        rows = self._photo_store.index.set_index(PHOTO_ID)[ROW]
        if photo_id not in rows.index:
            raise StudyError(
                f"no photo of the study is called {photo_id!r}\n  next: ids stand in study.photos, column photo_id"
            )
        return np.array(self._photo_store.pixels[int(rows[photo_id])])

    def photos_of(self, visit_id: str) -> dict[str, Photo]:
        """The stored pixels of a visit's photos, by photo id, in the order of photos.csv."""
        index = self._photo_store.index
        of_visit = index[index[VISIT_ID] == visit_id]
        if of_visit.empty:
            raise StudyError(
                f"no visit of the study is called {visit_id!r}\n  next: ids stand in study.visits, column visit_id"
            )
        pairs = zip(of_visit[PHOTO_ID], of_visit[ROW], strict=True)
        return {str(photo_id): np.array(self._photo_store.pixels[int(row)]) for photo_id, row in pairs}

    def status(self) -> pd.DataFrame:
        """One row per stage: step, stage, state (valid, missing, partial, stale, waiting, damaged) and why."""
        rows = []
        for step in STEPS:
            try:
                tasks = step.tasks(self.job)
            except StageError as error:
                rows.append((step.name, step.name, "waiting", str(error).partition("\n")[0]))
                continue
            for task in tasks:
                verdict = judge(task)
                rows.append((step.name, task.title, verdict.state, verdict.why))
        return pd.DataFrame(rows, columns=["step", "stage", "state", "why"])

    def run(
        self, until: str | None = None, *, remake: str | None = None, on_progress: OnProgress | None = None
    ) -> list[str]:
        """Makes every stage that does not stand, up to the step ``until`` (default: the report); the titles of what was made.

        ``remake``: a step that is made anew although it stands, or ``damaged``. ``on_progress(title, done, total)`` hears of
        long work. Retrainings start ``machine.processes`` processes: a script needs its ``if __name__ == "__main__"`` then.
        """
        for word, named in (("until", until), ("remake", remake)):
            if named is not None and named not in (*NAMES, *(["damaged"] if word == "remake" else [])):
                raise StudyError(f"{word} is {named!r}, which is no step\n  next: one of {', '.join(NAMES)}")
        self.__dict__.pop("_photo_store", None)
        return run_all(self.job, until=until, remake=remake, on_progress=on_progress)

    @cached_property
    def _photo_store(self) -> PhotoStore:
        if self.job.kind == "features":
            raise StudyError(f"{self.folder} is a study of precomputed features\n  next: it has no photos to look at")
        return open_store(self._made("store"))

    def _read(self, table: Table, folder: str, place: str | None = None) -> pd.DataFrame:
        return table.read(self._made(folder) / PurePosixPath(place or table.pattern).name)

    def _made(self, place: str) -> Path:
        """A stage folder, its bytes proven. Raises StageError saying what makes it where it is not made."""
        folder = self.folder / place
        kind, _, name = place.partition("/")
        if not is_complete(folder):
            if kind == "revisions":
                raise StageError(f"{place} is not made yet\n  next: `grasp revise STUDY {name}` makes it from readings")
            step = "retrain" if kind == "runs" and name != BASELINE else STEP_OF[kind]
            there = self._finished(kind) if name else []
            others = f"; there are {', '.join(there[:8])}" if there else ""
            raise StageError(
                f"{place} is not made yet{others}\n  next: study.run(until={step!r}), or `grasp run STUDY`"
            )
        task = self._task_of(folder)
        if task is None:
            log.warning("%s: no stage of the settings of now; it was made under others", place)
        elif (verdict := judge(task)).state != "valid":
            log.warning("%s: %s; what is read was made before", place, verdict.why)
        return proven(folder)

    def _task_of(self, folder: Path) -> Task | None:
        for step in STEPS:
            try:
                tasks = step.tasks(self.job)
            except GraspError:  # its tasks are known once the keep lists are made
                continue
            for task in tasks:
                if task.folder == folder:
                    return task
        return None

    def _finished(self, kind: str) -> list[str]:
        parts = (".partial", ".old")
        found = sorted(self.folder.glob(f"{kind}/*/"))
        return [one.name for one in found if is_complete(one) and not one.name.endswith(parts)]
