"""How far a network's outputs speak against labels, by the kind of outcome; another kind is one more entry.

Axes: D draws or visits, C outputs (of classes: logits).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal

Floats = NDArray[np.float64]
Labels = NDArray[np.int64] | Floats


@dataclass(frozen=True)
class Doubts:
    """``margin_D`` is above 0 where the outputs contradict the label, ``distance_D`` (0 or more) is how far they lie from it,
    ``is_right_D`` whether they are no error."""

    margin_D: Floats
    distance_D: Floats
    is_right_D: NDArray[np.bool]


DoubtsOf = Callable[[Outcome, Floats, Labels], Doubts]  # (outcome, output_DC, label_D)


def doubts_of(outcome: Outcome, output_DC: Floats, label_D: Labels) -> Doubts:
    """What the outputs say against the labels."""
    return DOUBTS[outcome.kind](outcome, output_DC, label_D)


def margin_against(logit_DC: Floats, label_D: Labels) -> Floats:
    """Best other logit minus the label's [D]: positive where the label is not the prediction."""
    own_D = logit_DC[np.arange(len(label_D)), label_D.astype(np.int64)]
    is_own_DC = np.arange(logit_DC.shape[1]) == label_D[:, None]
    margin_D: Floats = np.where(is_own_DC, -np.inf, logit_DC).max(axis=1, initial=-np.inf) - own_D
    return margin_D


def _of_logits(_: Outcome, logit_DC: Floats, label_D: Labels) -> Doubts:
    own_DC = np.eye(logit_DC.shape[1])[label_D.astype(np.int64)]
    distance_D: Floats = np.linalg.norm(softmax(logit_DC, axis=1) - own_DC, axis=1)
    return Doubts(margin_against(logit_DC, label_D), distance_D, logit_DC.argmax(axis=1) == label_D)


def _of_units(outcome: Outcome, unit_DC: Floats, label_D: Labels) -> Doubts:
    """In points; an output contradicts the label where it is off by more than the readers' noise."""
    assert isinstance(outcome, PasiTotal)
    off_D: Floats = np.abs(outcome.off(outcome.points_of(unit_DC[:, 0]), label_D))
    return Doubts(off_D - outcome.noise_points, off_D, off_D <= outcome.noise_points)


DOUBTS: dict[str, DoubtsOf] = {"classes": _of_logits, "pasi": _of_units, "pasi regional": _of_units}
