"""Fine-tuned studies: the demo's recipe from photo to audit, for the rankings that read training (the paper's among them)."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.planted import Cohorts
from grasp_psonet.cohort.synthetic.patients import draw_disease, draw_visits
from grasp_psonet.cohort.synthetic.readers import Imperfection, readings_of
from grasp_psonet.stage import run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.declared.tasks import audit_task, features_task, out_of_fold_task, prepare_tasks, train_task


@dataclass(frozen=True)
class FineTuned:
    """The demo cohort with its shortcut, gross errors at this rate, and an encoder that is trained whole."""

    folder: Path
    seed: int
    encoder: str
    gross_errors: float

    def audited(self) -> pd.DataFrame:
        """The audit table, with the truth beside it."""
        overrides = {
            "cohort": {"gross_errors": self.gross_errors},
            "network": {"encoder": self.encoder},
            "machine": {"processes": 1, "device": "cpu"},
            "evaluate": {"replicates": 20},
        }
        job = Cohorts(self.folder, overrides=overrides).job(self.seed)
        job.study.folder.mkdir(parents=True, exist_ok=True)
        make_cohort(job)
        for task in (*prepare_tasks(job), *(make(job) for make in (features_task, out_of_fold_task, train_task))):
            run_task(task)
        run_task(audit_task(job))
        drawn = draw_visits(job.settings.cohort, self.seed)
        errs = Imperfection(job.settings.cohort.reader_noise, self.gross_errors)
        readings = readings_of(drawn, draw_disease(drawn, self.seed).scores_VRS, job.outcome, self.seed, errs)
        is_gross = readings["gross_error_reader1"] != ""
        truth = pd.DataFrame(
            {
                "visit_id": readings["visit_id"],
                "is_gross": is_gross,
                "is_wrong": is_gross & (readings["severity_reader1"] != readings["severity_true"]),
                "differs": readings["disagree"],
                "is_reported": True,
            }
        )
        found = pd.read_parquet(job.study.audit / "visits.parquet").merge(truth, on="visit_id", validate="1:1")
        shutil.rmtree(job.study.folder)
        return found
