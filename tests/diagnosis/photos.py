"""Photos with flags and traits, drawn."""

import numpy as np

from grasp_psonet.diagnosis.permutation import Photos
from grasp_psonet.diagnosis.traits import Trait


def drawn_photos(rng: np.random.Generator, num_patients: int = 12, num_views: int = 3, rate: float = 0.3) -> Photos:
    """Patients of one to three visits of three classes; every view with some missing; flags at random."""
    patient, visit, view, label = [], [], [], []
    number = 0
    for one in range(num_patients):
        for _ in range(rng.integers(1, 4)):
            severity = int(rng.integers(3))
            for place in range(num_views):
                if rng.random() < 0.9:
                    patient.append(one)
                    visit.append(number)
                    view.append(place)
                    label.append(severity)
            number += 1
    flagged = rng.random(len(patient)) < rate
    return Photos(flagged, np.array(label), np.array(view), np.array(visit), np.array(patient))


def trait(has_P: np.ndarray, name: str = "tint", measure_P: np.ndarray | None = None) -> Trait:
    return Trait("column" if measure_P is None else "measure", name, "high", f"{name}ed", has_P, measure_P)
