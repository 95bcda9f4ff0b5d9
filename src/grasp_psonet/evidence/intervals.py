"""Patient-clustered bootstrap intervals, alone and paired.

Visits of one patient resemble one another, so whole patients are drawn with replacement (Davison & Hinkley 1997, 3.8).
A replicate is a weight per visit: how often its patient was drawn. Two runs are compared on the same replicates.
Axes: R replicates, V visits, P patients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.chance import generator

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # weight_RV -> value_R, NaN where it does not exist

MIN_PATIENTS = 5  # fewer clusters make no interval: the replicates repeat a handful of values
MIN_USABLE = 0.5  # an interval over the lucky half of the replicates would describe another population


@dataclass(frozen=True)
class Estimate:
    """One number with its interval.

    ``value`` is None where it does not exist; ``low`` and ``high`` are None together; ``why_not`` then says why in
    words. ``num_replicates`` counts the replicates in which the figure exists; the others were left out.
    """

    value: float | None
    low: float | None
    high: float | None
    num_visits: int
    num_patients: int
    num_replicates: int
    why_not: str


@dataclass(frozen=True)
class Resamples:
    """Replicates of a set of visits: ``weight`` [R, V] how often each visit counts; ``num_patients`` before drawing."""

    weight: Floats
    num_patients: int

    @property
    def num_visits(self) -> int:
        return int(self.weight.shape[1])


def resample_patients(patient_ids: Sequence[str], replicates: int, *key: str | int) -> Resamples:
    """Draws as many patients as there are, with replacement, ``replicates`` times; the key names the draw."""
    names, patient_V = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    num_patients = len(names)
    if num_patients == 0:
        return Resamples(np.zeros((replicates, 0)), 0)
    drawn_RP = generator("patient bootstrap", *key).integers(num_patients, size=(replicates, num_patients))
    cell = drawn_RP + num_patients * np.arange(replicates)[:, None]
    count_RP = np.bincount(cell.ravel(), minlength=replicates * num_patients).reshape(replicates, num_patients)
    return Resamples(count_RP[:, patient_V].astype(np.float64), num_patients)


def mean_over_seeds(of_seed: Sequence[Statistic], resamples: Resamples) -> Floats:
    """Replicates [R] of the mean over training seeds: every replicate draws patients, and as many seeds as there are.

    The draw of seeds is the same for every run with as many, so that differences stay paired. One seed is taken as it is, so
    the replicates do not hold the spread between trainings. NaN where the figure of a drawn seed does not exist.
    """
    if len(of_seed) == 1:
        return of_seed[0](resamples.weight)
    value_SR = np.stack([statistic(resamples.weight) for statistic in of_seed])
    num_seeds, num_replicates = value_SR.shape
    drawn_SR = generator("training seed bootstrap", num_seeds).integers(num_seeds, size=(num_seeds, num_replicates))
    mean_R: Floats = np.take_along_axis(value_SR, drawn_SR, axis=0).mean(axis=0)
    return mean_R


def figure(statistic: Statistic, resamples: Resamples, confidence: float, why_not: str) -> Estimate:
    """The statistic of the visits themselves and its percentile interval; ``why_not`` explains a missing value."""
    value_R = statistic(resamples.weight) if resamples.num_visits else np.full(len(resamples.weight), np.nan)
    return estimate_of(plain(statistic, resamples), value_R, resamples, confidence, why_not)


def plain(statistic: Statistic, resamples: Resamples) -> float:
    """The statistic of the visits themselves, each counted once; NaN where it does not exist."""
    return float(statistic(np.ones((1, resamples.num_visits)))[0]) if resamples.num_visits else float("nan")


def why_no_spread(value_R: Floats, resamples: Resamples) -> str:
    """Why these replicates (NaN: does not exist there) allow neither interval nor standard error; empty where they do."""
    num_usable = int(np.isfinite(value_R).sum())
    if resamples.num_patients < MIN_PATIENTS:
        return f"{resamples.num_patients} patients, {MIN_PATIENTS} needed"
    if num_usable < max(2, MIN_USABLE * len(value_R)):
        return f"exists in {num_usable} of {len(value_R)} replicates"
    return ""


def estimate_of(value: float, value_R: Floats, resamples: Resamples, confidence: float, why_not: str) -> Estimate:
    """A figure from a value and its replicates (NaN: does not exist there). Differences of replicates are paired."""
    usable_R = value_R[np.isfinite(value_R)]
    counts = (resamples.num_visits, resamples.num_patients, len(usable_R))
    if not np.isfinite(value):
        return Estimate(None, None, None, counts[0], counts[1], 0, why_not)
    missing = why_no_spread(value_R, resamples)
    if missing:
        return Estimate(value, None, None, *counts, f"no interval: {missing}")
    low, high = np.quantile(usable_R, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high), *counts, "")
