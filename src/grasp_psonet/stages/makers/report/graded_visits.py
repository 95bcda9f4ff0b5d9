"""The grades of every test visit for the report: of the chosen run's first training, beside Reader 1's."""

# Axes: V visits, R regions, S parts.

import numpy as np
import pandas as pd

from grasp_psonet.cohort.pasi_regional import PasiRegional
from grasp_psonet.report.graded_visits import GradedRegion, GradedVisit
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import LABEL, PREDICTED, SPLIT, VISIT_ID
from grasp_psonet.tables.schemas.runs import PREDICTIONS
from grasp_psonet.tables.schemas.truth import BODY_REGIONS


def graded_visits(job: Job, chosen: str) -> tuple[GradedVisit, ...]:
    """Those furthest from Reader 1's total first; none of an outcome without regions."""
    outcome = job.outcome
    if not isinstance(outcome, PasiRegional):
        return ()
    told = PREDICTIONS.read(job.study.run(chosen) / "predictions.parquet")
    told = told[(told[SPLIT] == "test") & outcome.has_value(told[LABEL])]
    off = (told[PREDICTED] - told[LABEL]).abs()
    told = told.loc[off.sort_values(ascending=False, kind="stable").index]
    grade_VRS, is_seen_VR = outcome.grades_of(told)
    parts = job.cohort.visits.set_index(VISIT_ID).loc[told[VISIT_ID], list(outcome.part_columns)]
    read_VRS = parts.to_numpy(np.float64, na_value=np.nan).reshape(grade_VRS.shape)
    return tuple(
        GradedVisit(
            str(visit_id),
            float(predicted),
            float(label),
            tuple(
                GradedRegion(region, bool(is_seen_VR[v, r]), _known(grade_VRS[v, r]), _known(read_VRS[v, r]))
                for r, region in enumerate(BODY_REGIONS)
            ),
        )
        for v, (visit_id, predicted, label) in enumerate(zip(told[VISIT_ID], told[PREDICTED], told[LABEL], strict=True))
    )


def _known(value_S: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> tuple[float | None, ...]:
    return tuple(None if pd.isna(value) else float(value) for value in value_S)
