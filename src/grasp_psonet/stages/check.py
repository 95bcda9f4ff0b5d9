"""``grasp check``: every fault of tables and photos, or of files of features, at once."""

import sys
from dataclasses import replace

from grasp_psonet.cohort.check import CheckResult, check_tables, summary_of
from grasp_psonet.cohort.tables import TableFiles
from grasp_psonet.errors import FeatureError
from grasp_psonet.features.instances import vector_faults
from grasp_psonet.photos.check import duplicate_findings, photo_faults
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.preflight import preflight
from grasp_psonet.stages.skipped import skipped_warning


def check(job: Job) -> int:
    """Prints faults, notes and a summary; 1 if there is any fault, else 0."""
    study, settings, of_features = job.study, job.settings, job.kind == "features"
    files = TableFiles(study.visits_file, job.bags_file, study.views_file, of_features)
    result = check_tables(files, job.outcome, settings.split, settings.seed)
    if of_features and not result.faults:
        result = _with_instances(result, job)
    elif not of_features:
        result = _with_photos(result, job)
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


def _with_photos(result: CheckResult, job: Job) -> CheckResult:
    """The same with what is wrong with the photos' files. What the settings let pass is noted."""
    settings = job.settings.photos
    damaged = photo_faults(result.photos, job.photo_files)
    whole = result.photos.drop(index=list(damaged))
    across, within = duplicate_findings(whole, job.photo_files, None if result.faults else job.tables.visits)
    faults, notes = list(result.faults), list(result.notes)
    (notes if settings.damaged == "skip" else faults).extend(damaged.values())
    (notes if settings.duplicates == "accept" else faults).extend(across)
    notes += within
    skipped = skipped_warning(job)
    notes += [] if skipped is None else [skipped]
    return replace(result, faults=faults, notes=notes)


def _with_instances(result: CheckResult, job: Job) -> CheckResult:
    """The same of a study of precomputed features, every file of which is read."""
    faults = vector_faults(result.photos, job.photo_root)
    if faults:
        return replace(result, faults=faults)
    try:
        return replace(result, summary=summary_of(job.cohort, job.outcome))
    except FeatureError as error:
        return replace(result, faults=[str(error)])
