"""The number k of photos to prune, chosen on validation alone, with the noise of validation taken into account."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.evaluate import OfSeeds, aligned_to, answers_of
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.intervals import replicated, resample_patients, why_no_spread
from grasp_psonet.tables.columns import LABEL, PATIENT_ID, SPLIT


def choose_k(
    val_by_k: Mapping[int, float | None],
    gain_se_by_k: Mapping[int, float | None] | None = None,
    min_gain_se: float = 0.0,
    sign: int = 1,
) -> int:
    """The k with the best figure on validation (of classes: the highest AUC); equal ones go to the smaller k, so pruning must
    win to be chosen. ``sign``: 1 where higher is better, -1 where lower is.

    Its gain over the baseline must exceed ``min_gain_se`` standard errors of that paired gain (``gain_se_by_k``), or 0 is
    chosen: the best of several trainings beats the first by chance alone. ``val_by_k`` must hold k = 0, the baseline. A k
    whose figure is None (not estimable) is not eligible. 0 is chosen where nothing speaks for pruning: no k is eligible, the
    baseline's own is None, or a standard error is asked for and does not exist. Raises EvidenceError without k = 0.
    """
    if 0 not in val_by_k:
        raise EvidenceError(
            f"k is to be chosen among {sorted(val_by_k)}, without the baseline (k = 0)"
            "\n  next: train the baseline first"
        )
    eligible = {k: sign * value for k, value in val_by_k.items() if value is not None and value == value}
    if 0 not in eligible:
        return 0
    best = min(eligible, key=lambda k: (-eligible[k], k))
    if not best or not min_gain_se:
        return best
    gain_se = (gain_se_by_k or {}).get(best)
    return best if gain_se is not None and eligible[best] - eligible[0] > min_gain_se * gain_se else 0


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
