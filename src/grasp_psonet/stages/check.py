"""``grasp check``: every fault of tables and photos at once."""

import sys

from grasp_psonet.cohort.check import check_tables
from grasp_psonet.cohort.tables import TableFiles
from grasp_psonet.photos.check import photo_faults
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.preflight import preflight


def check(job: Job) -> int:
    """Prints faults, notes and a summary; 1 if there is any fault, else 0."""
    study, settings = job.study, job.settings
    files = TableFiles(study.visits_file, study.photos_file, study.views_file)
    result = check_tables(files, job.outcome, settings.split, settings.seed)
    faults, notes = result.faults + photo_faults(result.photos, job.photo_root), result.notes
    if not result.faults:
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
