"""Persons: skin and hair colours of the six Fitzpatrick types, and how redness looks on them. Colours are RGB in 0..1."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FITZPATRICK = ("I", "II", "III", "IV", "V", "VI")
Colour = npt.NDArray[np.floating[Any]]

_SKIN = np.array(
    [[246, 217, 203], [236, 199, 176], [216, 170, 138], [180, 128, 95], [130, 87, 63], [88, 60, 48]], np.float32
)
_HAIR = np.array([[168, 120, 72], [104, 72, 48], [58, 42, 34], [34, 27, 24], [26, 22, 21], [22, 19, 19]], np.float32)
# What one grade of erythema takes from each channel (an exponent): the red of blood on light skin; on dark skin
# melanin hides it, and the plaque is violaceous to brown-grey and darker than its surroundings.
_REDNESS = np.array(
    [
        [0.045, 0.235, 0.185],
        [0.050, 0.235, 0.190],
        [0.065, 0.225, 0.185],
        [0.105, 0.205, 0.155],
        [0.140, 0.185, 0.105],
        [0.150, 0.175, 0.075],
    ],
    np.float32,
)
_SCALE = np.array(
    [[240, 233, 226], [240, 232, 224], [234, 225, 215], [216, 205, 196], [190, 181, 176], [170, 163, 161]], np.float32
)
_PALE_PALM = (0.0, 0.0, 0.08, 0.25, 0.5, 0.65)  # palms and soles hold little melanin
_PALM = np.array([226, 178, 150], np.float32)


@dataclass(frozen=True)
class Person:
    """What stays the same over a patient's photos; tone, warmth and hair vary within a skin type."""

    fitzpatrick: str
    tone: float = 0.0
    warmth: float = 0.0
    hairiness: float = 0.3

    @property
    def index(self) -> int:
        return FITZPATRICK.index(self.fitzpatrick)

    def skin(self, shape: str) -> Colour:
        """Skin colour of this person in a view."""
        base = _SKIN[self.index] / 255
        if shape in ("palm", "sole"):
            pale = _PALE_PALM[self.index]
            base = base * (1 - pale) + _PALM / 255 * pale
        shift = np.array([1.0, -0.15, -1.0], np.float32) * self.warmth
        return np.asarray(np.clip(base * np.exp(self.tone + shift), 0, 1), np.float32)

    @property
    def hair(self) -> Colour:
        return np.asarray(np.clip(_HAIR[self.index] / 255 * (1 + 3 * self.tone), 0, 1), np.float32)

    @property
    def redness(self) -> Colour:
        """Exponent per grade of erythema and channel."""
        return np.asarray(_REDNESS[self.index])

    @property
    def scale(self) -> Colour:
        """Colour of silvery scale, which looks greyer on dark skin."""
        return np.asarray(_SCALE[self.index] / 255)


def random_person(rng: np.random.Generator, fitzpatrick: str) -> Person:
    """A person of a skin type."""
    tone, warmth = rng.normal(0, 0.045), rng.normal(0, 0.025)
    return Person(fitzpatrick, float(tone), float(warmth), float(rng.beta(1.3, 2.0)))
