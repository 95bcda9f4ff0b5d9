"""The diagnosis as the report shows it (see ``data``): what is wrong, what the flagged photos share, and photos of it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ShownPhoto:
    """A photo in the gallery of a finding; ``neighbour_of``: the flagged photo that it stands beside, None where it is one."""

    photo_id: str
    visit_id: str
    photo: bytes | None
    neighbour_of: str | None = None


@dataclass(frozen=True)
class SharedTrait:
    """A trait that flagged photos were compared in (``diagnosis/findings.parquet``), in words, with its galleries."""

    words: str
    strength: Literal["likely", "possible", "none found"]
    kind: Literal["measure", "column", "cluster"]
    trait: str
    value: str
    num_flagged: int
    num_patients: int
    share: float
    expected_share: float
    ratio: float
    odds_ratio: float | None
    standardised_difference: float | None
    p_corrected: float
    class_name: str
    class_share_train: float | None
    other_share_train: float | None
    class_share_val: float | None
    other_share_val: float | None
    photos: tuple[ShownPhoto, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with the study, with its evidence; ``verdict``: whether the flagged photos share a spurious pattern.

    ``traits``: the first of ``num_traits`` that were compared.
    """

    diagnosis: str
    in_words: str
    evidence: tuple[str, ...]
    verdict: Literal["likely", "possible", "none found"]
    num_flagged: int
    num_traits: int
    traits: tuple[SharedTrait, ...] = ()
