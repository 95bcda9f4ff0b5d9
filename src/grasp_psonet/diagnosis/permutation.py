"""Permutations of flags within class and view that keep together what belongs together.

The flags of a visit move as a whole to another visit of the same class, view by view; visits of a patient in one class move
together to a patient with as many visits in that class. So flags that come in clusters (a visit, a patient) stay clustered, and
a trait of few patients is not taken for a trait of many photos. Sizes that fewer than ``LEAST_BLOCKS`` patients have are dealt
as single visits.

Axes: P photos, V visits, K flagged photos, R permutations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.chance import generator
from grasp_psonet.errors import EvidenceError

Codes = NDArray[np.int64]
Bools = NDArray[np.bool]
LEAST_BLOCKS = 5
_AT_ONCE = 100
NOWHERE = -1


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos by codes from 0: their class, view, visit and patient, and which are flagged. All photos of a visit are of one
    class and of one patient."""

    is_flagged_P: Bools
    class_P: Codes
    view_P: Codes
    visit_P: Codes
    patient_P: Codes

    def __post_init__(self) -> None:
        codes = (self.class_P, self.view_P, self.visit_P, self.patient_P)
        lengths = {len(one) for one in (self.is_flagged_P, *codes)}
        if len(lengths) != 1:
            raise EvidenceError(f"flags and codes of the photos are of different lengths: {sorted(lengths)}")
        for name, code_P in (("class", self.class_P), ("patient", self.patient_P)):
            pairs = np.unique(np.stack([self.visit_P, code_P]), axis=1)
            if pairs.shape[1] != len(np.unique(self.visit_P)):
                raise EvidenceError(f"photos of one visit are of more than one {name}; wanted: one a visit")

    @cached_property
    def stratum(self) -> Codes:
        """Class and view of each photo [P] as one code from 0; every code occurs."""
        pairs = np.stack([self.class_P, self.view_P])
        return np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def rows(self, chosen: NDArray[np.int64] | Bools) -> "Photos":
        """These photos alone."""
        return Photos(
            self.is_flagged_P[chosen],
            self.class_P[chosen],
            self.view_P[chosen],
            self.visit_P[chosen],
            self.patient_P[chosen],
        )


def permuted_flags(photos: Photos, permutations: int, seed: int) -> Iterator[Codes]:
    """Rows [R, K] of the photos that bear the flags in each permutation, some permutations at a time.

    ``NOWHERE`` where the visit that a flag moves to has no photo of its view. Where a visit has several photos of a view, the
    first takes the flag of the first, and so on around.
    """
    visits, visit_P = np.unique(photos.visit_P, return_inverse=True)
    num_views = int(photos.view_P.max(initial=0)) + 1
    cell_P = visit_P * num_views + photos.view_P
    order_P = np.argsort(cell_P, kind="stable")
    count_C = np.bincount(cell_P, minlength=len(visits) * num_views)
    start_C = np.cumsum(count_C) - count_C
    place_P = np.empty(len(cell_P), dtype=np.int64)
    place_P[order_P] = np.arange(len(cell_P)) - start_C[cell_P[order_P]]
    flagged_K = np.flatnonzero(photos.is_flagged_P)
    blocks = _blocks(photos, visit_P, len(visits))
    rng = generator("permuted flags", seed)
    for first in range(0, permutations, _AT_ONCE):
        num = min(_AT_ONCE, permutations - first)
        target_RV = np.tile(np.arange(len(visits)), (num, 1))
        for block_BM in blocks:
            dealt_RB = np.argsort(rng.random((num, len(block_BM))), axis=1)
            target_RV[:, block_BM.ravel()] = block_BM[dealt_RB].reshape(num, -1)
        cell_RK = target_RV[:, visit_P[flagged_K]] * num_views + photos.view_P[flagged_K]
        count_RK = count_C[cell_RK]
        at_RK = start_C[cell_RK] + place_P[flagged_K] % np.maximum(count_RK, 1)
        yield np.where(count_RK > 0, order_P[np.minimum(at_RK, len(order_P) - 1)], NOWHERE)


def _blocks(photos: Photos, visit_P: Codes, num_visits: int) -> list[Codes]:
    """Visits [B, M] that are dealt anew: blocks of M visits of one patient in one class, one array per class and size."""
    first_V = np.zeros(num_visits, dtype=np.int64)
    first_V[visit_P[::-1]] = np.arange(len(visit_P))[::-1]
    class_V, patient_V = photos.class_P[first_V], photos.patient_P[first_V]
    found: list[Codes] = []
    for one in np.unique(class_V):
        by_size: dict[int, list[Codes]] = {}
        for patient in np.unique(patient_V[class_V == one]):
            visits = np.flatnonzero((class_V == one) & (patient_V == patient))
            by_size.setdefault(len(visits), []).append(visits)
        single = by_size.pop(1, [])
        for size in sorted(by_size):
            if len(by_size[size]) < LEAST_BLOCKS:
                single += [visit[None] for block in by_size[size] for visit in block]
            else:
                found.append(np.stack(by_size[size]))
        if single:
            found.append(np.stack(single))
    return found
