"""The galleries of a finding: flagged photos that carry it, and their nearest neighbours that were not flagged.

Axes: P photos, F features.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.diagnosis.described import DescribedPhotos
from grasp_psonet.diagnosis.traits import Floats, Trait
from grasp_psonet.tables.columns import DISTANCE, NEIGHBOUR_OF, PHOTO_ID, ROLE, VISIT_ID

CARRIER, NEIGHBOUR = "carrier", "neighbour"


def gallery(described: DescribedPhotos, trait: Trait, flagged: Sequence[str], most: int) -> pd.DataFrame:
    """role, photo_id, visit_id, neighbour_of, distance: the first ``most`` flagged photos with the trait, each followed by its
    neighbour.

    A neighbour is the nearest training photo of the same class and view, of another visit and not flagged: by the angle of
    their features (1 - cosine), or without features by their measures (Euclidean distance in standard deviations). A photo
    without one stands alone. ``neighbour_of`` and ``distance`` are missing for carriers.
    """
    photo_ids = described.photo_ids
    place_of = {photo_id: place for place, photo_id in enumerate(photo_ids)}
    photos, is_train_P = described.flagged(flagged), described.is_train
    visit_ids = described.table[VISIT_ID].to_numpy(dtype=object)
    carriers = [place_of[photo_id] for photo_id in flagged if trait.has_P[place_of[photo_id]]][:most]
    rows: list[tuple[str, str, str, str | None, float | None]] = []
    for place in carriers:
        rows.append((CARRIER, photo_ids[place], visit_ids[place], None, None))
        is_like_P = photos.stratum == photos.stratum[place]
        others = np.flatnonzero(
            is_like_P & is_train_P & ~photos.is_flagged_P & (photos.visit_P != photos.visit_P[place])
        )
        if not len(others):
            continue
        distance = _distances(described, place, others)
        nearest = int(distance.argmin())
        other = others[nearest]
        rows.append((NEIGHBOUR, photo_ids[other], visit_ids[other], photo_ids[place], float(distance[nearest])))
    table = pd.DataFrame(rows, columns=[ROLE, PHOTO_ID, VISIT_ID, NEIGHBOUR_OF, DISTANCE])
    return table.astype({NEIGHBOUR_OF: "string", DISTANCE: float})


def _distances(described: DescribedPhotos, place: int, others: NDArray[np.int64]) -> Floats:
    if described.feature_PF is not None:
        own_F, other_OF = described.feature_PF[place], described.feature_PF[others]
        length_O = np.linalg.norm(other_OF, axis=1) * np.linalg.norm(own_F)
        return np.asarray(1 - (other_OF @ own_F) / np.where(length_O > 0, length_O, np.inf))
    if not described.measures:
        return np.zeros(len(others))
    apart = []
    for measure_P in described.measures.values():
        spread = float(np.nanstd(measure_P))
        apart.append((measure_P[others] - measure_P[place]) / spread if spread > 0 else np.zeros(len(others)))
    return np.asarray(np.linalg.norm(np.nan_to_num(np.stack(apart)), axis=0))
