"""One drawn cohort: every list read, the network trained on kept, removed and corrected labels, its test figures."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.audit.cell import Cell
from benchmarks.audit.ground import DrawnGround, Readers
from benchmarks.reading.lists import LISTS, Lists, third_readings
from grasp_psonet.errors import TableError
from grasp_psonet.evidence.evaluate import answers_of
from grasp_psonet.evidence.metrics import linear_kappa, micro_auc
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import merged, parse
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.declared.tasks import audit_task, features_task, out_of_fold_task, train_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.train import make_run
from grasp_psonet.stages.names import BASELINE, Training, revised_name
from grasp_psonet.stages.revise import make_named_revision
from grasp_psonet.tables.schemas.audit import REVIEW
from grasp_psonet.tables.schemas.runs import PREDICTIONS

TRUTH = "truth"
OF_ALL = "corrected, median of all"


@dataclass(frozen=True)
class Reread:
    """A cohort in ``folder`` with its readers; ``num_trainings`` seeds of each network, of whose figures the mean is taken."""

    folder: Path
    ground: DrawnGround
    readers: Readers
    encoder: str
    num_trainings: int

    @cached_property
    def visits(self) -> pd.DataFrame:
        """The visits with the truth beside them."""
        return self.ground.visits(self.readers)

    @cached_property
    def job(self) -> Job:
        """A study of the encoder's features with its audit; what stands in the folder is gone on with."""
        self.ground.make_features(self.encoder)
        cell = Cell(self.visits.assign(is_reported=True), {}, self.ground.seed)
        if (self.folder / "visits.csv").exists():  # the last file that a study is given
            job = cell.job(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            bags = self.ground.bags(self.encoder, self.visits, self.readers)
            job = replace(cell, bags=bags).study(self.folder)
        for task in (features_task, out_of_fold_task, train_task, audit_task):
            run_task(task(job))
        return job

    def kept(self) -> pd.DataFrame:
        """Trained on the labels as they were, and on the true ones: rows as of ``read``."""
        kept = self._figures(self._of_baseline()).assign(list="", fraction=0.0, arm="kept")
        true = self._figures(self._with_true_labels()).assign(list="", fraction=1.0, arm="true labels")
        return self._known(pd.concat([kept, true], ignore_index=True))

    def read(self, fraction: float) -> pd.DataFrame:
        """One row per (list, arm, against): auc and kappa on test, and what reading this fraction of each list found."""
        review = REVIEW.read(self.job.study.audit / "review.parquet").sort_values("rank")
        lists = Lists(self._trained, [str(visit) for visit in review["visit_id"]], self.ground.seed)
        parts = []
        for name in LISTS:
            chosen = lists.first(name, fraction)
            place: dict[str, Any] = {"list": name, "fraction": fraction} | self._reading(chosen)
            arms = self._arms(f"{name}-{round(100 * fraction)}", chosen)
            parts += [self._figures(predictions).assign(arm=arm, **place) for arm, predictions in arms.items()]
        return self._known(pd.concat(parts, ignore_index=True))

    @property
    def _trained(self) -> pd.DataFrame:
        return self.visits[self.visits["split"] == "train"]

    def _known(self, rows: pd.DataFrame) -> pd.DataFrame:
        trained = self._trained
        return rows.assign(
            seed=self.ground.seed,
            num_train=len(trained),
            num_errors=int(trained["is_wrong"].sum()),
            num_labels_true=int((trained["severity_reader1"] == trained["severity_true"]).sum()),
        )

    def _arms(self, name: str, chosen: Sequence[str]) -> dict[str, list[pd.DataFrame]]:
        """Test predictions of each training seed: labels of the third reader, the visits left out, and on the audit's list
        medians of all readings."""
        arms = {"corrected": self._corrected(f"{name}-new", chosen, self.job), "removed": self._removed(chosen)}
        if name.startswith("audit"):
            arms[OF_ALL] = self._corrected(f"{name}-all", chosen, self._job_of_all())
        return arms

    def _job_of_all(self) -> Job:
        tree = {"revise": {"readings": "all", "rule": "median"}}
        return replace(self.job, settings=parse(merged(as_tree(self.job.settings), tree), "the benchmark"))

    def _third(self, chosen: Sequence[str]) -> pd.DataFrame:
        return third_readings(self.ground, self.readers, chosen)

    def _reading(self, chosen: Sequence[str]) -> dict[str, int]:
        """What reading these visits again found: gross errors among them, of these told by a label that changed, and how many
        labels of theirs were true before and after."""
        known = self.visits.set_index("visit_id").loc[list(chosen)]
        new_V = self._third(chosen)["pasi"].map(self.job.outcome.class_of_score).to_numpy()
        old_V, true_V = known["severity_reader1"].to_numpy(), known["severity_true"].to_numpy()
        is_wrong_V = known["is_wrong"].to_numpy(bool)
        return {
            "num_read": len(chosen),
            "num_found": int(is_wrong_V.sum()),
            "num_told": int((is_wrong_V & (new_V != old_V)).sum()),
            "num_changed": int((new_V != old_V).sum()),
            "num_true_before": int((old_V == true_V).sum()),
            "num_true_after": int((new_V == true_V).sum()),
        }

    def _corrected(self, name: str, chosen: Sequence[str], job: Job) -> list[pd.DataFrame]:
        """Trained on the revision that the product makes of the third reader's table; the baseline where nothing changes."""
        table = job.study.folder / f"{name}.csv"
        self._third(chosen).to_csv(table, index=False)
        try:
            make_named_revision(job, name, table)
        except TableError as error:
            if "nothing that was read changes training" not in str(error):
                raise
            return self._of_baseline()
        runs = [Training(revised_name(name), number) for number in range(self.num_trainings)]
        for one in runs:
            run_task(train_task(job, one))
        return [_of_test(job.study.run(one.name)) for one in runs]

    def _of_baseline(self) -> list[pd.DataFrame]:
        runs = [Training(BASELINE, number) for number in range(self.num_trainings)]
        for one in runs:
            run_task(train_task(self.job, one))
        return [_of_test(self.job.study.run(one.name)) for one in runs]

    def _removed(self, chosen: Sequence[str]) -> list[pd.DataFrame]:
        visits = self.job.cohort.visits
        return self._trained_on(visits[~visits["visit_id"].isin(chosen)].reset_index(drop=True))

    def _with_true_labels(self) -> list[pd.DataFrame]:
        visits = self.job.cohort.visits
        true = visits["visit_id"].map(self.visits.set_index("visit_id")["severity_true"]).astype("Int64")
        return self._trained_on(visits.assign(severity_reader1=true))

    def _trained_on(self, visits: pd.DataFrame) -> list[pd.DataFrame]:
        job, found = self.job, []
        for number in range(self.num_trainings):
            folder = self.folder / "trained"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            cohort = replace(job.cohort, visits=visits)
            make_run(folder, needs_of(TrainNeeds, job.settings), job.study, cohort, None, Training("other", number))
            found.append(_of_test(folder))
        return found

    def _figures(self, predictions: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """AUC and kappa on test against the truth and both readers, means over training seeds."""
        known = self.visits.set_index("visit_id")
        rows = []
        columns = {TRUTH: "severity_true", "reader1": "severity_reader1", "reader2": "severity_reader2"}
        for against, column in columns.items():
            both = [answers_of(one, known.loc[one["visit_id"], column], self.job.outcome) for one in predictions]
            auc, kappa = (
                float(np.mean([metric(one, np.ones((1, len(one))))[0] for one in both]))
                for metric in (micro_auc, linear_kappa)
            )
            rows.append({"against": against, "auc": auc, "kappa": kappa})
        return pd.DataFrame(rows)


def _of_test(run: Path) -> pd.DataFrame:
    predictions = PREDICTIONS.read(run / "predictions.parquet")
    return predictions[predictions["split"] == "test"].reset_index(drop=True)
