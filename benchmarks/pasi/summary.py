"""The figures of the benchmark. Differences are within a seed; means over seeds have Student's intervals.

Keys. Of the clean cohort, for each arm of the network: ``mae_excess`` (MAE against Reader 1 less that of Reader 2 against
Reader 1), with ``mae_excess_high``, the upper end of its interval; ``icc_difference`` (ICC(2,1) with Reader 1 less Reader 2's
with Reader 1) and ``icc_difference_low``; ``auc_against_classifier`` (mean over the cut-offs of the AUC that tells visits
beyond from visits below, less the classifier's, which tells them by its probability of lying beyond) and
``kappa_against_classifier`` (linear kappa of the classes by the cut-offs, less that of its most probable class), each with
``_low``. ``pasi75_agreement``: part of the follow-ups of all seeds in which network and Reader 1 agree whether PASI fell by
75 %; ``pasi75_readers``, ``_low``, ``_high``: Reader 2 and Reader 1, with its interval over patients; ``pasi75_is_within``.

Of the shortcut: ``shortcut_cost`` (MAE of the baseline less the oracle's), ``gap_recovered`` (gain of the default pruning over
that, sums over seeds), ``beats_random_on_seeds`` of ``costly_seeds``, in which it cost ``COSTLY`` points or more.
"""

# Axes: V visits.

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.gains import gains, shortcut_figures
from benchmarks.pasi.shortcut import ARM
from benchmarks.planted import ORACLE, by_seed
from benchmarks.reading.summary import mean_of
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.intervals import estimate_of, replicated, resample_patients
from grasp_psonet.evidence.metrics import Answers, linear_kappa
from grasp_psonet.evidence.reliability import icc_2_1
from grasp_psonet.evidence.reliability import mean_of as mean_of_visits
from grasp_psonet.evidence.response import courses_of, responded
from grasp_psonet.evidence.settings import IntervalRule
from grasp_psonet.stages.names import BASELINE

CLASSIFIER = "classes"
COSTLY = 1.0  # points of MAE
_RULE = IntervalRule(0.95, "percentile")
_OUTCOME = Outcome()
_LEVELS = (
    "seeds",
    "baseline_auc_by_seed",
    "oracle_auc_by_seed",
    "mean_val_auc",
    "mean_test_auc_by_k",
    "random_mean_test_auc_by_k",
)
Floats = NDArray[np.float64]


def summarise(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Every figure of the parts that there are."""
    found: dict[str, Any] = {"seeds": sorted({int(seed) for table in tables.values() for seed in table["seed"]})}
    if "clean" in tables:
        found |= clean_figures(tables["clean"])
    if "shortcut" in tables:
        found |= pruning_figures(tables["shortcut"])
    return found


def clean_figures(table: pd.DataFrame) -> dict[str, Any]:
    """Those of the arm regional at the head, and of every arm under its name."""
    by_arm = {str(arm): rows for arm, rows in table.groupby("arm", sort=False)}
    classifier = by_arm.pop(CLASSIFIER)
    told = {arm: _of_arm(rows, classifier) for arm, rows in by_arm.items()}
    of_run = {arm: _each(rows, lambda one: mae(one["predicted"], one["reader1"])) for arm, rows in by_arm.items()}
    first = by_arm["regional"]
    sizes = first.groupby("seed").agg(train=("num_train", "first"), test=("visit_id", "size"))
    return told["regional"] | {
        "mean_training_visits": float(sizes["train"].mean()),
        "mean_test_visits": float(sizes["test"].mean()),
        "mae_readers": mean_of(_each(first, lambda rows: mae(rows["reader2"], rows["reader1"]))),
        "icc_readers": mean_of(_each(first, lambda rows: icc(rows["reader2"], rows["reader1"]))),
        "auc_classifier": mean_of(_each(classifier, auc_of_classes)),
        "kappa_classifier": mean_of(_each(classifier, kappa_of_classes)),
        "mae_against_total": {arm: mean_of(found - of_run["total"]) for arm, found in of_run.items() if arm != "total"}
        if "total" in of_run
        else {},
        "arms": told,
    }


def _of_arm(rows: pd.DataFrame, classifier: pd.DataFrame) -> dict[str, Any]:
    of_run = _each(rows, lambda one: mae(one["predicted"], one["reader1"]))
    excess = of_run - _each(rows, lambda one: mae(one["reader2"], one["reader1"]))
    agreement = _each(rows, lambda one: icc(one["predicted"], one["reader1"]))
    iccs = agreement - _each(rows, lambda one: icc(one["reader2"], one["reader1"]))
    auc = _each(rows, auc_of_number) - _each(classifier, auc_of_classes)
    kappa = _each(rows, kappa_of_number) - _each(classifier, kappa_of_classes)
    return {
        "training_visits": round(float(rows.groupby("seed")["num_train"].first().mean()), 1),
        "mae": mean_of(of_run),
        "mae_of_truth": mean_of(_each(rows, lambda one: mae(one["predicted"], one["truth"]))),
        "icc": mean_of(agreement),
        **_with_ends("mae_excess", excess),
        **_with_ends("icc_difference", iccs),
        **_with_ends("auc_against_classifier", auc),
        **_with_ends("kappa_against_classifier", kappa),
        **response_figures(rows),
    }


def _with_ends(name: str, values: "pd.Series[float]") -> dict[str, Any]:
    """The mean over seeds, the ends of its interval, and the values."""
    found = mean_of(values)
    return {
        name: found["mean"],
        f"{name}_low": found["low"],
        f"{name}_high": found["high"],
        f"{name}_by_seed": [round(float(value), 4) for value in values],
    }


def _each(rows: pd.DataFrame, figure: Any) -> "pd.Series[float]":
    """A figure of every seed."""
    return pd.Series({seed: float(figure(of_seed)) for seed, of_seed in rows.groupby("seed")}, dtype=float)


def mae(first: "pd.Series[float]", second: "pd.Series[float]") -> float:
    """Mean distance in points."""
    return float((first - second).abs().mean())


def icc(first: "pd.Series[float]", second: "pd.Series[float]") -> float:
    """ICC(2,1)."""
    return float(icc_2_1(np.column_stack([first, second]).astype(float), np.ones((1, len(first))))[0])


def auc_of_number(rows: pd.DataFrame) -> float:
    """Mean over the cut-offs of the AUC with which the predicted score tells visits beyond, by Reader 1, from those below."""
    return _mean_auc(rows, [rows["predicted"]] * 2)


def auc_of_classes(rows: pd.DataFrame) -> float:
    """The same of the classifier, by its probability of lying beyond the cut-off."""
    return _mean_auc(rows, [rows["p_at_least_1"], rows["p_at_least_2"]])


def _mean_auc(rows: pd.DataFrame, scores: "list[pd.Series[float]]") -> float:
    label_V = _classes_of(rows["reader1"])
    return float(np.mean([auc(np.asarray(score, dtype=np.float64), label_V > cut) for cut, score in enumerate(scores)]))


def auc(score_V: Floats, is_beyond_V: NDArray[np.bool_]) -> float:
    """Chance that a visit beyond has the higher score, ties half; NaN where all lie on one side."""
    above, below = score_V[is_beyond_V], score_V[~is_beyond_V]
    if not len(above) or not len(below):
        return float("nan")
    apart = above[:, None] - below
    return float((apart > 0).mean() + (apart == 0).mean() / 2)


def kappa_of_number(rows: pd.DataFrame) -> float:
    """Linear kappa with Reader 1 of the classes that the cut-offs make of the predicted score."""
    return _kappa(_classes_of(rows["predicted"]), rows)


def kappa_of_classes(rows: pd.DataFrame) -> float:
    """Linear kappa with Reader 1 of the predicted class."""
    return _kappa(rows["predicted"].to_numpy(np.int64), rows)


def _kappa(said_V: NDArray[np.int64], rows: pd.DataFrame) -> float:
    both = Answers(np.eye(len(_OUTCOME.classes))[said_V], said_V, _classes_of(rows["reader1"]))
    return float(linear_kappa(both, np.ones((1, len(rows))))[0])


def _classes_of(scores: "pd.Series[float]") -> NDArray[np.int64]:
    return np.array([_OUTCOME.class_of_score(float(score)) for score in scores], dtype=np.int64)


def response_figures(rows: pd.DataFrame, per_cent: int = 75) -> dict[str, Any]:
    """Agreement on response of network and Reader 1, and of the readers with its interval over the patients of all seeds; on
    the follow-ups whose baseline both readers and the network scored above 0. None where there is no follow-up."""
    told = rows.assign(patient_id=rows["seed"].astype(str) + "-" + rows["patient_id"]).reset_index(drop=True)
    courses = courses_of(told)
    value = {name: told[name].to_numpy(float) for name in ("predicted", "reader1", "reader2")}
    is_whole_F = np.array([(one[courses.baseline] > 0) for one in value.values()]).all(axis=0)
    row_F, base_F = courses.follow_up[is_whole_F], courses.baseline[is_whole_F]
    fell = {name: responded(one[row_F], one[base_F], per_cent) for name, one in value.items()}
    agrees = {name: (fell[name] == fell["reader1"]).astype(float) for name in ("predicted", "reader2")}
    resamples = resample_patients(told.loc[row_F, "patient_id"].tolist(), 2000, 0, "benchmark response")
    model, readers = (
        estimate_of(replicated([partial(mean_of_visits, one)], resamples), resamples, _RULE, "")
        for one in agrees.values()
    )
    width, is_within = None, None
    if model.value is not None and readers.low is not None and readers.high is not None:
        width, is_within = readers.high - readers.low, bool(readers.low <= model.value <= readers.high)
    return {
        "pasi75_follow_ups": len(row_F),
        "pasi75_rate_network": float(fell["predicted"].mean()) if len(row_F) else None,
        "pasi75_rate_reader1": float(fell["reader1"].mean()) if len(row_F) else None,
        "pasi75_agreement": model.value,
        "pasi75_agreement_interval": [model.low, model.high],
        "pasi75_readers": readers.value,
        "pasi75_readers_low": readers.low,
        "pasi75_readers_high": readers.high,
        "pasi75_readers_width": width,
        "pasi75_is_within": is_within,
    }


def pruning_figures(table: pd.DataFrame) -> dict[str, Any]:
    """What the shortcut costs and pruning wins back, in points of MAE. Less is better of an error, so signs are turned."""
    turned = table.assign(val=-table["val"], test=-table["test"])
    cost = by_seed(turned, ORACLE) - by_seed(turned, BASELINE)
    costly = turned[turned["seed"].isin(cost.index[cost >= COSTLY])]
    return _in_points(shortcut_figures(turned) | gains(turned, ARM)) | {
        "baseline_mae": mean_of(by_seed(table, BASELINE)),
        "oracle_mae": mean_of(by_seed(table, ORACLE)),
        "shortcut_cost_interval": [mean_of(cost)[end] for end in ("low", "high")],
        "costly_seeds": sorted(int(seed) for seed in costly["seed"].unique()),
        "where_it_cost": _in_points(gains(costly, ARM)) if len(costly) else {},
        "beats_random_on_seeds": gains(costly, ARM).get("seeds_better_than_random_same_k") if len(costly) else None,
        "by_list": _by_list(table),
    }


def _in_points(found: dict[str, Any]) -> dict[str, Any]:
    """Figures of gains, made for AUC, under names of MAE; levels, whose sign was turned, are told by list instead."""
    return {name.replace("auc", "mae"): value for name, value in found.items() if name not in _LEVELS}


def _by_list(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Every list of every seed: MAE on validation and test, what it removed."""
    columns = ["seed", "arm", "list", "control", "k", "removed", "shortcut_precision", "shortcut_recall", "val", "test"]
    rows = table[columns].round(4).astype(object)
    return [dict(zip(columns, row, strict=True)) for row in rows.where(rows.notna(), None).to_numpy().tolist()]
