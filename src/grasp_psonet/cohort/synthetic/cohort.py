"""A synthetic cohort on disk: tables, truth and photos, the same bytes for the same seed whatever the processes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from grasp_psonet import chance
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic.drawing.lesions import Lesion
from grasp_psonet.cohort.synthetic.drawing.photo import PhotoPlan, draw_photo
from grasp_psonet.cohort.synthetic.drawing.skin import random_person
from grasp_psonet.cohort.synthetic.settings import SyntheticSettings
from grasp_psonet.cohort.synthetic.tables import SyntheticTables, draw_tables
from grasp_psonet.progress import Track
from grasp_psonet.tables.columns import FITZPATRICK, PATIENT_ID
from grasp_psonet.tables.schemas.truth import TRUTH, TRUTH_VISITS
from grasp_psonet.workers import Workers

JPEG_QUALITY = 92
Task = list[tuple[Path, PhotoPlan]]  # the photos of one visit


def draw_cohort(
    settings: SyntheticSettings,
    outcome: Outcome,
    seed: int,
    folder: Path,
    workers: Workers,
    track: Track[int],
) -> None:
    """Draws the cohort of this seed into ``folder``, which exists and is empty.

    Writes visits.csv, photos.csv, views.csv, truth.parquet, truth_visits.parquet and photos/VISIT/PHOTO.jpg. A folder
    whose drawing was interrupted is not whole: the caller removes it.
    """
    tables = draw_tables(settings, outcome, seed)
    for name in ("visits", "photos", "views"):
        table = getattr(tables, name)
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    TRUTH.write(tables.truth, folder / "truth.parquet")
    TRUTH_VISITS.write(tables.truth_visits, folder / "truth_visits.parquet")
    tasks = photo_tasks(tables, settings.edge_px, seed, folder)
    for _ in track(_drawn(tasks, workers), "drawing visits", len(tasks)):
        pass


def photo_tasks(tables: SyntheticTables, edge_px: int, seed: int, folder: Path) -> list[Task]:
    """What is to be drawn where, one task per visit."""
    plans = plans_of(tables, edge_px, seed)
    tasks: dict[str, Task] = {}
    for photo in tables.photos.itertuples(index=False):
        task = tasks.setdefault(str(photo.visit_id), [])
        task.append((folder / str(photo.path), plans[str(photo.photo_id)]))
    return list(tasks.values())


def plans_of(tables: SyntheticTables, edge_px: int, seed: int) -> dict[str, PhotoPlan]:
    """The plan of every photo by its id."""
    persons = {
        patient: random_person(chance.generator("person", seed, patient), fitzpatrick)
        for patient, fitzpatrick in zip(tables.visits[PATIENT_ID], tables.visits[FITZPATRICK], strict=True)
    }
    visit_of = {str(visit.visit_id): visit for visit in tables.visits.itertuples(index=False)}
    plans: dict[str, PhotoPlan] = {}
    copies: dict[str, str] = {}
    for row in tables.truth.itertuples(index=False):
        photo: Any = row
        visit: Any = visit_of[photo.visit_id]
        plans[photo.photo_id] = PhotoPlan(
            person=persons[visit.patient_id],
            drawn_view=photo.drawn_view,
            lesion=Lesion(photo.erythema, photo.induration, photo.desquamation, photo.area_fraction),
            edge_px=edge_px,
            device=visit.device,
            body_key=("body", seed, visit.patient_id, photo.drawn_view),
            photo_key=("photo", seed, photo.visit_id, photo.photo_id),
            fault=photo.fault,
            strength=tables.strengths.get(photo.fault, 1.0),
        )
        if photo.fault == "duplicate":
            copies[photo.photo_id] = photo.duplicate_of
    return plans | {copy: replace(plans[copy], copy_of=plans[source]) for copy, source in copies.items()}


def _drawn(tasks: list[Task], workers: Workers) -> Iterator[int]:
    """Draws the tasks and yields the number of photos of each as it is done."""
    return workers.each(_draw_visit, tasks) if workers.are_worth(len(tasks)) else map(_draw_visit, tasks)


def _draw_visit(task: Task) -> int:
    for path, plan in task:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_photo(plan)).save(path, quality=JPEG_QUALITY)
    return len(task)
