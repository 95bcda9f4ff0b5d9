"""Patient-clustered bootstrap intervals, alone and paired.

Visits of one patient resemble one another, so whole patients are drawn with replacement (Davison & Hinkley 1997, 3.8).
A replicate is a weight per visit: how often its patient was drawn. Two runs are compared on the same replicates.
Axes: R replicates, V visits, P patients, S training seeds, N = 1 + R + P weightings: the visits themselves, the
replicates, and the visits with each patient left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from grasp_psonet.chance import generator
from grasp_psonet.evidence.settings import IntervalRule

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # weight_RV -> value_R, NaN where it does not exist

MIN_PATIENTS = 5  # fewer clusters make no interval: the replicates repeat a handful of values
MIN_USABLE = 0.5  # an interval over the lucky half of the replicates would describe another population
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Estimate:
    """One number with its interval.

    ``value`` is None where it does not exist; ``low`` and ``high`` are None together. ``interval`` names the method that
    made it, empty where there is none. ``why_not`` says in words why there is no value, no interval, or not the one that was
    asked for. ``num_replicates`` counts the replicates in which the figure exists; the others were left out.
    """

    value: float | None
    low: float | None
    high: float | None
    num_visits: int
    num_patients: int
    num_replicates: int
    interval: str
    why_not: str


@dataclass(frozen=True)
class Resamples:
    """Replicates of a set of visits: ``weight`` [R, V] how often each visit counts; ``num_patients`` before drawing.

    ``patient`` [V] numbers the patient of each visit from 0.
    """

    weight: Floats
    num_patients: int
    patient: NDArray[np.int64]

    @property
    def num_visits(self) -> int:
        return int(self.weight.shape[1])

    @cached_property
    def weightings(self) -> Floats:
        """[N, V]: every visit once, the replicates, and every visit but those of one patient, for each patient."""
        left_out_PV = self.patient != np.arange(self.num_patients)[:, None]
        return np.vstack([np.ones((1, self.num_visits)), self.weight, left_out_PV])


@dataclass(frozen=True)
class Replicated:
    """A figure of the visits themselves, of every replicate [R], and with each patient left out [P].

    NaN where it does not exist. Figures on the same resamples are subtracted to a paired difference.
    """

    value: float
    value_R: Floats
    value_P: Floats

    def __sub__(self, other: "Replicated") -> "Replicated":
        return Replicated(self.value - other.value, self.value_R - other.value_R, self.value_P - other.value_P)


def resample_patients(patient_ids: Sequence[str], replicates: int, *key: str | int) -> Resamples:
    """Draws as many patients as there are, with replacement, ``replicates`` times; the key names the draw."""
    names, patient_V = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    num_patients = len(names)
    if num_patients == 0:
        return Resamples(np.zeros((replicates, 0)), 0, patient_V)
    drawn_RP = generator("patient bootstrap", *key).integers(num_patients, size=(replicates, num_patients))
    cell = drawn_RP + num_patients * np.arange(replicates)[:, None]
    count_RP = np.bincount(cell.ravel(), minlength=replicates * num_patients).reshape(replicates, num_patients)
    return Resamples(count_RP[:, patient_V].astype(np.float64), num_patients, patient_V)


def replicated(of_seed: Sequence[Statistic], resamples: Resamples) -> Replicated:
    """The mean of a figure over training seeds, where the figure of a seed is a statistic.

    Every replicate draws patients, and as many seeds as there are: the same draw for every run with as many, so that
    differences stay paired. One seed is taken as it is, so the replicates do not hold the spread between trainings. With a
    patient left out it is the mean over all seeds. NaN where the figure of a (drawn) seed does not exist.
    """
    if not resamples.num_visits:
        nothing_R = np.full(len(resamples.weight), np.nan)
        return Replicated(float("nan"), nothing_R, nothing_R[:0])
    value_SN = np.stack([statistic(resamples.weightings) for statistic in of_seed])
    of_weightings = replicated_of(value_SN.mean(axis=0), resamples)
    if len(of_seed) == 1:
        return of_weightings
    value_SR = value_SN[:, 1 : 1 + len(resamples.weight)]
    return Replicated(of_weightings.value, _mean_of_drawn_seeds(value_SR), of_weightings.value_P)


def replicated_of(value_N: Floats, resamples: Resamples) -> Replicated:
    """A figure under ``resamples.weightings``, told apart."""
    after = 1 + len(resamples.weight)
    return Replicated(float(value_N[0]), value_N[1:after], value_N[after:])


def _mean_of_drawn_seeds(value_SR: Floats) -> Floats:
    num_seeds, num_replicates = value_SR.shape
    drawn_SR = generator("training seed bootstrap", num_seeds).integers(num_seeds, size=(num_seeds, num_replicates))
    mean_R: Floats = np.take_along_axis(value_SR, drawn_SR, axis=0).mean(axis=0)
    return mean_R


def figure(statistic: Statistic, resamples: Resamples, rule: IntervalRule, why_not: str) -> Estimate:
    """The statistic of the visits themselves and its interval; ``why_not`` explains a missing value."""
    return estimate_of(replicated([statistic], resamples), resamples, rule, why_not)


def why_no_spread(value_R: Floats, resamples: Resamples) -> str:
    """Why these replicates (NaN: does not exist there) allow neither interval nor standard error; empty where they do."""
    num_usable = int(np.isfinite(value_R).sum())
    if resamples.num_patients < MIN_PATIENTS:
        return f"{resamples.num_patients} patients, {MIN_PATIENTS} needed"
    if num_usable < max(2, MIN_USABLE * len(value_R)):
        return f"exists in {num_usable} of {len(value_R)} replicates"
    return ""


def estimate_of(found: Replicated, resamples: Resamples, rule: IntervalRule, why_not: str) -> Estimate:
    """A figure with its interval, from its replicates; of a difference of figures the paired one.

    ``percentile``: the replicates' percentiles. ``bca``: corrected for bias and skew (Efron 1987; DiCiccio & Efron
    1996), and where that correction does not exist, the percentiles, which ``interval`` and ``why_not`` then say.
    """
    usable_R = found.value_R[np.isfinite(found.value_R)]
    counts = (resamples.num_visits, resamples.num_patients, len(usable_R))
    if not np.isfinite(found.value):
        return Estimate(None, None, None, counts[0], counts[1], 0, "", why_not)
    missing = why_no_spread(found.value_R, resamples)
    if missing:
        return Estimate(found.value, None, None, *counts, "", f"no interval: {missing}")
    tails = _tails(rule.confidence, resamples.num_patients)
    method, note = rule.method, ""
    if method == "bca":
        corrected = corrected_tails(found, tails)
        if isinstance(corrected, str):
            method, note = "percentile", f"percentile in place of BCa: {corrected}"
        else:
            tails = corrected
    low, high = np.quantile(usable_R, tails)
    return Estimate(found.value, float(low), float(high), *counts, method, note)


def _tails(confidence: float, num_patients: int) -> tuple[float, float]:
    """The percentiles at the ends of an interval: a little further out than the confidence says, for few patients.

    Replicates of n patients spread by sqrt((n - 1) / n) too little, and quantiles of the normal distribution stand where those
    of Student's t with n - 1 degrees of freedom belong (the expanded percentile interval of Hesterberg 2015, 5.3).
    """
    half = np.sqrt(num_patients / (num_patients - 1)) * float(stdtrit(num_patients - 1, (1 + confidence) / 2))
    return _NORMAL.cdf(-half), _NORMAL.cdf(half)


def corrected_tails(found: Replicated, tails: tuple[float, float]) -> tuple[float, float] | str:
    """The percentiles of the BCa interval in place of these, or in words why there are none.

    Efron (1987), sections 2 and 7: z0 from the share of replicates below the figure (equal ones count half), the
    acceleration from the figure with each patient left out.
    """
    usable_R = found.value_R[np.isfinite(found.value_R)]
    if not np.isfinite(found.value_P).all():
        return "the figure does not exist without one of the patients"
    away_P = found.value_P.mean() - found.value_P
    spread = float((away_P**2).sum())
    if spread <= 1e-24 * max(1.0, found.value**2):
        return "leaving a patient out changes nothing"
    below = float(((usable_R < found.value) + 0.5 * (usable_R == found.value)).mean())
    if not 0 < below < 1:
        return "all replicates lie on one side of the figure"
    acceleration = float((away_P**3).sum()) / (6 * spread**1.5)
    z0 = _NORMAL.inv_cdf(below)
    ends = []
    for tail in tails:
        shifted = z0 + _NORMAL.inv_cdf(tail)
        if acceleration * shifted >= 1:
            return "its correction has no bound"
        ends.append(_NORMAL.cdf(z0 + shifted / (1 - acceleration * shifted)))
    if min(ends[0], 1 - ends[1]) * len(usable_R) < 1:
        return "an end lies beyond the outermost replicate"
    return ends[0], ends[1]
