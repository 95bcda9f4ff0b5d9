"""A second reading by throwing dice: true places, readings and gross errors are drawn, nothing is integrated."""

import numpy as np

from grasp_psonet.audit.latent_scale import Intervals
from grasp_psonet.audit.reader_model import ReaderModel


def second_readings(
    model: ReaderModel, predicted: float, reading: tuple[float, float], own_class: tuple[float, float], num: int
) -> tuple[float, float]:
    """Fractions, among drawn visits that Reader 1 read within ``reading``, of second readings outside ``own_class``: with the
    true place outside it (a gross error), and inside it (a threshold flip)."""
    rng = np.random.default_rng(7)
    place = rng.normal(model.intercept + model.slope * predicted, model.spread, num)
    first, second = (_read(model, place, rng) for _ in range(2))
    is_given = (first > reading[0]) & (first <= reading[1])
    assert is_given.sum() > 2000, "too few drawn visits were read so"
    is_own = (place > own_class[0]) & (place <= own_class[1])
    is_other = ~((second > own_class[0]) & (second <= own_class[1]))
    return float((is_other & ~is_own)[is_given].mean()), float((is_other & is_own)[is_given].mean())


def _read(model: ReaderModel, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    is_slip = rng.random(len(place)) < model.gross
    return np.where(
        is_slip, rng.normal(model.mean, model.sd, len(place)), place + rng.normal(0, model.noise, len(place))
    )


def interval(low: float, high: float) -> Intervals:
    """One visit's interval."""
    return Intervals(np.array([low]), np.array([high]))
