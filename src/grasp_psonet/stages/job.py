"""A job: one study folder under one settings tree, with what every stage asks of the two."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.errors import StageError, StudyError, TableError
from grasp_psonet.proof import NOTE, digest, is_complete, read_note
from grasp_psonet.pruning.settings import Control, K, Rule, applied_rule, num_rankings
from grasp_psonet.setting import as_tree, recorded_tree
from grasp_psonet.settings import StudySettings, parse
from grasp_psonet.stages.checking.skipped import without_skipped
from grasp_psonet.stages.checking.table_files import draws_by_skin_type, table_file
from grasp_psonet.stages.declared.declaring import unrecorded
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.kind import Kind, kind_of, probe_reads_features, reads_features
from grasp_psonet.stages.names import BASELINE, KeepList, control_names, keep_lists, pruned_names, trace_name
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import SPLIT
from grasp_psonet.workers import Workers

if TYPE_CHECKING:
    import pandas as pd

    from grasp_psonet.cohort.outcome import Outcome
    from grasp_psonet.cohort.tables import Cohort, Examination, TableFiles
    from grasp_psonet.photos.files.place import PhotoRoot
    from grasp_psonet.stages.declared.needs import CohortNeeds


@dataclass(frozen=True)
class Job:
    """One study and its settings; ``asked``: names of the revisions that are to be trained on."""

    study: Study
    settings: StudySettings
    asked: tuple[str, ...] = ()

    @property
    def revisions(self) -> list[str]:
        """The revisions that are trained on: those asked for, and those that the study was trained on before.

        Raises StageError for one that is not made.
        """
        from grasp_psonet.stages.declared.revisions import trained_before

        lacking = [name for name in self.asked if not is_complete(self.study.revision(name))]
        if lacking:
            made = sorted(folder.parent.name for folder in self.study.folder.glob(f"revisions/*/{NOTE}"))
            there = f"; there are {', '.join(made)}" if made else ""
            raise StageError(
                f"there is no revision {lacking[0]!r}{there}\n  next: `grasp revise STUDY NAME` makes one from readings"
            )
        return sorted({*self.asked, *trained_before(self)})

    @property
    def workers(self) -> Workers:
        """Who does work that goes side by side and runs no network."""
        machine = self.settings.machine
        return Workers(machine.processes, machine.cluster, self.study.folder)

    @property
    def network_workers(self) -> Workers:
        """Who runs networks side by side."""
        return replace(self.workers, device=self.settings.machine.device)

    def as_trained(self, run: Path) -> "Job":
        """This job with the settings that a complete run was made with, in place of the study's present ones."""
        tree = as_tree(self.settings)
        for dotted, value in (unrecorded(TrainNeeds) | read_note(run)["settings"]).items():
            *groups, last = dotted.split(".")
            place = tree
            for name in groups:
                place = place[name]
            place[last] = value
        return replace(self, settings=parse(tree, str(run / NOTE)))

    @cached_property
    def outcome(self) -> "Outcome":
        """What a visit's label is and what is learned from it."""
        from grasp_psonet.cohort.outcomes import outcome_of  # loads pandas, which a look at a finished study spares

        return outcome_of(self.settings.severity)

    @cached_property
    def tables(self) -> "Cohort":
        """The tables of the study, checked. Raises TableError with every fault, StudyError without tables."""
        self.refuse_without_tables()
        return self._with_instances(self.examination.faultless())

    @cached_property
    def examination(self) -> "Examination":
        """What the tables hold under the study's settings: read once, whoever asks."""
        from grasp_psonet.cohort.tables import examine  # loads pandas, which a look at a finished study spares

        return examine(self.table_files, self.outcome, self.settings.split, self.settings.seed)

    @property
    def cohort(self) -> "Cohort":
        """The tables without the photos that could not be read and were left out (``photos.damaged``), once that is known.
        Raises as ``tables`` does."""
        return without_skipped(self.tables, self)

    def cohort_for(self, own: "CohortNeeds") -> "Cohort":
        """The tables under the labels and splits of a stage's own needs; those of the job where they are the same."""
        settings = self.settings
        is_same = (own.severity, own.split, own.seed) == (settings.severity, settings.split, settings.seed)
        return self.cohort if is_same else without_skipped(self._read_cohort(own.outcome, own.split, own.seed), self)

    def _read_cohort(self, outcome: "Outcome", split: SplitSettings, seed: int) -> "Cohort":
        self.refuse_without_tables()
        from grasp_psonet.cohort.tables import read_cohort  # loads pandas, which a look at a finished study spares

        return self._with_instances(read_cohort(self.table_files, outcome, split, seed))

    def _with_instances(self, cohort: "Cohort") -> "Cohort":
        if self.kind != "features":
            return cohort
        from grasp_psonet.features.instances import instance_table  # loads pyarrow

        return replace(cohort, photos=instance_table(cohort.photos, self.photo_root))

    @cached_property
    def table_files(self) -> "TableFiles":
        """Where the tables lie, and how they are written. Raises StudyError where that cannot be known."""
        from grasp_psonet.cohort.tables import TableFiles

        form, study = self.settings.tables, self.study
        readings = table_file(study, form, "readings")
        return TableFiles(
            table_file(study, form, "visits"),
            None if form.photo_columns else self.bags_file,
            table_file(study, form, "views"),
            self.kind == "features",
            readings if readings.exists() or "readings" in form.files else None,
            form,
        )

    @cached_property
    def kind(self) -> Kind:
        """What the bags hold. Raises StudyError where the study has tables for both."""
        return kind_of(self.study)

    @property
    def bags_file(self) -> Path:
        """The table that fills the bags: photos.csv or features.csv, or that of the visits whose columns name photos."""
        form, study = self.settings.tables, self.study
        if self.kind == "features":
            if form.photo_columns or "photos" in form.files:
                raise StudyError(
                    f"{study.folder} holds features.csv, and settings of tables name photos; a study has one of them\n"
                    "  next: keep features.csv for precomputed features, or take tables.files.photos and photo_columns out"
                )
            return study.features_file
        return table_file(study, form, "visits" if form.photo_columns else "photos")

    @cached_property
    def bags_digest(self) -> str:
        """Names the contents of the table that fills the bags, and how it is read."""
        return self._digest_of([self.bags_file])

    def refuse_without_tables(self) -> None:
        """Raises StudyError where the study has no visits.csv, or neither photos.csv nor features.csv."""
        study, form = self.study, self.settings.tables
        next_step = "bring visits.csv and photos.csv (docs/your-study.md), or draw a cohort with `grasp cohort`"
        visits = table_file(study, form, "visits")
        if not visits.exists():
            raise StudyError(f"{study.folder} holds no {form.files.get('visits', 'visits.csv')}\n  next: {next_step}")
        if not self.bags_file.exists():
            raise StudyError(f"{study.folder} holds no {form.files.get('photos', 'photos.csv')}\n  next: {next_step}")

    @property
    def photo_root(self) -> Path:
        """The folder that the paths of photos.csv or features.csv start from."""
        root = self.settings.photos.root
        return self.study.folder if root is None else (self.study.folder / root)

    @cached_property
    def photo_files(self) -> "PhotoRoot":
        """The same for photos, with what a path may not do."""
        from grasp_psonet.photos.files.place import PhotoRoot

        return PhotoRoot(self.photo_root, follows_links=self.settings.photos.links == "anywhere")

    def visits_of(self, split: str) -> "pd.DataFrame":
        """The visits of a split, in the order of the table."""
        visits = self.cohort.visits
        return visits[visits[SPLIT] == split]

    @cached_property
    def tables_digest(self) -> str:
        """Names the contents of the tables; they are checked where they are read (``cohort``)."""
        self.refuse_without_tables()
        study, form = self.study, self.settings.tables
        visits, views, readings = (table_file(study, form, table) for table in ("visits", "views", "readings"))
        held = self._digest_of([visits, self.bags_file, views, readings])
        if not draws_by_skin_type(visits):
            return held
        return hashlib.sha256(f"{held} drawn by class and skin type".encode()).hexdigest()[:32]

    def _digest_of(self, files: list[Path]) -> str:
        """One digest of what these files hold, as far as they are there, and of how they are read where that is told."""
        told = recorded_tree(self.settings.tables)
        form = "" if told == recorded_tree(TablesSettings()) else json.dumps(told, sort_keys=True)
        there = [file for file in files if file.exists()]
        if odd := [file for file in there if not file.is_file()]:
            from grasp_psonet.cohort.sources.raw import why_no_file  # loads pandas, which a finished study spares

            raise TableError(f"{odd[0].name} {why_no_file(odd[0])}\n  next: put the table in its place")
        held = "".join(digest(file) for file in there)
        if len(files) == 1 and not form:
            return held
        return hashlib.sha256((held + form).encode()).hexdigest()[:32]

    def baseline_inputs(self) -> dict[str, Path | str]:
        """What every stage reads that looks at the baseline and its photos."""
        return {"run": self.study.run(BASELINE), **self.bag_inputs(), "tables": self.tables_digest}

    def bag_inputs(self) -> dict[str, Path | str]:
        """What the bags of a training are filled from: the photos, or the features that a frozen encoder gave them; both where
        a probe comes first.
        """
        features: dict[str, Path | str] = {"features": self.study.features}
        if reads_features(self.study, self.settings.network):
            return features
        probes = probe_reads_features(self.study, self.settings.network, self.settings.train)
        return {"store": self.study.store} | (features if probes else {})

    @property
    def has_one_ranking(self) -> bool:
        """Whether one ranking of the photos serves all errors; otherwise each error has its own."""
        return self._applied_rule == "together"

    def num_rankings(self, num_queries: int) -> int:
        """Rankings that this many traced errors give."""
        return num_rankings(self._applied_rule, num_queries)

    @property
    def _applied_rule(self) -> Rule:
        return applied_rule(self.settings.prune.rule, self.settings.trace.sum_queries)

    def trace_name(self) -> str:
        """The name of the study's trace."""
        return trace_name(self.settings.trace)

    def pruned_names(self) -> dict[K, str]:
        """Name of the pruned run by k as set."""
        return pruned_names(self.settings.trace, self.settings.prune)

    def control_names(self) -> dict[tuple[K, Control], str]:
        """Name of each control run by (k as set, control)."""
        return control_names(self.settings.trace, self.settings.prune)

    def keep_lists(self) -> list[KeepList]:
        """Every keep list: per k the pruning, then the controls."""
        return keep_lists(self.settings.trace, self.settings.prune)
