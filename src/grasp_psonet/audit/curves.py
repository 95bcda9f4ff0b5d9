"""How fast a ranking finds the visits on which readers disagree (paper 3.4, Fig. 3), with patient-clustered intervals.

Axes: R weightings of the visits, V visits, K blocks of equal suspicion (and 0 before the first).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.audit.rankings import KNOWS_SECOND_READING, RANKINGS
from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.audit.simple_rivals import within_class
from grasp_psonet.evidence.calibration import calibration_error
from grasp_psonet.evidence.intervals import (
    Estimate,
    Replicated,
    Resamples,
    estimate_of,
    replicated_of,
    resample_patients,
)
from grasp_psonet.evidence.settings import EvaluateSettings, IntervalRule
from grasp_psonet.tables.columns import (
    AGAINST,
    DIFFERENCE,
    EXPECTED_DISAGREEMENT,
    IS_AUDITED,
    LABEL_READER1,
    METRIC,
    NUM_DISAGREEMENTS,
    PATIENT_ID,
    RANKING,
    READERS_DISAGREE,
    VALUE,
    WHY_NOT,
    WITHIN_CLASS,
    WITHIN_CLASS_HIGH,
    WITHIN_CLASS_LOW,
)
from grasp_psonet.tables.schemas.audit import AUDIT_CURVE, AUDIT_DIFFERENCES, AUDIT_SUMMARY

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

    All rankings share their bootstrap replicates. Replicates without a disagreement are left out and counted. A ranking
    that was told the second reading has no figures.
    """
    twice = table.loc[table[IS_AUDITED] & table[READERS_DISAGREE].notna()].reset_index(drop=True)
    disagree_V = twice[READERS_DISAGREE].to_numpy(np.bool)
    why_not = "" if disagree_V.any() else f"the readers agree on all {len(twice)} audited visits read twice"
    why_not = why_not if len(twice) else "no audited visit was read by a second reader: there is only the ranked list"
    if why_not:
        curve, summary, differences = (
            pd.DataFrame(columns=kind.names) for kind in (AUDIT_CURVE, AUDIT_SUMMARY, AUDIT_DIFFERENCES)
        )
        return AuditCurves(curve, summary, differences, why_not)
    resamples = resample_patients(twice[PATIENT_ID].tolist(), evaluate.replicates, seed, "audit")
    names = [name for name in RANKINGS if name in twice and name not in KNOWS_SECOND_READING]
    curves, figures = [], {}
    for name in names:
        inspection = _inspected(twice[name], disagree_V, resamples)
        curves.append(_curve(name, inspection, resamples, evaluate.confidence))
        of_class = _inspected(within_class(twice[name], twice[LABEL_READER1]), disagree_V, resamples)
        for metric, statistic in _metrics(audit.inspected).items():
            figures[name, metric] = tuple(replicated_of(statistic(of), resamples) for of in (inspection, of_class))

    def estimate(figure: Replicated) -> Estimate:
        return estimate_of(figure, resamples, evaluate.interval_rule, "the readers agree on no visit")

    counts = {NUM_DISAGREEMENTS: int(disagree_V.sum())}
    summaries: list[dict[str, object]] = []
    paired: list[dict[str, object]] = []
    for (name, metric), (figure, inside) in figures.items():
        place = {RANKING: name, METRIC: metric} | counts
        summaries.append(place | _within(estimate(inside)) | asdict(estimate(figure)))
        if audit.ranking in names and name != audit.ranking:
            difference = estimate(figures[audit.ranking, metric][0] - figure)
            paired.append(place | {RANKING: audit.ranking, AGAINST: name} | _as_difference(difference))
    if EXPECTED_DISAGREEMENT in names:
        summaries.append(_calibration(twice, disagree_V, resamples) | counts)
    return AuditCurves(
        pd.concat(curves, ignore_index=True),
        pd.DataFrame(summaries, columns=AUDIT_SUMMARY.names),
        pd.DataFrame(paired, columns=AUDIT_DIFFERENCES.names),
        "",
    )


def _inspected(ranking: "pd.Series[float]", disagree_V: NDArray[np.bool], resamples: Resamples) -> Inspection:
    """Under all weightings of the resamples."""
    return inspect(np.asarray(ranking, dtype=np.float64), disagree_V, resamples.weightings)


def _within(inside: Estimate) -> dict[str, object]:
    return {WITHIN_CLASS: inside.value, WITHIN_CLASS_LOW: inside.low, WITHIN_CLASS_HIGH: inside.high}


def _calibration(twice: pd.DataFrame, disagree_V: NDArray[np.bool], resamples: Resamples) -> dict[str, object]:
    """How far expected disagreement is from how often readers disagreed; a row of the summary."""
    error = calibration_error(twice[EXPECTED_DISAGREEMENT].to_numpy(np.float64), disagree_V)
    none = np.full(len(resamples.weight), np.nan)
    found = estimate_of(Replicated(error, none, none[:0]), resamples, IntervalRule(0.95, "percentile"), "no visit")
    return (
        {RANKING: EXPECTED_DISAGREEMENT, METRIC: "calibration_error"}
        | asdict(found)
        | {WHY_NOT: "no interval: its replicates would be bolder than the visits"}
    )


def _metrics(inspected: float) -> dict[str, Callable[[Inspection], Floats]]:
    def found_at_inspected(inspection: Inspection) -> Floats:
        found_R: Floats = found_at(inspection, np.array([inspected]))[:, 0]
        return found_R

    return {"found_at_inspected": found_at_inspected, "auroc": auroc, "average_precision": average_precision}


def _curve(ranking: str, inspection: Inspection, resamples: Resamples, confidence: float) -> pd.DataFrame:
    num_inspected = np.arange(int(inspection.inspected[0, -1]) + 1)
    fraction_F = num_inspected / num_inspected[-1]
    found_NF = found_at(inspection, fraction_F)
    drawn_RF = found_NF[1 : 1 + len(resamples.weight)]
    drawn_RF = drawn_RF[np.isfinite(drawn_RF).all(axis=1)]
    edges = [(1 - confidence) / 2, (1 + confidence) / 2]
    low_F, high_F = np.quantile(drawn_RF, edges, axis=0) if len(drawn_RF) else (np.nan, np.nan)
    columns = (ranking, num_inspected, fraction_F, found_NF[0], low_F, high_F)
    return pd.DataFrame(dict(zip(AUDIT_CURVE.names, columns, strict=True)))


def _as_difference(paired: Estimate) -> dict[str, object]:
    numbers = asdict(paired)
    return {DIFFERENCE: numbers.pop(VALUE)} | numbers


def _ratio(top: Floats, bottom: Floats) -> Floats:
    value: Floats = np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)
    return value
