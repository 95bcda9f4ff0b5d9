"""The pruning to follow, if any, chosen on validation alone, with the noise of validation taken into account."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.evaluate import OfSeeds, aligned_to, answers_of
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.intervals import replicated, resample_patients, why_no_spread
from grasp_psonet.tables.columns import LABEL, PATIENT_ID, SPLIT


@dataclass(frozen=True)
class Candidate:
    """A run to choose among: how many photos its keep list takes (0: the baseline), its figure on validation, and the standard
    error of its gain over the baseline there; None where they do not exist."""

    k: int
    val: float | None
    gain_se: float | None = None


def choose(candidates: Mapping[str, Candidate], min_gain_se: float = 0.0, sign: int = 1) -> str:
    """The run with the best figure on validation (of classes: the highest AUC); equal ones go to the smaller k, then to the
    first, so pruning must win to be chosen. ``sign``: 1 where higher is better, -1 where lower is.

    Its gain over the baseline must exceed ``min_gain_se`` standard errors of that paired gain, or the baseline is chosen: the
    best of several trainings beats the first by chance alone. The first candidate must be the baseline (k = 0). One whose
    figure is not estimable is not eligible. The baseline is chosen where nothing speaks for pruning: no other is eligible, its
    own figure does not exist, or a standard error is asked for and does not exist. Raises EvidenceError without a baseline.
    """
    baseline = next(iter(candidates), None)
    if baseline is None or candidates[baseline].k != 0:
        raise EvidenceError(
            f"a pruning is to be chosen among {list(candidates)}, without the baseline (k = 0)"
            "\n  next: train the baseline first"
        )
    eligible = {name: sign * one.val for name, one in candidates.items() if one.val is not None and one.val == one.val}
    if baseline not in eligible:
        return baseline
    best = min(eligible, key=lambda name: (-eligible[name], candidates[name].k))
    if best == baseline or not min_gain_se:
        return best
    gain_se = candidates[best].gain_se
    return best if gain_se is not None and eligible[best] - eligible[baseline] > min_gain_se * gain_se else baseline


def gain_standard_error(
    predictions: OfSeeds,
    baseline: OfSeeds,
    visits: pd.DataFrame,
    outcome: Outcome,
    replicates: int,
    seed: int,
) -> float | None:
    """Standard error of a run's gain over the baseline in the figure that chooses (of classes: micro AUC), on validation.

    Both runs are looked at on the same bootstrap of patients and training seeds. Both are tables of predictions.parquet, one
    per training seed; ``visits`` the cohort's. None where the replicates would not make an interval either: few patients, or a
    class that is missing from most of them.
    """
    visits = visits.loc[visits[SPLIT] == "val"].reset_index(drop=True)
    if visits.empty:
        return None
    resamples = resample_patients(visits[PATIENT_ID].tolist(), replicates, seed, "choice of k")
    metric = figures_of(outcome).chooser
    run, base = (
        replicated(
            [partial(metric.value, answers_of(one, one[LABEL], outcome)) for one in aligned_to(visits, tables, name)],
            resamples,
        )
        for name, tables in (("pruned", predictions), ("baseline", baseline))
    )
    gain_R = (run - base).value_R
    return None if why_no_spread(gain_R, resamples) else float(gain_R[np.isfinite(gain_R)].std(ddof=1))
