"""``grasp check``: every fault of tables and photos, or of files of features, at once."""

import sys
from dataclasses import replace

from grasp_psonet.cohort.check import CheckResult, check_tables, summary_of
from grasp_psonet.cohort.tables import TableFiles
from grasp_psonet.errors import FeatureError
from grasp_psonet.features.instances import vector_faults
from grasp_psonet.photos.check import photo_faults
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.preflight import preflight


def check(job: Job) -> int:
    """Prints faults, notes and a summary; 1 if there is any fault, else 0."""
    study, settings, of_features = job.study, job.settings, job.kind == "features"
    files = TableFiles(study.visits_file, job.bags_file, study.views_file, of_features)
    result = check_tables(files, job.outcome, settings.split, settings.seed)
    if of_features and not result.faults:
        result = _with_instances(result, job)
    elif not of_features:
        result = replace(result, faults=result.faults + photo_faults(result.photos, job.photo_root))
    faults, notes = result.faults, result.notes
    if not faults:
        outlook = preflight(job, job.cohort)
        faults, notes = faults + list(outlook.faults), notes + list(outlook.notes)
    lines = [f"fault: {fault}" for fault in faults] + [f"note: {note}" for note in notes]
    lines += [f"{name}: {value}" for name, value in result.summary.items()]
    if faults:
        lines.append(f"{len(faults)} fault(s); correct them and check again")
    else:
        lines.append("no faults\nnext: grasp run STUDY")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if faults else 0


def _with_instances(result: CheckResult, job: Job) -> CheckResult:
    """The same of a study of precomputed features, every file of which is read."""
    faults = vector_faults(result.photos, job.photo_root)
    if faults:
        return replace(result, faults=faults)
    try:
        return replace(result, summary=summary_of(job.cohort, job.outcome))
    except FeatureError as error:
        return replace(result, faults=[str(error)])
