"""Enrichment: which traits flagged photos have more often than other photos of the same class and view.

Axes: P photos, T traits, S strata (class and view), K flagged photos, R permutations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grasp_psonet.diagnosis.permutation import NOWHERE, Codes, Photos, permuted_flags
from grasp_psonet.diagnosis.traits import Bools, Floats, Trait

_HALF = 0.5  # photo, added to both counts: the ratio of a trait that no other photo has is finite
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Enrichment:
    """One trait among the flagged photos against the others of the same class and view.

    ``num_flagged`` of the flagged photos have it, of ``num_patients`` patients. ``share``: of the flagged photos;
    ``expected``: what it would be if as many photos of each class and view were drawn from those that are not flagged.
    ``ratio``: of the two counts, half a photo added to both. ``odds_ratio`` is that of Mantel and Haenszel, None where it does
    not exist. ``difference``: of the measure, flagged less expected, in standard deviations within strata; None unless the
    trait is a tail of one. ``z``: standard deviations of the permutations by which the share exceeds their mean. ``p``: the
    part of permutations with as large a share; ``p_corrected``: the same for all traits together, by Benjamini and Hochberg
    (1995).
    """

    trait: Trait
    num_flagged: int
    num_patients: int
    share: float
    expected: float
    ratio: float
    odds_ratio: float | None
    difference: float | None
    z: float
    p: float
    p_corrected: float

    @property
    def excess(self) -> float:
        """The part of the flagged photos that have the trait beyond what is expected, 0 to 1."""
        return max(0.0, self.share - self.expected)


def enrichment(traits: Sequence[Trait], photos: Photos, permutations: int, seed: int) -> list[Enrichment]:
    """Every trait in the order given; strata in which all photos are flagged are left out, for nothing compares with them.

    Empty where no flagged photo is left, or no trait is given.
    """
    rows = comparable(photos.is_flagged_P, photos.stratum)
    kept = photos.rows(rows)
    if not kept.is_flagged_P.any() or not traits:
        return []
    has_PT = np.stack([trait.has_P[rows] for trait in traits], axis=1)
    z_T, p_T = permutation_test(has_PT.astype(np.float64), kept, permutations, seed)
    corrected_T = benjamini_hochberg(p_T)
    found = []
    for place, trait in enumerate(traits):
        measure_P = None if trait.measure_P is None else trait.measure_P[rows]
        carriers = kept.is_flagged_P & has_PT[:, place]
        num_flagged, num_all = int(carriers.sum()), int(kept.is_flagged_P.sum())
        expected = expected_mean(has_PT[:, place].astype(np.float64), kept.is_flagged_P, kept.stratum)
        found.append(
            Enrichment(
                trait=trait,
                num_flagged=num_flagged,
                num_patients=len(np.unique(kept.patient_P[carriers])),
                share=num_flagged / num_all,
                expected=expected,
                ratio=smoothed_ratio(num_flagged, expected * num_all),
                odds_ratio=mantel_haenszel(has_PT[:, place], kept),
                difference=None if measure_P is None else standardised_difference(measure_P, kept),
                z=float(z_T[place]),
                p=float(p_T[place]),
                p_corrected=float(corrected_T[place]),
            )
        )
    return found


def smoothed_ratio(count: float, expected: float) -> float:
    """The count over the expected one, half a photo added to both."""
    return (count + _HALF) / (expected + _HALF)


def comparable(chosen_P: Bools, stratum_P: Codes) -> Codes:
    """Rows of the photos in strata that do not consist of chosen photos alone."""
    num_others_S = np.bincount(stratum_P, weights=~chosen_P)
    return np.flatnonzero(num_others_S[stratum_P] > 0)


def expected_mean(value_P: Floats, chosen_P: Bools, stratum_P: Codes) -> float:
    """The mean if as many photos of each stratum as are chosen were drawn from those that are not; every stratum with chosen
    photos must hold others."""
    num_others_S = np.bincount(stratum_P, weights=~chosen_P)
    mean_S = np.bincount(stratum_P, weights=np.where(chosen_P, 0.0, value_P)) / np.maximum(num_others_S, 1)
    return float(mean_S[stratum_P[chosen_P]].mean())


def mantel_haenszel(has_P: Bools, photos: Photos) -> float | None:
    """Odds ratio of trait and flag over strata (Mantel and Haenszel 1959); None where its denominator is 0."""
    stratum_P, flagged_P = photos.stratum, photos.is_flagged_P

    def counts(which_P: Bools) -> Floats:
        return np.asarray(np.bincount(stratum_P[which_P], minlength=int(stratum_P.max()) + 1), dtype=np.float64)

    num_S = counts(np.ones_like(flagged_P))
    above = (counts(has_P & flagged_P) * counts(~has_P & ~flagged_P) / num_S).sum()
    below = (counts(~has_P & flagged_P) * counts(has_P & ~flagged_P) / num_S).sum()
    return float(above / below) if below > 0 else None


def standardised_difference(measure_P: Floats, photos: Photos) -> float | None:
    """Mean of the flagged less the mean expected, in standard deviations within strata; None where nothing varies.

    Photos without the measure (NaN) are left out.
    """
    rows = np.flatnonzero(np.isfinite(measure_P))
    if len(rows):
        rows = rows[comparable(photos.is_flagged_P[rows], photos.stratum[rows])]
    kept = photos.rows(rows)
    if not kept.is_flagged_P.any():
        return None
    value_P = measure_P[rows]
    spread = float(np.sqrt((_centred(value_P[:, None], kept.stratum) ** 2).mean()))
    apart = float(value_P[kept.is_flagged_P].mean()) - expected_mean(value_P, kept.is_flagged_P, kept.stratum)
    return apart / spread if spread > 0 else None


def permutation_test(has_PT: Floats, photos: Photos, permutations: int, seed: int) -> tuple[Floats, Floats]:
    """z [T] and one-sided p [T] of every trait by permuting the flags (``permuted_flags``), the same way for all traits.

    What is compared is the mean over flagged photos of the trait less its mean in the stratum.
    """
    centred_PT = _centred(has_PT, photos.stratum)
    found_T = centred_PT[photos.is_flagged_P].mean(axis=0)
    value_RT = np.concatenate(
        [_means(centred_PT, chosen_RK) for chosen_RK in permuted_flags(photos, permutations, seed)]
    )
    spread_T = value_RT.std(axis=0)
    z_T = (found_T - value_RT.mean(axis=0)) / np.where(spread_T > _ROUNDING, spread_T, np.inf)
    num_as_large_T = (value_RT >= found_T - _ROUNDING).sum(axis=0)
    return z_T, (num_as_large_T + 1) / (permutations + 1)


def benjamini_hochberg(p_T: Floats) -> Floats:
    """p-values [T] corrected for the rate of false discoveries (Benjamini and Hochberg 1995)."""
    order = np.argsort(p_T, kind="stable")
    scaled = p_T[order] * len(p_T) / np.arange(1, len(p_T) + 1)
    corrected_T = np.empty_like(p_T)
    corrected_T[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return corrected_T


def _means(centred_PT: Floats, chosen_RK: Codes) -> Floats:
    """Means [R, T] over the photos that bear the flags; 0 where none does."""
    padded_PT = np.concatenate([centred_PT, np.zeros((1, centred_PT.shape[1]))])  # NOWHERE, -1, is the row of zeros
    num_R1 = (chosen_RK != NOWHERE).sum(axis=1, keepdims=True)
    total_RT = np.stack([padded_PT[chosen_K].sum(axis=0) for chosen_K in chosen_RK])
    return np.asarray(total_RT / np.maximum(num_R1, 1))


def _centred(value_PT: Floats, stratum_P: Codes) -> Floats:
    """Less the mean of the stratum."""
    sum_ST = np.zeros((int(stratum_P.max(initial=0)) + 1, value_PT.shape[1]))
    np.add.at(sum_ST, stratum_P, value_PT)
    mean_ST = sum_ST / np.maximum(np.bincount(stratum_P, minlength=len(sum_ST)), 1)[:, None]
    return np.asarray(value_PT - mean_ST[stratum_P])
