"""How far new photos lie from those that trained, and what is unusual about their quality."""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.errors import GraspError
from grasp_psonet.features.distance import FAR, TrainingCloud, Whitening, share_nearer, whitening
from grasp_psonet.features.extract import BATCH, Extraction, Extractor
from grasp_psonet.features.store import FeatureStore, open_features
from grasp_psonet.photos.measures import measure_quality
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.photos.unusual import UsualQuality, usual_quality
from grasp_psonet.proof import is_complete, proven, read_note
from grasp_psonet.stages.new_visits.found import NewBags
from grasp_psonet.stages.new_visits.pixels import PixelFile
from grasp_psonet.stages.run import TrainedRun, with_weights_of
from grasp_psonet.tables.columns import (
    DISTANCE,
    IS_FAR,
    NEARER,
    PATIENT_ID,
    PHOTO_ID,
    ROW,
    SPLIT,
    VIEW,
    VISIT_ID,
)

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reach:
    """Distances of new photos and of new visits (in the order of the bags), each with the share of training photos or visits
    that are nearer, and the number of training visits and photos that it is told from. All missing where ``why_not`` says why.
    """

    photos: pd.DataFrame
    visits: pd.DataFrame
    why_not: str = ""
    num_photos: int = 0
    num_visits: int = 0


def reach_of(run: TrainedRun, new: NewBags) -> Reach:
    """How far the new photos lie from those that the run was trained on, in the space of the start encoder's features."""
    try:
        space = _Space(run)
        cloud = space.cloud
        distance_P = cloud.distances(space.vectors_of(new))
    except _NoDistance as reason:
        return _no_reach(new, str(reason))
    except GraspError as error:
        return _no_reach(new, str(error).partition("\n")[0])
    rows = [list(bag.rows) for bag in new.bags]
    visit_V = np.array([np.median(distance_P[of_visit]) for of_visit in rows])
    order = [row for of_visit in rows for row in of_visit]
    photos = _told(distance_P[order], share_nearer(distance_P[order], cloud.usual_photos))
    visits = _told(visit_V, share_nearer(visit_V, cloud.usual_visits))
    return Reach(photos, visits, "", len(cloud.usual_photos), len(cloud.usual_visits))


def quality_of(run: TrainedRun, new: NewBags) -> tuple[list[str], UsualQuality | None]:
    """Per new photo, visit by visit, what is unusual about it (empty: nothing), and what is usual; None without photos."""
    none = [""] * sum(len(bag) for bag in new.bags)
    pixels = new.instances
    if not isinstance(pixels, PixelFile) or not is_complete(run.job.study.store):
        return none, None
    usual = usual_quality(open_store(proven(run.job.study.store)).index)
    return ["; ".join(usual.warnings(measure_quality(pixels[row]))) for bag in new.bags for row in bag.rows], usual


class _NoDistance(Exception):
    """Why there is no distance."""


def _told(distances: NDArray[np.float64], nearer: NDArray[np.float64]) -> pd.DataFrame:
    return pd.DataFrame({DISTANCE: distances, NEARER: nearer, IS_FAR: pd.array(nearer >= FAR, dtype="boolean")})


def _no_reach(new: NewBags, why: str) -> Reach:
    def missing(count: int) -> pd.DataFrame:
        nothing = np.full(count, np.nan)
        return pd.DataFrame({DISTANCE: nothing, NEARER: nothing, IS_FAR: pd.array([pd.NA] * count, dtype="boolean")})

    return Reach(missing(sum(len(bag) for bag in new.bags)), missing(len(new.bags)), why)


@dataclass(frozen=True, eq=False)
class _Space:
    """The space in which photos of the run's study are compared: features of the start encoder, or the study's own vectors,
    whitened by those that trained.
    """

    run: TrainedRun

    @cached_property
    def store(self) -> FeatureStore:
        folder = self.run.job.study.features
        if not is_complete(folder):
            raise _NoDistance("the study has no features/ to compare with; `grasp features STUDY` makes them")
        made = read_note(folder)["settings"]
        settings = self.run.settings
        now = {
            "network.encoder": settings.network.encoder,
            "network.weights": settings.network.weights,
            "photos.edge_px": settings.edge_px,
        }
        other = [name for name, value in now.items() if name in made and made[name] != value]
        if other:
            raise _NoDistance(f"features/ was made under another {other[0]} than the run")
        return open_features(proven(folder))

    @cached_property
    def trained(self) -> pd.DataFrame:
        """Row, visit and patient of the photos that trained."""
        visits = self.run.cohort.visits
        patient_of = visits[visits[SPLIT] == "train"].set_index(VISIT_ID)[PATIENT_ID]
        index, removed = self.store.index, self.run.inputs.removed
        rows = index[index[VISIT_ID].isin(patient_of.index) & ~index[PHOTO_ID].isin(removed)]
        found = pd.DataFrame({ROW: rows[ROW], VISIT_ID: rows[VISIT_ID], PATIENT_ID: rows[VISIT_ID].map(patient_of)})
        if found[PATIENT_ID].nunique() < 2:
            raise _NoDistance("the run was trained on photos of fewer than two patients")
        return found

    @cached_property
    def raw_vectors(self) -> Vectors:
        """The training vectors as they are."""
        return np.asarray(self.store.vectors[self.trained[ROW].to_numpy(), 0], dtype=np.float32)

    @cached_property
    def whiten(self) -> Whitening:
        """Vectors as they are to coordinates in this space."""
        found = whitening(self.raw_vectors)
        if found is None:
            raise _NoDistance("the features of all training photos are the same")
        return found

    @cached_property
    def cloud(self) -> TrainingCloud:
        """The training photos in this space."""
        trained = self.trained
        visit_T, patient_T = (trained[column].astype(str).to_numpy(object) for column in (VISIT_ID, PATIENT_ID))
        return TrainingCloud(self.whiten(self.raw_vectors), visit_T, patient_T, self.run.settings.seed)

    def vectors_of(self, new: NewBags) -> Vectors:
        """The new photos, or vectors, in this space, by row."""
        raw = new.instances
        return self.whiten(self._encoded(raw) if isinstance(raw, PixelFile) else raw)

    def _encoded(self, pixels: PixelFile) -> Vectors:
        settings = self.run.settings
        network = with_weights_of(self.run.job.study, settings.network)
        extraction = Extraction(
            network, settings.edge_px, settings.seed, AugmentationSettings(), self.run.device, settings.threads
        )
        index = pd.DataFrame({name: ["new"] * len(pixels) for name in (PHOTO_ID, VISIT_ID, VIEW)})
        extractor = Extractor(PhotoStore(cast("NDArray[np.uint8]", pixels), index), extraction)
        found = [extractor.features(start)[:, 0] for start in range(0, len(pixels), BATCH)]
        return np.concatenate(found)
