"""``grasp report``: what the stages found, as one page, one file of numbers, and lists for other programs."""

import json
from collections.abc import Sequence
from pathlib import Path

from grasp_psonet.report.explored import FOLDER, sheet_file
from grasp_psonet.report.figure_files import data_files, svg_files
from grasp_psonet.report.lists import traced_list
from grasp_psonet.report.page import render
from grasp_psonet.report.publication.files import FOLDER as PUBLICATION
from grasp_psonet.report.publication.files import publication_files
from grasp_psonet.report.results import results
from grasp_psonet.report.shown import Shown
from grasp_psonet.report.sprites import thumbnail
from grasp_psonet.report.workbook import THUMBNAIL_PX, write_workbook
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.gather import gather
from grasp_psonet.stages.makers.report.lists import removal_list, review_list
from grasp_psonet.stages.makers.report.stored import Stored, stored_photos
from grasp_psonet.tables.safe_csv import write_safe_csv

FIGURES = "figures"


def make_report(job: Job, folder: Path) -> None:
    """Writes report.html, results.json and the lists."""
    report = gather(job)
    tree = results(report)
    numbers = json.dumps(tree, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    (folder / "results.json").write_text(numbers + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render(report), encoding="utf-8")
    if report.photos is not None and report.photos.is_beside and report.photos.pictures is not None:
        (folder / FOLDER).mkdir()
        for number, sheet in enumerate(report.photos.pictures.sheets):
            (folder / sheet_file(number)).write_bytes(sheet)
    (folder / PUBLICATION).mkdir()
    for name, words in publication_files(tree, report.outcome).items():
        (folder / PUBLICATION / name).write_text(words, encoding="utf-8")
    (folder / FIGURES).mkdir()
    for name, drawn in svg_files(report, Shown(tree)).items():
        (folder / FIGURES / f"{name}.svg").write_text(drawn, encoding="utf-8")
    for name, table in data_files(report).items():
        write_safe_csv(table, folder / FIGURES / f"{name}.csv")
    _write_lists(job, folder)
    if report.traced is not None:
        write_safe_csv(traced_list(report.traced, report.outcome), folder / "traced_errors.csv")


def _write_lists(job: Job, folder: Path) -> None:
    """The review list, and the removal list where a keep list removes a photo, each as CSV and as a workbook."""
    lists = {"review_list": review_list(job), "removal_list": removal_list(job)}
    stored = stored_photos(job) if job.settings.report.list_thumbnails else None
    for name, one in lists.items():
        if one is None:
            continue
        write_safe_csv(one.table, folder / f"{name}.csv")
        thumbnails = None if stored is None else _thumbnails(stored, one.photo_ids)
        write_workbook(one.table, folder / f"{name}.xlsx", thumbnails)


def _thumbnails(stored: Stored, photo_ids: Sequence[str]) -> dict[int, bytes]:
    """JPEG bytes by the row's place, of the photos that may be shown."""
    found = {}
    for place, photo_id in enumerate(photo_ids):
        if (pixels := stored.shown(photo_id)) is not None:
            found[place] = thumbnail(pixels, THUMBNAIL_PX)
    return found
