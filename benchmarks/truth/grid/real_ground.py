"""A fault planted on a copy of a study: its own photos and readers, and a shortcut that is known.

The study is read and never written to. Patients named as tuned on are one ground, split anew by each seed; for reporting they
teach, and the others, dealt anew by each seed, validate and test. A planted photo is the study's photo as its store would
have it, with the fault put on it, written as PNG. Photo store and features of the photos as they are come from one copy of
the study for each encoder and edge; only those of planted photos are computed for each planting.
"""

import shutil
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from numpy.random import Generator
from PIL import Image

from benchmarks.truth.grid.planted_files import features_with, store_with
from grasp_psonet.chance import generator
from grasp_psonet.cohort.synthetic.fault_looks import LOOKS
from grasp_psonet.cohort.synthetic.faults import Place, planted_photos, shortcut_visits
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings
from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.photos.files.decode import decode_photo
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import load, merged, parse
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import features_task, prepare_tasks
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

Use = Literal["tuning", "reporting"]
Faults = dict[str, tuple[str, float]]  # fault and strength by photo
PLACES = get_args(Place)
AS_IS, PLANTED = (
    "as-is",
    "planted",
)  # where a planted copy's photos lie: a link to the study's, and those with the fault
_SPLITS: dict[Use, tuple[str, ...]] = {  # of each handful of patients of like classes
    "tuning": (*["train"] * 5, *["val"] * 2, *["test"] * 3),
    "reporting": ("val", "test"),
}
_FEWEST = 10  # patients of a ground


@dataclass(frozen=True)
class RealGround:
    """A study with photos, and the patients on whom anything was tuned; ``folder``: where copies are made."""

    study: Path
    tuned_on: frozenset[str]
    folder: Path

    @cached_property
    def source(self) -> Job:
        """The study as it is. Raises StudyError where it holds no photos."""
        job = Job(Study(self.study), load(self.study / "study.yaml"))
        if job.kind != "photos":
            raise StudyError(
                f"{self.study} holds features, and a fault is planted on photos\n  next: name another study"
            )
        return job

    def job(self, place: Path, settings: dict[str, Any]) -> Job:
        """A copy in ``place`` under these settings and the study's own scale."""
        as_the_study = {
            "severity": as_tree(self.source.settings.severity),
            "photos": {"links": "anywhere", "duplicates": "accept"},  # its photos are linked, and taken as they are
        }
        tree = merged(as_the_study, settings)
        return Job(Study(place), parse(tree, "the benchmark"))

    def plain(self, settings: dict[str, Any]) -> Job:
        """The study's photos as they are, with store and features made; one copy for each encoder and edge."""
        network = parse(settings, "the benchmark").network
        edge_px = parse(settings, "the benchmark").photos.edge_px
        place = self.folder / f"as-is-{network.encoder}-{edge_px}"
        if not (place / "photos.csv").exists():
            self._copy(place, self.source.cohort.visits[["visit_id", "split"]], {})
        job = self.job(place, settings)
        for task in (*prepare_tasks(job), features_task(job)):
            run_task(task)
        return job

    def planted(self, place: Path, settings: dict[str, Any], planting: "Planting") -> Job:
        """A planted copy in ``place`` with store and features, as far as they do not stand; truth.parquet: what is planted."""
        job, plain = self.job(place, settings), self.plain(settings)
        if not job.study.truth_file.exists():
            shutil.rmtree(place, ignore_errors=True)
            self._plant(place, job.settings.photos.edge_px, planting)
        truth = pd.read_parquet(job.study.truth_file)
        faulty = frozenset(truth.loc[truth["fault"] != "none", "photo_id"])
        for task, make in (
            *((task, store_with(plain.study.store, faulty, job)) for task in prepare_tasks(job)),
            (features_task(job), features_with(plain.study.features, faulty, job)),
        ):
            run_task(replace(task, make=make))
        return job

    def visits(self, use: Use, seed: int) -> pd.DataFrame:
        """The visits of the ground with their split. Raises StudyError where too few patients are left for three splits."""
        visits = self.source.cohort.visits.copy()
        is_tuned = visits["patient_id"].isin(self.tuned_on).to_numpy(bool)
        dealt = sorted(set(visits.loc[is_tuned if use == "tuning" else ~is_tuned, "patient_id"]))
        if len(dealt) < _FEWEST or not is_tuned.any():
            raise StudyError(
                f"{len(dealt)} patients of {self.study} are for {use}, {len(self.tuned_on)} are named as tuned on"
                f"\n  next: name patients of this study, one a line; at least {_FEWEST} named and {_FEWEST} others"
            )
        split_of = self._dealt(visits, dealt, generator("planted study splits", seed, use), _SPLITS[use])
        visits["split"] = [split_of.get(patient, "train") for patient in visits["patient_id"]]
        return visits[is_tuned] if use == "tuning" else visits

    def _dealt(
        self, visits: pd.DataFrame, patients: list[str], rng: Generator, splits: tuple[str, ...]
    ) -> dict[str, str]:
        """The split of each patient: those of like classes are dealt together, so that every split has some of each class."""
        label_of = visits.groupby("patient_id")[self.source.outcome.label_column].mean().astype(float)
        shuffled = [patients[i] for i in rng.permutation(len(patients))]
        ordered = sorted(shuffled, key=lambda patient: float(label_of[patient]))
        found: dict[str, str] = {}
        for start in range(0, len(ordered), len(splits)):
            found |= dict(zip(ordered[start : start + len(splits)], rng.permutation(splits).tolist(), strict=False))
        return found

    def _plant(self, place: Path, edge_px: int, planting: "Planting") -> None:
        """Tables, planted photos and truth of one planting; the truth is written last, so that it says that all stands."""
        outcome = self.source.outcome
        visits = self.visits(planting.use, planting.seed).reset_index(drop=True)
        photos = self.source.cohort.photos
        fault_of: Faults = {}
        for shortcut, which in zip(planting.shortcuts, PLACES, strict=False):
            _refuse_unknown(shortcut, visits, outcome.classes)
            labelled = visits.assign(severity_reader1=visits[outcome.label_column])
            carries = shortcut_visits(labelled, shortcut, outcome.classes, planting.seed, which)
            split_of = dict(zip(visits.loc[carries, "visit_id"], visits.loc[carries, "split"], strict=True))
            carried = photos[photos["visit_id"].isin(list(split_of))]
            for visit_id, ids in carried.groupby("visit_id", sort=False)["photo_id"]:
                free = [name for name in ids if name not in fault_of]
                order = generator("planted photos", which, planting.seed, str(visit_id)).permutation(len(free))
                num = planted_photos(shortcut, split_of[visit_id], len(ids))
                fault_of |= {free[i]: (shortcut.fault, shortcut.strength) for i in order[:num]}
        self._copy(place, visits[["visit_id", "split"]], dict.fromkeys(fault_of, PLANTED))
        self._write_faulty(place, edge_px, planting.seed, fault_of)
        told = photos.loc[photos["visit_id"].isin(visits["visit_id"]), ["photo_id", "visit_id"]].astype(object)
        told["fault"] = [fault_of[name][0] if name in fault_of else "none" for name in told["photo_id"]]
        told["is_shortcut"] = told["fault"] != "none"
        told.to_parquet(place / "truth.parquet", index=False)

    def _write_faulty(self, place: Path, edge_px: int, seed: int, fault_of: Faults) -> None:
        path_of = dict(zip(self.source.cohort.photos["photo_id"], self.source.cohort.photos["path"], strict=True))
        (place / PLANTED).mkdir()
        for photo_id, (fault, strength) in fault_of.items():
            pixels = decode_photo(self.source.photo_root / path_of[photo_id], edge_px).pixels
            faulty = LOOKS[fault](generator("planted fault", seed, photo_id), pixels, strength)
            Image.fromarray(faulty).save(place / PLANTED / f"{photo_id}.png", compress_level=1)

    def _copy(self, place: Path, splits: pd.DataFrame, moved: dict[str, str]) -> None:
        """Tables of these visits in ``place``: their splits set, and the paths of moved photos (photo_id -> folder)."""
        place.mkdir(parents=True, exist_ok=True)
        source = self.source
        split_of = dict(zip(splits["visit_id"], splits["split"], strict=True))
        visits = pd.read_csv(source.study.visits_file, dtype=str, keep_default_na=False)
        visits = visits[visits["visit_id"].isin(list(split_of))]
        visits.assign(split=visits["visit_id"].map(split_of)).to_csv(place / "visits.csv", index=False)
        if source.study.views_file.exists():
            shutil.copy(source.study.views_file, place / "views.csv")
        photos = pd.read_csv(source.study.photos_file, dtype=str, keep_default_na=False)
        photos = photos[photos["visit_id"].isin(list(split_of))]
        photos["path"] = [
            f"{moved[name]}/{name}.png" if name in moved else f"{AS_IS}/{path}"
            for name, path in zip(photos["photo_id"], photos["path"], strict=True)
        ]
        link = place / AS_IS
        if not link.is_symlink():
            link.symlink_to(source.photo_root.resolve(), target_is_directory=True)
        photos.to_csv(place / "photos.csv", index=False)


@dataclass(frozen=True)
class Planting:
    """What is planted, by whose chance, and on which part of the study; no shortcut plants nothing."""

    seed: int
    use: Use
    shortcuts: tuple[ShortcutSettings, ...] = field(default=())


def _refuse_unknown(shortcut: ShortcutSettings, visits: pd.DataFrame, classes: tuple[str, ...]) -> None:
    wanted: tuple[tuple[bool, str, object, str], ...] = (
        (shortcut.fault in LOOKS, "fault", shortcut.fault, f"one of {', '.join(LOOKS)}"),
        (shortcut.severity in classes, "severity", shortcut.severity, f"one of {', '.join(classes)}"),
        (
            not shortcut.fitzpatrick or "fitzpatrick" in visits,
            "fitzpatrick",
            shortcut.fitzpatrick,
            "none: no such column",
        ),
    )
    for is_fine, name, value, told in wanted:
        if not is_fine:
            raise SettingsError(f"setting {shortcut.path}.{name} is {value!r}; wanted: {told}")
