"""How far a new photo lies from the photos that trained, in feature space (k nearest neighbours, Sun et al. 2022).

Features are whitened first: turned onto the principal axes of the training photos and divided by their spread there, so that a
direction in which training photos hardly differ counts as much as one in which they differ much (Mahalanobis).

The distance of a photo is the mean of its distances to the k nearest training photos. What is usual is what training photos
themselves have, each compared with the photos of other patients alone: a new visit is of a new patient too. A visit's
distance is the median of its photos'.
"""

# Axes: P photos asked about, T training photos, F feature length, K principal axes, V visits.

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.chance import generator

Floats = NDArray[np.float64]

NUM_NEIGHBOURS = 5
FAR = 0.99  # share of training photos, or visits, that must be nearer for one to be called far
MOST_COMPARED = 2000  # training photos whose own distances say what is usual; whole visits, drawn by the seed
_AT_ONCE = 256
_MOST_AXES, _FEWEST_AXES = 64, 10
_PHOTOS_PER_AXIS = 10  # an axis that fewer tell is fitted to them, and every new photo lies far along it
_LEAST_SPREAD = 1e-6  # of the widest axis


@dataclass(frozen=True, eq=False)
class Whitening:
    """Features [P, F] to whitened coordinates [P, K]."""

    mean_F: Floats
    axis_FK: Floats

    def __call__(self, feature_PF: NDArray[np.float32]) -> NDArray[np.float32]:
        whitened_PK = (feature_PF - self.mean_F) @ self.axis_FK
        return whitened_PK.astype(np.float32)


def whitening(feature_TF: NDArray[np.float32]) -> Whitening | None:
    """The whitening of the training photos, on one axis for every ten of them (10 to 64); None where all photos are alike."""
    mean_F = feature_TF.mean(axis=0, dtype=np.float64)
    centred_TF = feature_TF - mean_F
    variance_F, axis_FF = np.linalg.eigh(centred_TF.T @ centred_TF / len(feature_TF))
    spread_F = np.sqrt(np.maximum(variance_F[::-1], 0))
    wanted = min(_MOST_AXES, max(_FEWEST_AXES, len(feature_TF) // _PHOTOS_PER_AXIS), len(feature_TF) - 1)
    count = min(wanted, int((spread_F > _LEAST_SPREAD * spread_F[0]).sum())) if spread_F[0] > 0 else 0
    return Whitening(mean_F, axis_FF[:, ::-1][:, :count] / spread_F[:count]) if count else None


@dataclass(frozen=True, eq=False)
class TrainingCloud:
    """The features [T, F] of the training photos with visit and patient of each, of at least two patients."""

    feature_TF: NDArray[np.float32]
    visit_T: NDArray[np.object_]
    patient_T: NDArray[np.object_]
    seed: int = 0

    @cached_property
    def usual_photos(self) -> Floats:
        """Distances of training photos to those of other patients, rising."""
        return np.sort(self._own[1])

    @cached_property
    def usual_visits(self) -> Floats:
        """The same of training visits, rising."""
        visit_P, distance_P = self._own
        return np.sort(pd.Series(distance_P).groupby(visit_P).median().to_numpy(np.float64))

    @property
    def num_neighbours(self) -> int:
        """How many nearest photos a distance is the mean of: 5, or as many as there are of other patients for everyone."""
        largest = int(pd.Series(self.patient_T).value_counts().max())
        return min(NUM_NEIGHBOURS, len(self.patient_T) - largest)

    def distances(self, feature_PF: NDArray[np.float32]) -> Floats:
        """The distance of each of these photos [P, F], all of them of other patients."""
        return self._mean_of_nearest(feature_PF, None)

    @cached_property
    def _own(self) -> tuple[NDArray[np.object_], Floats]:
        """Visit and distance of the training photos that are compared."""
        visits = np.unique(self.visit_T.astype(str))
        order = generator("usual distances", self.seed).permutation(len(visits))
        counts = pd.Series(self.visit_T).value_counts()
        so_far = np.cumsum([int(counts[visits[i]]) for i in order])
        chosen = {visits[i] for i, total in zip(order, so_far, strict=True) if total <= MOST_COMPARED or i == order[0]}
        row_P = np.flatnonzero([visit in chosen for visit in self.visit_T])
        return self.visit_T[row_P], self._mean_of_nearest(self.feature_TF[row_P], self.patient_T[row_P])

    def _mean_of_nearest(self, feature_PF: NDArray[np.float32], patient_P: NDArray[np.object_] | None) -> Floats:
        """Mean distance of each photo to the nearest ones, none of them of its own patient."""
        trained_TF, k = self.feature_TF.astype(np.float64), self.num_neighbours
        norm_T = np.einsum("tf,tf->t", trained_TF, trained_TF)
        found = np.empty(len(feature_PF))
        for start in range(0, len(feature_PF), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            part_PF = feature_PF[rows].astype(np.float64)
            squared_PT = np.einsum("pf,pf->p", part_PF, part_PF)[:, None] + norm_T - 2 * (part_PF @ trained_TF.T)
            if patient_P is not None:
                squared_PT[patient_P[rows][:, None] == self.patient_T[None]] = np.inf
            nearest_PK = np.partition(squared_PT, k - 1, axis=1)[:, :k]
            found[rows] = np.sqrt(np.maximum(nearest_PK, 0)).mean(axis=1)
        return found


def share_nearer(distances: Sequence[float] | Floats, usual: Floats) -> Floats:
    """For each distance the share of the usual ones (rising) that are smaller, 0 to 1."""
    share: Floats = np.searchsorted(usual, np.asarray(distances), side="left") / len(usual)
    return share
