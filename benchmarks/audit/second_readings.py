"""A real study with two readers as ground: its disagreements, and copies with classes of Reader 1 changed at random.

Every visit teaches the folds, whatever its split, for nothing is evaluated. Patients on whom anything was tuned are learned
from and left out of the figures. In a copy nobody knows a second reading. A changed class with its score unchanged would
contradict itself: a copy has classes alone, or a score drawn evenly among those of the changed class.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.audit.cell import Bags, Cell
from grasp_psonet.chance import generator
from grasp_psonet.features.store import open_features
from grasp_psonet.settings import load
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

FLIPPED = 0.15
DRAWS = 5
Kind = Literal["classes", "scores"]
KINDS: tuple[Kind, ...] = ("classes", "scores")


@dataclass(frozen=True)
class RealGround:
    """A study whose features stand (`grasp features`); ``tuned_on``: patients that are left out of the figures."""

    study: Path
    tuned_on: frozenset[str] = frozenset()

    @property
    def job(self) -> Job:
        return Job(Study(self.study), load(self.study / "study.yaml"))

    def as_read(self) -> Cell:
        """The study with both readings; disagreements are to be found."""
        visits = self._visits()
        first, second = self.job.outcome.label_columns
        differs = (visits[first] != visits[second]).fillna(False).to_numpy(bool)
        known = visits[second].notna().to_numpy(bool)
        visits = visits.assign(differs=differs, is_wrong=False, is_reported=visits["is_reported"] & known)
        return Cell(visits, self._bags(), self.job.settings.seed, self.job.settings.severity)

    def flipped(self, draw: int, kind: Kind) -> Cell:
        """A copy in which the classes of ``FLIPPED`` of the visits are changed to another at random."""
        visits, outcome = self._visits(), self.job.outcome
        rng = generator("benchmark flips", draw)
        flipped = np.zeros(len(visits), dtype=bool)
        flipped[rng.permutation(len(visits))[: round(FLIPPED * len(visits))]] = True
        first, second = outcome.label_columns
        class_V = visits[first].to_numpy(np.int64)
        step_V = rng.integers(1, len(outcome.classes), len(visits))
        class_V = np.where(flipped, (class_V + step_V) % len(outcome.classes), class_V)
        visits = visits.assign(differs=flipped, is_wrong=flipped)
        visits[first], visits[second] = class_V, pd.NA
        scale = self.job.settings.severity
        if kind == "classes":
            return Cell(visits, self._bags(), draw, replace(scale, score_column=None))
        own, other = outcome.score_columns
        known = np.unique(visits[own].to_numpy(np.float64))
        of_class = [known[[outcome.class_of_score(s) == c for s in known]] for c in range(len(outcome.classes))]
        drawn_V = np.array([rng.choice(of_class[c]) for c in class_V])
        visits[own], visits[other] = np.where(flipped, drawn_V, visits[own]), np.nan
        return Cell(visits, self._bags(), draw, scale)

    def _visits(self) -> pd.DataFrame:
        """All visits, in the train split but for patients tuned on that validate and test a head, where there are any."""
        visits = self.job.cohort.visits.copy()
        is_tuned = visits["patient_id"].isin(self.tuned_on).to_numpy(bool)
        if is_tuned.any():
            visits["split"] = _splits(visits, is_tuned)
        reported = ~is_tuned & (visits["split"] == "train").to_numpy(bool)
        return visits.assign(is_gross=False, is_reported=reported)

    def _bags(self) -> Bags:
        store = open_features(self.job.study.features)
        return {str(visit_id): store.gather(rows) for visit_id, rows in _rows(store.index)}


def _rows(index: pd.DataFrame) -> Iterator[tuple[str, list[int]]]:
    for visit_id, rows in index.groupby("visit_id", sort=False)["row"]:
        yield str(visit_id), rows.tolist()


def _splits(visits: pd.DataFrame, is_tuned: "np.ndarray[tuple[int], np.dtype[np.bool]]") -> list[str]:
    """Of the patients tuned on a fifth validates and three are the test split (no study is without); all others train."""
    patients = sorted(set(visits.loc[is_tuned, "patient_id"]))
    shuffled = [patients[i] for i in generator("benchmark splits").permutation(len(patients))]
    val, test = set(shuffled[3 : 3 + len(patients) // 5]), set(shuffled[:3])
    return ["val" if p in val else "test" if p in test else "train" for p in visits["patient_id"]]


def read_patients(told: Collection[str]) -> frozenset[str]:
    """Patient ids, or the ids in a file that is named alone, one a line."""
    names = list(told)
    if len(names) == 1 and Path(names[0]).is_file():
        names = Path(names[0]).read_text(encoding="utf-8").split()
    return frozenset(names)
