"""Drawn ground of the audit benchmark: photos and features of a cohort made once, its readers drawn anew as often as wanted.

Photos of the train and validation split that could carry the shortcut are drawn with and without it, so that the shortcut can
follow Reader 1's class in every drawing of the readers, as it does in a drawn cohort.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.chance import generator
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic.cohort import JPEG_QUALITY, plans_of
from grasp_psonet.cohort.synthetic.drawing.photo import draw_photo
from grasp_psonet.cohort.synthetic.faults import shortcut_visits
from grasp_psonet.cohort.synthetic.patients import draw_disease, draw_visits
from grasp_psonet.cohort.synthetic.readers import Imperfection, readings_of
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings
from grasp_psonet.cohort.synthetic.tables import draw_tables
from grasp_psonet.features.extract import Extraction, write_features
from grasp_psonet.features.store import open_features
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.photos.files.place import PhotoRoot
from grasp_psonet.photos.store import StoreForm, write_store

Vectors = dict[str, NDArray[np.float32]]  # features [N, F] of the photos of each visit
FAULT: Literal["colour_cast"] = "colour_cast"
_WITH_FAULT = f"-{FAULT}"
_DOUBLY_READ = 0.5
# (weights, edge of the photos in pixels): the packaged encoder takes 128 for the time it needs, the demo's their own
ENCODERS = {
    "efficientnet_lite0": ("packaged", 128),
    "demo_convnext": ("pretrained", 64),
    "demo_vit": ("pretrained", 64),
}


@dataclass(frozen=True)
class Readers:
    """One drawing of the readers: the chance of a gross error in a reading, and whether the shortcut is planted."""

    gross_errors: float
    has_shortcut: bool


@dataclass(frozen=True)
class DrawnGround:
    """The cohort of one seed in ``folder``; the settings say how many visits and photos."""

    folder: Path
    seed: int
    settings: SyntheticSettings = SyntheticSettings()

    @property
    def planted(self) -> SyntheticSettings:
        """The settings with a shortcut that no visit carries: its fault stays out of the random ones."""
        return replace(self.settings, shortcut=ShortcutSettings(FAULT, train_visits=0.0, other_visits=0.0))

    def make_features(self, encoder: str) -> None:
        """Draws the photos where needed and leaves the encoder's features of all of them, unless they stand."""
        weights, edge_px = ENCODERS[encoder]
        if (self._features(encoder) / "index.parquet").exists():
            return
        store = self.folder / f"store-{edge_px}"
        self._make_store(store, edge_px)
        network = NetworkSettings(encoder=encoder, weights=weights)
        extraction = Extraction(network, edge_px, self.seed, AugmentationSettings(), torch.device("cpu"), 1)
        partial = self.folder / f"{encoder}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_features(store, extraction, partial)
        partial.rename(self._features(encoder))

    def drop_photos(self) -> None:
        """Deletes photos and their stores: features are all that is read from now on."""
        for path in (self.folder / "photos", *self.folder.glob("store-*")):
            shutil.rmtree(path, ignore_errors=True)

    def visits(self, readers: Readers) -> pd.DataFrame:
        """The visits table as a study has it, with the truth beside it (columns from pasi_true on, and ``is_wrong``: a gross
        error of Reader 1 moved the class away from the true one; ``differs``: what Reader 2 would say, read or not)."""
        drawn = self._visits_and_splits()
        disease = draw_disease(draw_visits(self.planted, self.seed), self.seed)
        errs = Imperfection(self.settings.reader_noise, readers.gross_errors)
        key = f"{self.seed}, {readers.gross_errors:g}"
        readings = readings_of(drawn, disease.scores_VRS, Outcome(), _seed_of(key), errs)
        table = drawn.merge(readings, on="visit_id")
        table["is_gross"] = table["gross_error_reader1"] != ""
        table["is_wrong"] = table["is_gross"] & (table["severity_reader1"] != table["severity_true"])
        table["differs"] = table["disagree"]
        twice = generator("benchmark reads twice", self.seed).random(len(table)) < _DOUBLY_READ
        table.loc[~twice & (table["split"] == "train"), ["pasi_reader2"]] = np.nan
        return table

    def bags(self, encoder: str, visits: pd.DataFrame, readers: Readers) -> Vectors:
        """Features of the photos of every visit; with the fault where the visit carries the shortcut."""
        store = open_features(self._features(encoder))
        index = store.index
        has_fault = index["photo_id"].str.endswith(_WITH_FAULT).to_numpy(bool)
        as_is = index["photo_id"].str.removesuffix(_WITH_FAULT)
        is_replaced = (as_is.isin(as_is[has_fault]) & ~has_fault).to_numpy(bool)
        carries = self._carriers(visits, readers)
        bags = {}
        for visit_id, rows in index.groupby("visit_id", sort=False)["row"]:
            row_N = rows.to_numpy(np.int64)
            left_out = is_replaced if visit_id in carries else has_fault
            bags[str(visit_id)] = store.gather(row_N[~left_out[row_N]].tolist())
        return {visit_id: bags[visit_id] for visit_id in visits["visit_id"]}

    def _carriers(self, visits: pd.DataFrame, readers: Readers) -> set[str]:
        """Visits of train and val that carry the shortcut; those of test are nobody's concern here and were not drawn twice."""
        if not readers.has_shortcut:
            return set()
        carries_V = shortcut_visits(visits, ShortcutSettings(FAULT), Outcome().classes, self.seed)
        return set(visits.loc[carries_V & (visits["split"] != "test"), "visit_id"])

    def _features(self, encoder: str) -> Path:
        return self.folder / encoder

    def _visits_and_splits(self) -> pd.DataFrame:
        return draw_tables(self.planted, Outcome(), self.seed).visits[["visit_id", "patient_id", "study_day", "split"]]

    def _make_store(self, store: Path, edge_px: int) -> None:
        if (store / "index.parquet").exists():
            return
        photos = self._draw_photos()
        shutil.rmtree(store, ignore_errors=True)
        write_store(photos, PhotoRoot(self.folder), StoreForm(edge_px), store)

    def _draw_photos(self) -> pd.DataFrame:
        """Draws what does not lie there yet; a row per photo, those with the fault after those without."""
        tables = draw_tables(self.planted, Outcome(), self.seed)
        plans = plans_of(tables, self.settings.edge_px, self.seed)
        faulty = {f"{photo_id}{_WITH_FAULT}": photo_id for photo_id in self._can_carry(tables.photos, tables.visits)}
        plans |= {name: replace(plans[source], fault=FAULT, copy_of=None) for name, source in faulty.items()}
        visit_of = dict(zip(tables.photos["photo_id"], tables.photos["visit_id"], strict=True))
        rows = []
        for photo_id, plan in plans.items():
            visit_id = visit_of[faulty.get(photo_id, photo_id)]
            path = f"photos/{photo_id}.jpg"
            if not (self.folder / path).exists():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                partial = self.folder / "photos" / "partial"
                Image.fromarray(draw_photo(plan)).save(partial, "jpeg", quality=JPEG_QUALITY)
                partial.rename(self.folder / path)
            rows.append((photo_id, visit_id, "", path))
        return pd.DataFrame(rows, columns=["photo_id", "visit_id", "view", "path"])

    def _can_carry(self, photos: pd.DataFrame, visits: pd.DataFrame) -> list[str]:
        """Of every visit of train and val the part of the photos that carry the fault, if the visit does."""
        share = ShortcutSettings(FAULT).train_photos
        split_of = dict(zip(visits["visit_id"], visits["split"], strict=True))
        chosen: list[str] = []
        for visit_id, ids in photos.groupby("visit_id", sort=False)["photo_id"]:
            if split_of[visit_id] != "test":
                rng = generator("benchmark shortcut photos", self.seed, str(visit_id))
                chosen += rng.permutation(ids.to_numpy(dtype=object))[: max(1, round(share * len(ids)))].tolist()
        return chosen


def _seed_of(key: str) -> int:
    """A seed for the readers' chance, which is keyed by seed, visit and reader alone."""
    return int(generator("benchmark readers", key).integers(2**31))
