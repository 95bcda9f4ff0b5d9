"""Is the diagnosis right? Cohorts of every kind, each with what is known to be wrong with it."""

from collections import Counter
from typing import Any, get_args

from benchmarks.evidence.cohorts import HELD_OUT, made, make_together
from benchmarks.evidence.enrichment import chosen
from benchmarks.evidence.scope import Scope
from grasp_psonet.diagnosis.diagnosis import Diagnosis
from grasp_psonet.files import read_json
from grasp_psonet.stages.makers.diagnose import DIAGNOSIS


def diagnosis(scope: Scope) -> dict[str, Any]:
    """``diagnosis_accuracy``: share of the cohorts that are diagnosed rightly; ``diagnosis_confusion``: cohorts by what is
    planted and what is said."""
    rows = []
    folder, cohorts = scope.folder / "cohorts", chosen(scope, HELD_OUT)
    make_together(folder, cohorts, scope.processes)
    for cohort in cohorts:
        job = made(folder, cohort)
        told = read_json(job.study.diagnosis / DIAGNOSIS)
        rows.append({"cohort": cohort.name, "planted": cohort.kind, "said": told["diagnosis"], "seen": told["figures"]})
    counts = Counter((row["planted"], row["said"]) for row in rows)
    kinds = get_args(Diagnosis)
    return {
        "diagnosis_accuracy": sum(row["planted"] == row["said"] for row in rows) / len(rows),
        "diagnosis_cohorts": len(rows),
        "diagnosis_confusion": {
            planted: {said: counts[planted, said] for said in kinds if counts[planted, said]} for planted in kinds
        },
        "diagnosis_by_cohort": [{name: row[name] for name in ("cohort", "planted", "said")} for row in rows],
    }
