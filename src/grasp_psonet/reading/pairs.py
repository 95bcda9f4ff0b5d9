"""How far two readings of the same visits agree: classes, and scores where there are any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Said = tuple[float | None, int | None]  # score, class; both missing where not assessable


@dataclass(frozen=True)
class Agreement:
    """``num_visits``: read by both and assessable to both. ``same_class``: part of them, 0 to 1. ``kappa``: Cohen's, linear
    weights; missing where it does not exist. ``mean_difference``: second less first, points; missing without scores."""

    num_visits: int
    same_class: float | None
    kappa: float | None
    mean_difference: float | None
    mean_absolute_difference: float | None


def agreement(pairs: Sequence[tuple[Said, Said]], num_classes: int) -> Agreement:
    """Agreement over pairs of readings; those that one calls not assessable are left out."""
    told = [(first, second) for first, second in pairs if first[1] is not None and second[1] is not None]
    if not told:
        return Agreement(0, None, None, None, None)
    grades = np.array([[first[1], second[1]] for first, second in told], dtype=np.int64)
    same = float((grades[:, 0] == grades[:, 1]).mean())
    scores = np.array([[a[0], b[0]] for a, b in told if a[0] is not None and b[0] is not None], dtype=np.float64)
    apart = scores[:, 1] - scores[:, 0] if len(scores) else None
    means = (None, None) if apart is None else (float(apart.mean()), float(np.abs(apart).mean()))
    return Agreement(len(told), same, weighted_kappa(grades, num_classes), *means)


def weighted_kappa(grades_V2: np.ndarray, num_classes: int) -> float | None:
    """Cohen's kappa with linear weights (Cohen 1968) of two readers' classes [visit, reader]; None where both always gave one
    and the same class, so that no disagreement is expected by chance."""
    table_CC = np.zeros((num_classes, num_classes))
    np.add.at(table_CC, (grades_V2[:, 0], grades_V2[:, 1]), 1 / len(grades_V2))
    apart_CC = np.abs(np.subtract.outer(np.arange(num_classes), np.arange(num_classes)))
    expected = float((np.outer(table_CC.sum(axis=1), table_CC.sum(axis=0)) * apart_CC).sum())
    return None if expected == 0 else 1 - float((table_CC * apart_CC).sum()) / expected
