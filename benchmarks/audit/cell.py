"""One cohort of visits and features: its rankings out of fold, and the whole audit of a head trained on those features.

Tables are made once in a folder of the benchmark; an interrupted benchmark goes on where it stopped.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save_file

from benchmarks.audit.influence import influence_out_of_fold
from grasp_psonet.audit.out_of_fold_rankings import out_of_fold_rankings
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.features.store import unit_length
from grasp_psonet.out_of_fold.predict import ProbeInputs, averaged, out_of_fold_predictions
from grasp_psonet.out_of_fold.settings import OutOfFoldSettings
from grasp_psonet.presets import preset
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import parse
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import audit_task, features_task, out_of_fold_task, train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study
from grasp_psonet.tables.schemas.out_of_fold import OUT_OF_FOLD

Bags = Mapping[str, NDArray[np.float32]]  # features [N, F] of the photos of each visit
_OF_PHOTOS = ("encoder", "weights", "train")  # settings of the preset small that a study of features has no use for
# what is known beside the study: a gross error of any size, one that moved the class (or a flip), a differing second reading
# whether it was read or not, and whether the visit is reported
TRUTH = ("is_gross", "is_wrong", "differs", "is_reported")


@dataclass(frozen=True)
class Cell:
    """``visits``: visit_id, patient_id, split, both readers' scores (where the scale has them) or class numbers, and TRUTH."""

    visits: pd.DataFrame
    bags: Bags
    seed: int
    scale: SeveritySettings = SeveritySettings()

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.scale)

    def ranked(self) -> pd.DataFrame:
        """Rankings out of fold of the train split, learned on train and val, as the product makes them by default."""
        inputs = self._probe_inputs()
        return self._listed(averaged(out_of_fold_predictions(inputs, OutOfFoldSettings(), self.seed), self.outcome))

    def ranked_by_heads(self, folder: Path) -> pd.DataFrame:
        """The same where the head of the preset small is trained in every fold (out_of_fold.model head); made in ``folder``."""
        shutil.rmtree(folder, ignore_errors=True)
        job = self.study(folder, {"out_of_fold": {"model": "head"}})
        for task in (features_task, out_of_fold_task):
            run_task(task(job))
        predictions = OUT_OF_FOLD.read(job.study.out_of_fold / "predictions.parquet")
        shutil.rmtree(folder)
        return self._listed(averaged(predictions, self.outcome))

    def with_influence(self) -> pd.DataFrame:
        """``ranked`` and influence out of fold, a candidate that is no setting."""
        influence = influence_out_of_fold(self._probe_inputs(), self.seed)
        return self.ranked().merge(influence, on="visit_id", validate="1:1")

    def _taught(self) -> pd.DataFrame:
        return _with_labels(self.visits[self.visits["split"] != "test"].reset_index(drop=True), self.outcome)

    def _probe_inputs(self) -> ProbeInputs:
        """What the folds learn from, as the product reads it."""
        visits, is_normed = self._taught(), OutOfFoldSettings().feature_norm == "unit_length"
        return ProbeInputs(visits, self._means(visits, unit_length if is_normed else np.asarray), self.outcome)

    def _listed(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """The rankings of the train split that these predictions, averaged over repeats, give; with the truth."""
        visits = self._taught()
        found = out_of_fold_rankings(visits, predictions, self._means(visits, np.asarray), self.outcome)
        listed = self.visits[self.visits["split"] == "train"]
        labels = visits.set_index("visit_id")[self.outcome.label_column].rename("label_reader1")
        told = listed[["visit_id", "patient_id", *TRUTH]].merge(labels, on="visit_id")
        return told.merge(found, on="visit_id", validate="1:1")

    def _means(self, visits: pd.DataFrame, read: Callable[..., NDArray[Any]]) -> NDArray[np.float64]:
        return np.stack([read(self.bags[name]).mean(axis=0, dtype=float) for name in visits["visit_id"]])

    def audited(self, folder: Path) -> pd.DataFrame:
        """The product's whole audit table, with a head of the preset small trained on the features; made in ``folder``."""
        shutil.rmtree(folder, ignore_errors=True)
        job = self.study(folder)
        for task in (features_task, out_of_fold_task, train_task, audit_task):
            run_task(task(job))
        found = pd.read_parquet(job.study.audit / "visits.parquet")
        shutil.rmtree(folder)
        return found.merge(self.visits[["visit_id", *TRUTH]], on="visit_id", validate="1:1")

    def study(self, folder: Path, settings: dict[str, Any] | None = None) -> Job:
        """The same as a study of precomputed features."""
        folder.mkdir(parents=True)
        save_file(dict(self.bags), folder / "features.safetensors")
        files = {"visit_id": list(self.bags), "path": "features.safetensors", "key": list(self.bags)}
        pd.DataFrame(files).to_csv(folder / "features.csv", index=False)
        visits = self.visits[["visit_id", "patient_id", "split"]].copy()
        if self.outcome.score_columns:
            visits[list(self.outcome.score_columns)] = self.visits[list(self.outcome.score_columns)]
        else:
            for column in self.outcome.label_columns:
                visits[column] = self.visits[column].astype("Int64").map(dict(enumerate(self.outcome.classes)))
        visits.to_csv(folder / "visits.csv", index=False)
        return self.job(folder, settings)

    def job(self, folder: Path, settings: dict[str, Any] | None = None) -> Job:
        """The study that stands in this folder, under the settings of the benchmark."""
        return Job(Study(folder), parse(self._tree() | (settings or {}), "the benchmark"))

    def _tree(self) -> dict[str, Any]:
        small = preset("small")
        network = {name: value for name, value in small["network"].items() if name not in _OF_PHOTOS}
        tree: dict[str, Any] = {
            "seed": self.seed,
            "severity": as_tree(self.scale),
            "network": network,
            "train": small["train"],
            "evaluate": {"replicates": 20},
            "machine": {"processes": 1, "device": "cpu"},
        }
        return tree


def _with_labels(visits: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """The classes that the scores give, where the scale has scores."""
    for label, score in zip(outcome.label_columns, outcome.score_columns, strict=False):
        classes = visits[score].map(outcome.class_of_score, na_action="ignore")
        visits = visits.assign(**{label: classes.astype("Int64")})
    return visits.astype(dict.fromkeys(outcome.label_columns, "Int64"))


def kept(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table at ``path``, made unless it stands there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        make().to_parquet(partial, index=False)
        partial.rename(path)
    return pd.read_parquet(path)
