"""How fast a ranking finds the visits on which readers disagree (paper 3.4, Fig. 3), with patient-clustered intervals.

Axes: R weightings of the visits, V visits, K blocks of equal suspicion (and 0 before the first).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.audit.rankings import RANKINGS
from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.evidence.intervals import Estimate, estimate_of, resample_patients
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.audit import AUDIT_CURVE, AUDIT_DIFFERENCES, AUDIT_SUMMARY
from grasp_psonet.tables.columns import (
    AGAINST,
    DIFFERENCE,
    IS_AUDITED,
    METRIC,
    NUM_DISAGREEMENTS,
    PATIENT_ID,
    RANKING,
    READERS_DISAGREE,
    VALUE,
)

Floats = NDArray[np.float64]
PAPER_POINT = (0.30, 0.903)  # fraction inspected, fraction of disagreements found (paper, abstract and Fig. 3)


@dataclass(frozen=True)
class AuditCurves:
    """Tidy tables; all empty where ``why_not`` says that there is nothing to compare with.

    curve: one row per ranking and number inspected, with a pointwise band. summary: found_at_inspected, auroc,
    average_precision per ranking. differences: the ranking of the review list minus each other one, paired.
    """

    curve: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    why_not: str


@dataclass(frozen=True)
class Inspection:
    """Visits inspected and disagreements found [R, K] after each block of equal suspicion, most suspicious first."""

    inspected: Floats
    found: Floats


def inspect(suspicion_V: Floats, disagree_V: NDArray[np.bool], weight_RV: Floats) -> Inspection:
    """Inspects visits by falling suspicion, equal ones as one block, NaN last; a weight says how often a visit counts."""
    suspicion_V = np.where(np.isnan(suspicion_V), -np.inf, suspicion_V)
    order_V = np.argsort(-suspicion_V, kind="stable")
    last_K = np.flatnonzero(np.append(np.diff(suspicion_V[order_V]) != 0, True)) if len(order_V) else np.zeros(0, int)
    before = np.zeros((len(weight_RV), 1))
    inspected_RV = weight_RV[:, order_V].cumsum(axis=1)
    found_RV = (weight_RV * disagree_V)[:, order_V].cumsum(axis=1)
    return Inspection(np.hstack([before, inspected_RV[:, last_K]]), np.hstack([before, found_RV[:, last_K]]))


def found_at(inspection: Inspection, fraction_F: Floats) -> Floats:
    """Fraction of the disagreements found [R, F] when a fraction of the visits is inspected; NaN without disagreements.

    Linear between blocks: within a block of equal suspicion that is the mean over all orders it could be read in.
    """
    total_R, all_R = inspection.inspected[:, -1], inspection.found[:, -1]
    rows = [
        np.interp(fraction_F * total, inspected_K, found_K) / everything if everything > 0 else fraction_F * np.nan
        for total, everything, inspected_K, found_K in zip(
            total_R, all_R, inspection.inspected, inspection.found, strict=True
        )
    ]
    return np.asarray(rows, dtype=np.float64)


def auroc(inspection: Inspection) -> Floats:
    """Chance [R] that a disagreement is more suspicious than an agreement, equal counted half; NaN without both."""
    cleared_RK = inspection.inspected - inspection.found
    num_found_R, num_cleared_R = inspection.found[:, -1], cleared_RK[:, -1]
    middle_RK = (cleared_RK[:, 1:] + cleared_RK[:, :-1]) / 2
    wins_R = (np.diff(inspection.found, axis=1) * (num_cleared_R[:, None] - middle_RK)).sum(axis=1)
    return _ratio(wins_R, num_found_R * num_cleared_R)


def average_precision(inspection: Inspection) -> Floats:
    """Precision averaged over the recall gained block by block [R]; NaN without disagreements."""
    gained_RK = np.diff(inspection.found, axis=1)
    precision_RK = _ratio(inspection.found[:, 1:], inspection.inspected[:, 1:])
    return _ratio((gained_RK * np.nan_to_num(precision_RK)).sum(axis=1), inspection.found[:, -1])


def audit_curves(table: pd.DataFrame, audit: AuditSettings, evaluate: EvaluateSettings, seed: int) -> AuditCurves:
    """Curves, summary and paired differences of every ranking of an audit table, over its audited visits read twice.

    All rankings share their bootstrap replicates. Replicates without a disagreement are left out and counted.
    """
    twice = table.loc[table[IS_AUDITED] & table[READERS_DISAGREE].notna()].reset_index(drop=True)
    disagree_V = twice[READERS_DISAGREE].to_numpy(np.bool)
    why_not = "" if disagree_V.any() else f"the readers agree on all {len(twice)} audited visits read twice"
    why_not = why_not if len(twice) else "no audited visit was read by a second reader: there is only the ranked list"
    curves, summaries, differences = [], [], []
    if not why_not:
        resamples = resample_patients(twice[PATIENT_ID].tolist(), evaluate.replicates, seed, "audit")
        once_1V = np.ones((1, len(twice)))
        values: dict[tuple[str, str], tuple[float, Floats]] = {}
        for ranking in (name for name in RANKINGS if name in twice):
            suspicion_V = twice[ranking].to_numpy(np.float64)
            itself, drawn = (inspect(suspicion_V, disagree_V, weight) for weight in (once_1V, resamples.weight))
            curves.append(_curve(ranking, itself, drawn, evaluate.confidence))
            for metric, statistic in _metrics(audit.inspected).items():
                values[ranking, metric] = float(statistic(itself)[0]), statistic(drawn)
        counts = {NUM_DISAGREEMENTS: int(disagree_V.sum())}
        all_disagree = "the readers agree on no visit"
        for (ranking, metric), (value, value_R) in values.items():
            found = estimate_of(value, value_R, resamples, evaluate.confidence, all_disagree)
            summaries.append({RANKING: ranking, METRIC: metric} | counts | asdict(found))
            if (audit.ranking, metric) in values and ranking != audit.ranking:
                chosen, chosen_R = values[audit.ranking, metric]
                paired = estimate_of(chosen - value, chosen_R - value_R, resamples, evaluate.confidence, all_disagree)
                place = {RANKING: audit.ranking, AGAINST: ranking, METRIC: metric}
                differences.append(place | counts | _as_difference(paired))
    return AuditCurves(
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=AUDIT_CURVE.names),
        pd.DataFrame(summaries, columns=AUDIT_SUMMARY.names),
        pd.DataFrame(differences, columns=AUDIT_DIFFERENCES.names),
        why_not,
    )


def _metrics(inspected: float) -> dict[str, Callable[[Inspection], Floats]]:
    def found_at_inspected(inspection: Inspection) -> Floats:
        found_R: Floats = found_at(inspection, np.array([inspected]))[:, 0]
        return found_R

    return {"found_at_inspected": found_at_inspected, "auroc": auroc, "average_precision": average_precision}


def _curve(ranking: str, itself: Inspection, drawn: Inspection, confidence: float) -> pd.DataFrame:
    num_inspected = np.arange(int(itself.inspected[0, -1]) + 1)
    fraction_F = num_inspected / num_inspected[-1]
    drawn_RF = found_at(drawn, fraction_F)
    drawn_RF = drawn_RF[np.isfinite(drawn_RF).all(axis=1)]
    edges = [(1 - confidence) / 2, (1 + confidence) / 2]
    low_F, high_F = np.quantile(drawn_RF, edges, axis=0) if len(drawn_RF) else (np.nan, np.nan)
    found_F = found_at(itself, fraction_F)[0]
    columns = (ranking, num_inspected, fraction_F, found_F, low_F, high_F)
    return pd.DataFrame(dict(zip(AUDIT_CURVE.names, columns, strict=True)))


def _as_difference(paired: Estimate) -> dict[str, object]:
    numbers = asdict(paired)
    return {DIFFERENCE: numbers.pop(VALUE)} | numbers


def _ratio(top: Floats, bottom: Floats) -> Floats:
    value: Floats = np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)
    return value
