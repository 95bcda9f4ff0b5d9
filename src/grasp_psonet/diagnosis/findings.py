"""Findings: the traits that flagged photos share, in order, in words, and the verdict whether they are a spurious pattern.

Axes: P photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from grasp_psonet.diagnosis.association import Association, Excess, association
from grasp_psonet.diagnosis.described import DescribedPhotos
from grasp_psonet.diagnosis.enrichment import (
    Enrichment,
    benjamini_hochberg,
    comparable,
    enrichment,
    expected_mean,
)
from grasp_psonet.diagnosis.permutation import Bools, Codes, Photos
from grasp_psonet.diagnosis.traits import Trait
from grasp_psonet.evidence.intervals import MIN_PATIENTS

Strength = Literal["likely", "possible", "none found"]

SIGNIFICANT = 0.05
"""Largest corrected p-value of a finding."""
LEAST_PATIENTS = 5
"""Fewest patients of a finding: what the flagged photos of fewer share may be those patients themselves."""
POSSIBLE_RATIO, POSSIBLE_EXCESS = 2.0, 0.15
"""A finding is a possible pattern if flagged photos have it at least so many times as often, and at least so large a part of
them beyond what is expected."""
POSSIBLE_IN_TRAINING = 0.1
"""It must also go with the class of the flagged photos in training: at least such a part of that class's photos more than of
other classes have it, and more for certain (95 % interval over patients). What goes with no class teaches no class."""
LIKELY_RATIO, LIKELY_EXCESS = 3.0, 0.25
LIKELY_CONTRAST, LIKELY_TIMES = 0.1, 2.0
"""A likely pattern needs more of both, and must go with the class in training more than in validation: by at least such a part
of the class's photos, for certain, and so many times as much. A sign of severity goes with the class in both."""
_CLUSTER_DISCOUNT = 0.8  # a trait with a name goes before a cluster of features that holds about as much


@dataclass(frozen=True)
class ClassShares:
    """Share of the photos of one class that have a trait, and what it would be if as many of each view were drawn from other
    classes."""

    own: float
    other: float

    @property
    def excess(self) -> float:
        return self.own - self.other


@dataclass(frozen=True)
class Finding:
    """One enriched trait. ``class_name``: the class of most flagged photos that have it; how many photos of that class have it
    ``in_training`` and ``in_validation``, beside those of other classes. None where there is no other class to compare with.
    ``association``: the differences with their intervals; None where one of the two is.
    """

    enriched: Enrichment
    strength: Strength
    class_name: str
    in_training: ClassShares | None
    in_validation: ClassShares | None
    association: Association | None = None

    @property
    def trait(self) -> Trait:
        return self.enriched.trait

    @property
    def goes_with_class_in_training(self) -> bool:
        """Whether it does for certain; where no other class is there to compare with, it is taken to."""
        return may_teach(self.association)

    @property
    def goes_with_class_in_training_alone(self) -> bool:
        """Whether it goes with the class in training clearly more than in validation; not where that cannot be told."""
        if self.in_training is None or self.in_validation is None or self.association is None:
            return False
        is_clear = self.association.beyond_validation.is_at_least(LIKELY_CONTRAST)
        return is_clear and self.in_training.excess >= LIKELY_TIMES * self.in_validation.excess

    @property
    def sentence(self) -> str:
        """The finding in words."""
        one = self.enriched
        shares = f"{_percent(one.share)} of them, against {_percent(one.expected)} of other photos of the same class and view"
        told = f"Flagged photos are {one.ratio:.1f} times as often {one.trait.words}: {shares}."
        if self.in_training is None or self.in_validation is None:
            return told
        train, val = self.in_training, self.in_validation
        beside = (
            f"{told} In training {_percent(train.own)} of {self.class_name} photos are so and {_percent(train.other)} of those"
            f" of other classes, in validation {_percent(val.own)} and {_percent(val.other)}"
        )
        if self.association is None:
            return f"{beside}."
        more = self.association.beyond_validation
        return f"{beside}: {_points(more)} in training."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _points(more: Excess) -> str:
    told = f"a difference larger by {100 * more.value:.0f} points"
    if more.low is None or more.high is None:
        return f"{told} (no interval: fewer than {MIN_PATIENTS} patients of the class in a split)"
    return f"{told} ({100 * more.low:.0f} to {100 * more.high:.0f})"


def findings(
    described: DescribedPhotos,
    traits: Sequence[Trait],
    flagged: Sequence[str],
    class_names: Sequence[str],
    test: tuple[int, int],
) -> list[Finding]:
    """Every trait, likely patterns first, then possible ones, then the rest; within each by the part of the flagged photos that
    have it beyond what is expected.

    ``flagged``: ids of training photos; ``test``: permutations for each trait, and seed. Empty where nothing is flagged.
    """
    photos = described.flagged(flagged)
    train = np.flatnonzero(described.is_train)
    permutations, seed = test
    of_train = [_restricted(trait, train) for trait in traits]
    enriched = enrichment(of_train, photos.rows(train), permutations * len(traits), seed)
    if not enriched:
        return []
    by_class = [_associations(trait, photos, described.is_train, seed) for trait in traits]
    corrected = corrected_among([one.p for one in enriched], [any(map(may_teach, of.values())) for of in by_class])
    found = [
        _finding(described, photos, replace(one, trait=trait, p_corrected=p), (class_names, of))
        for one, trait, p, of in zip(enriched, traits, corrected, by_class, strict=True)
    ]
    ranks: dict[Strength, int] = {"likely": 0, "possible": 1, "none found": 2}
    return sorted(found, key=lambda one: (ranks[one.strength], -_weight(one.enriched), one.enriched.p))


def may_teach(goes: Association | None) -> bool:
    """Whether a trait goes with a class in training for certain, so that it could teach it; taken to where it is not known."""
    return goes is None or goes.in_training.is_at_least(POSSIBLE_IN_TRAINING)


def corrected_among(p: Sequence[float], may_teach: Sequence[bool]) -> list[float]:
    """p-values corrected (Benjamini and Hochberg) among the traits that could teach a class; of the others among all traits.

    Flags are permuted within classes, and which trait goes with a class does not depend on them: leaving out the traits that
    go with none keeps the rate of false discoveries (Bourgon, Gentleman and Huber 2010).
    """
    p_T, may_teach_T = np.asarray(p, dtype=np.float64), np.asarray(may_teach, dtype=np.bool)
    corrected_T = benjamini_hochberg(p_T)
    if may_teach_T.any():
        corrected_T[may_teach_T] = benjamini_hochberg(p_T[may_teach_T])
    return [float(one) for one in corrected_T]


def _associations(trait: Trait, photos: Photos, is_train_P: Bools, seed: int) -> dict[int, Association | None]:
    """How the trait goes with every class that has flagged photos."""
    flagged = np.unique(photos.class_P[photos.is_flagged_P])
    return {int(one): association(trait.has_P, photos.class_P == one, photos, is_train_P, seed) for one in flagged}


def verdict_of(found: Sequence[Finding]) -> Strength:
    """Whether the flagged photos share a spurious pattern: that of the first finding."""
    return found[0].strength if found else "none found"


def _weight(one: Enrichment) -> float:
    return one.excess * (_CLUSTER_DISCOUNT if one.trait.kind == "cluster" else 1.0)


def _finding(
    described: DescribedPhotos,
    photos: Photos,
    one: Enrichment,
    told: tuple[Sequence[str], dict[int, Association | None]],
) -> Finding:
    """``told``: names of the classes, and how the trait goes with each that has flagged photos."""
    class_names, by_class = told
    carriers = photos.is_flagged_P & one.trait.has_P
    counted = carriers if carriers.any() else photos.is_flagged_P
    leading = int(np.bincount(photos.class_P[counted]).argmax())
    is_train_P, is_class_P = described.is_train, photos.class_P == leading
    in_training, in_validation = (
        _class_shares(one.trait.has_P[rows], is_class_P[rows], photos.view_P[rows])
        for rows in (np.flatnonzero(is_train_P), np.flatnonzero(~is_train_P))
    )
    found = Finding(one, "none found", class_names[leading], in_training, in_validation, by_class[leading])
    return replace(found, strength=strength_of(found))


def is_pattern(one: Enrichment) -> bool:
    """Whether flagged photos have the trait often enough, for certain, and in enough patients."""
    is_certain = one.p_corrected <= SIGNIFICANT and one.num_patients >= LEAST_PATIENTS
    return is_certain and one.ratio >= POSSIBLE_RATIO and one.excess >= POSSIBLE_EXCESS


def strength_of(found: Finding) -> Strength:
    """How sure it is that the finding is a spurious pattern, by the thresholds above."""
    one = found.enriched
    if not is_pattern(one) or not found.goes_with_class_in_training:
        return "none found"
    is_large = one.ratio >= LIKELY_RATIO and one.excess >= LIKELY_EXCESS
    return "likely" if is_large and found.goes_with_class_in_training_alone else "possible"


def _class_shares(has_P: Bools, is_class_P: Bools, view_P: Codes) -> ClassShares | None:
    """Shares of the photos of views that several classes have."""
    rows = comparable(is_class_P, view_P)
    has_P, is_class_P, view_P = has_P[rows], is_class_P[rows], view_P[rows]
    if not is_class_P.any():
        return None
    other = expected_mean(has_P.astype(np.float64), is_class_P, view_P)
    return ClassShares(float(has_P[is_class_P].mean()), other)


def _restricted(trait: Trait, rows: Codes) -> Trait:
    measure_P = None if trait.measure_P is None else trait.measure_P[rows]
    return replace(trait, has_P=trait.has_P[rows], measure_P=measure_P)
