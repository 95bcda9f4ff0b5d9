"""``grasp check``: every fault of tables and photos, or of files of features; on the screen in short, all in check.csv."""

import sys
from dataclasses import replace

import pandas as pd

from grasp_psonet.cohort.check import CheckResult, result_of, summary_of
from grasp_psonet.cohort.faults import Fault, as_table, num_cells, plain, told
from grasp_psonet.errors import FeatureError, FileError, GraspError
from grasp_psonet.features.instances import vector_faults
from grasp_psonet.photos.check import duplicate_findings, photo_faults
from grasp_psonet.photos.files.unlisted import unlisted_photos
from grasp_psonet.proof import is_complete
from grasp_psonet.stages.checking.preflight import column_faults, preflight
from grasp_psonet.stages.checking.skipped import skipped_warning
from grasp_psonet.stages.checking.table_files import passed_over
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import ACROSS, PATH
from grasp_psonet.tables.safe_csv import write_safe_csv
from grasp_psonet.tables.schemas.quality import NEAR_PAIRS

_MOST_SHOWN = 50


def check(job: Job) -> int:
    """Prints faults, notes and a summary, and writes all faults and notes to check.csv; 1 if there is any fault, else 0."""
    result = examined(job)
    lines = _shown("fault", result.faults) + _shown("note", result.notes)
    lines += [f"{name}: {value}" for name, value in result.summary.items()]
    lines += _ending(job, result.faults, result.notes)
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if result.faults else 0


def examined(job: Job) -> CheckResult:
    """Every fault and note of tables, photos and, where those have no fault, of the settings beside them."""
    of_features = job.kind == "features"
    result = result_of(job.examination)
    if of_features and not result.faults:
        result = _with_instances(result, job)
    elif not of_features:
        result = _with_photos(result, job)
    faults, notes = result.faults, [*result.notes, *_passed_over(job)]
    if faults and job.examination.columns:
        faults = [*faults, *map(plain, column_faults(job, list(job.examination.columns)))]
    if not faults:
        outlook = preflight(job, job.cohort)
        faults, notes = [*faults, *map(plain, outlook.faults)], [*notes, *map(plain, outlook.notes)]
    return replace(result, faults=faults, notes=notes)


def _shown(kind: str, found: list[Fault]) -> list[str]:
    """What repeats is told once; a long list ends in a count."""
    messages = told(found)
    hidden = len(messages) - _MOST_SHOWN
    return [f"{kind}: {message}" for message in messages[:_MOST_SHOWN]] + [
        f"{kind}: and {hidden} more, in check.csv"
    ] * (hidden > 0)


def _ending(job: Job, faults: list[Fault], notes: list[Fault]) -> list[str]:
    """How many faults there are, where, and what to do next."""
    table = as_table(faults, notes)
    where = "in check.csv, one row each"
    try:
        write_safe_csv(table, job.study.folder / "check.csv")
    except FileError as error:
        where = f"check.csv cannot be written ({str(error).partition(chr(10))[0]})"
    if not faults:
        return ["no faults\nnext: grasp run STUDY"]
    by_file: dict[str, int] = {}
    for fault in faults:
        by_file[fault.file or "elsewhere"] = by_file.get(fault.file or "elsewhere", 0) + fault.num_cells
    listed = ", ".join(
        f"{number} in {file}" if file != "elsewhere" else f"{number} elsewhere" for file, number in by_file.items()
    )
    kinds = len({(fault.file, fault.column, fault.problem) for fault in faults})
    return [
        f"{num_cells(faults)} fault(s) of {kinds} kind(s): {listed}; all of them {where}",
        "next: correct them, the first ones first, and check again",
    ]


def _passed_over(job: Job) -> list[Fault]:
    form = job.settings.tables
    return [
        Fault(
            f"is read; {' and '.join(others)} beside it is not",
            f"{table}.csv",
            remedy=f"or say it in tables.files.{table}",
        )
        for table in ("visits", "readings", "photos", "views")
        if (others := passed_over(job.study, form, table))
    ]


def _with_photos(result: CheckResult, job: Job) -> CheckResult:
    """The same with what is wrong with the photos' files. What the settings let pass is noted."""
    settings = job.settings.photos
    by_place = result.photos.reset_index(drop=True)  # a row of the visits table may name several photos
    damaged = photo_faults(by_place, job.photo_files, settings.most_megapixels)
    whole = by_place.drop(index=list(damaged))
    across, within = duplicate_findings(whole, job.photo_files, None if result.faults else job.tables.visits)
    faults, notes = list(result.faults), list(result.notes)
    (notes if settings.damaged == "skip" else faults).extend(_of_files(damaged, result, job))
    (notes if settings.duplicates == "accept" else faults).extend(map(plain, across))
    notes += map(plain, within)
    notes += _of_unlisted(by_place, job)
    skipped = skipped_warning(job)
    notes += [] if skipped is None else [plain(skipped)]
    notes.append(plain(_of_copies(job)))
    return replace(result, faults=faults, notes=notes)


def _of_files(damaged: dict[int, str], result: CheckResult, job: Job) -> list[Fault]:
    """One fault for all photos of which the same is said, without the folder that the photos lie in."""
    if not damaged:
        return []
    paths, row_of = result.photos[PATH].tolist(), result.photos.index.tolist()
    found: dict[str, tuple[list[int], list[str]]] = {}
    for place, message in damaged.items():
        path, said = paths[place], message.removeprefix(f"photos.csv row {place}: ")
        said = said.removeprefix(str(job.photo_root / path)).removeprefix(path)
        rows, values = found.setdefault(said.strip(), ([], []))
        rows.append(row_of[place])
        values.append(path)
    titles, _ = job.settings.tables.titles_of("photos").get(PATH, ([PATH], False))
    column = " or ".join(job.settings.tables.photo_columns) or " and ".join(titles)
    return [
        Fault(said, job.bags_file.name, column, tuple(rows), tuple(values)) for said, (rows, values) in found.items()
    ]


def _of_copies(job: Job) -> str:
    """What is known of photos that look almost the same: by `grasp prepare`, where it was made."""
    looked_for = "photos that look almost the same (stored anew, resized, lit otherwise, mirrored or turned)"
    try:
        pairs = (
            NEAR_PAIRS.read(job.study.quality / "near_duplicates.parquet") if is_complete(job.study.quality) else None
        )
    except GraspError:  # damaged, for `grasp run` to say
        pairs = None
    if pairs is None:
        return f"{looked_for} are looked for by `grasp prepare`; here, files of equal bytes alone"
    across = pairs[ACROSS].value_counts()
    counts = [
        f"{across[name]} across {name}" if name != "visit" else f"{across[name]} within a visit"
        for name in across.index
    ]
    told = f"{', '.join(counts)} (quality/near_duplicates.parquet)" if counts else "none"
    return f"{looked_for}: {told}, as `grasp prepare` found"


def _of_unlisted(photos: pd.DataFrame, job: Job) -> list[Fault]:
    """A note on files that lie among the photos and that no row names."""
    left_over = unlisted_photos(photos[PATH], job.photo_root) if PATH in photos else []
    if not left_over:
        return []
    problem = "lies among the photos, and no row names it"
    return [Fault(problem, job.bags_file.name, values=tuple(left_over), remedy="add a row, or take the file away")]


def _with_instances(result: CheckResult, job: Job) -> CheckResult:
    """The same of a study of precomputed features, every file of which is read."""
    faults = vector_faults(result.photos, job.photo_root)
    if faults:
        return replace(result, faults=[plain(fault) for fault in faults])
    try:
        return replace(result, summary=summary_of(job.cohort))
    except FeatureError as error:
        return replace(result, faults=[plain(str(error))])
