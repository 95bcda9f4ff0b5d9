"""A job: one study folder under one settings tree, with what every stage asks of the two."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.tables import Cohort, read_cohort
from grasp_psonet.errors import StudyError
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.pruning.selection import has_one_ranking
from grasp_psonet.settings import StudySettings, as_tree, parse
from grasp_psonet.stage import NOTE, Task, digest, read_note
from grasp_psonet.study import Study

BASELINE = "baseline"


@dataclass(frozen=True)
class Job:
    """One study and its settings."""

    study: Study
    settings: StudySettings

    def as_trained(self, run: Path) -> "Job":
        """This job with the settings that a complete run was made with, in place of the study's present ones."""
        tree = as_tree(self.settings)
        for dotted, value in read_note(run)["settings"].items():
            *groups, last = dotted.split(".")
            place = tree
            for name in groups:
                place = place[name]
            place[last] = value
        return Job(self.study, parse(tree, str(run / NOTE)))

    @cached_property
    def outcome(self) -> Outcome:
        """What a visit's label is and what is learned from it."""
        return Outcome(self.settings.severity)

    @cached_property
    def cohort(self) -> Cohort:
        """The tables of the study, checked. Raises TableError with every fault, StudyError without tables."""
        if not self.study.visits_file.exists():
            raise StudyError(
                f"{self.study.folder} holds no visits.csv\n"
                "  next: bring visits.csv and photos.csv (docs/your-study.md), or draw a cohort with `grasp cohort`"
            )
        settings = self.settings
        views = self.study.views_file if self.study.views_file.exists() else None
        return read_cohort(
            self.study.visits_file, self.study.photos_file, views, self.outcome, settings.split, settings.seed
        )

    @property
    def photo_root(self) -> Path:
        """The folder that the paths of photos.csv start from."""
        root = self.settings.photos.root
        return self.study.folder if root is None else (self.study.folder / root)

    def task(
        self,
        title: str,
        folder: Path,
        parts: tuple[str, ...],
        inputs: Mapping[str, Path | str],
        make: Callable[[Path], None],
        resumable: bool = False,
    ) -> Task:
        """A task that depends on these parts of the settings tree, by name."""
        tree = as_tree(self.settings)
        return Task(title, folder, {part: _at(tree, part) for part in parts}, inputs, make, resumable)

    def visits_of(self, split: str) -> pd.DataFrame:
        """The visits of a split, in the order of the table."""
        visits = self.cohort.visits
        return visits[visits["split"] == split]

    @cached_property
    def tables_digest(self) -> str:
        """Names the contents of the tables, which are checked first."""
        study = self.study
        assert len(self.cohort.visits)
        files = [file for file in (study.visits_file, study.photos_file, study.views_file) if file.exists()]
        return hashlib.sha256("".join(digest(file) for file in files).encode()).hexdigest()[:32]

    def baseline_inputs(self) -> dict[str, Path | str]:
        """What every stage reads that looks at the baseline and its photos."""
        return {"run": self.study.run(BASELINE), "store": self.study.store, "tables": self.tables_digest}

    @property
    def has_one_ranking(self) -> bool:
        """Whether one ranking of the photos serves all errors; otherwise each error has its own."""
        return has_one_ranking(self.settings.prune, self.settings.trace.summed)

    def num_rankings(self, num_queries: int) -> int:
        """Rankings that this many traced errors give."""
        return min(1, num_queries) if self.has_one_ranking else num_queries

    def trace_name(self) -> str:
        """Names a trace: the formula, and whatever else of its settings is not the default, e.g. adam-edit-steps."""
        trace, usual = self.settings.trace, TraceSettings()
        parts: list[str] = [trace.formula]
        parts += [trace.unit] if trace.unit != usual.unit else []
        parts += [f"{trace.query}-query"] if trace.query != usual.query else []
        parts += [f"{trace.errors}-errors"] if trace.errors != usual.errors else []
        parts += [trace.counting] if trace.counting != usual.counting else []
        parts += ["summed"] if trace.summed else []
        parts += [trace.curvature] if trace.curvature != usual.curvature else []
        if trace.scope != usual.scope:
            patterns = trace.scope if isinstance(trace.scope, str) else "\n".join(trace.scope)
            parts.append("head" if patterns == "head" else f"scope{hashlib.sha256(patterns.encode()).hexdigest()[:6]}")
        return "-".join(parts)

    def pruned_names(self) -> dict[int, str]:
        """Name of the pruned run by k, e.g. cosine-k40; rule and end of the ranking are in it where they are not the usual."""
        rule, end = self.settings.prune.rule, self.settings.prune.end
        head = self.trace_name() + ("-each" if rule == "each" else "") + ("" if end == "harmful" else f"-{end}")
        return {k: f"{head}-k{k}" for k in sorted(self.settings.prune.k)}

    def control_names(self) -> dict[tuple[int, str], str]:
        """Name of each control run by (k, control)."""
        return {
            (k, control): f"{name}-{control}"
            for k, name in self.pruned_names().items()
            for control in self.settings.prune.controls
        }


def _at(tree: dict[str, Any], dotted: str) -> Any:
    for name in dotted.split("."):
        tree = tree[name]
    return tree
