"""How often an interval holds the true figure: simulated studies of the paper's size, by the product's own intervals.

A study's test split has 69 patients and about 170 visits. Every study is evaluated as ``grasp evaluate`` does, with its default
number of replicates.
"""

import itertools
import logging
from functools import partial
from typing import Any, get_args

import numpy as np

from benchmarks.evidence.scope import Scope
from benchmarks.evidence.simulated import Population, Study, Truth, drawn_study, true_figures
from grasp_psonet.evidence.intervals import estimate_of, replicated, resample_patients
from grasp_psonet.evidence.metrics import linear_kappa, micro_auc
from grasp_psonet.evidence.settings import EvaluateSettings, IntervalRule, Method

log = logging.getLogger("benchmarks")

NUM_PATIENTS = 69
NUM_STUDIES, NUM_PATIENTS_OF_TRUTH = 1000, 200_000
QUICK_STUDIES, QUICK_PATIENTS_OF_TRUTH = 20, 20_000
BALANCED, UNBALANCED = (0.34, 0.33, 0.33), (0.6, 0.28, 0.12)
POPULATIONS = (
    Population("balanced, high AUC", BALANCED, (2.2, 2.6)),
    Population("balanced, middling AUC", BALANCED, (0.6, 0.75)),
    Population("unbalanced, high AUC", UNBALANCED, (2.2, 2.6)),
    Population("unbalanced, middling AUC", UNBALANCED, (0.6, 0.6)),
    Population("balanced, high AUC, 5 seeds", BALANCED, (2.2, 2.6), 5, 0.25),
    Population("unbalanced, middling AUC, 5 seeds", UNBALANCED, (0.6, 0.75), 5, 0.1),
)
METRICS = {"auc": micro_auc, "kappa": linear_kappa}
METHODS: tuple[Method, ...] = get_args(Method)
Row = dict[str, Any]


def coverage(scope: Scope) -> dict[str, Any]:
    """The share of intervals at the default confidence that hold the truth, of figures and of paired differences."""
    default = EvaluateSettings()
    populations = POPULATIONS[::5] if scope.is_quick else POPULATIONS
    num_studies = QUICK_STUDIES if scope.is_quick else NUM_STUDIES
    rows = [
        row
        for place, population in enumerate(populations)
        for row in _rows_of(population, num_studies, place, default, scope.is_quick)
    ]
    found: dict[str, Any] = {
        f"coverage_{name}": _mean(rows, default.interval, **which)
        for name, which in {
            "auc": {"metric": "auc", "of": "figure"},
            "kappa": {"metric": "kappa", "of": "figure"},
            "difference": {"of": "difference"},
            "difference_auc": {"metric": "auc", "of": "difference"},
            "difference_kappa": {"metric": "kappa", "of": "difference"},
        }.items()
    }
    of_default = [row["coverage"] for row in rows if row["method"] == default.interval]
    found |= {
        "coverage_method": default.interval,
        "coverage_lowest": min(of_default),
        "coverage_highest": max(of_default),
        "coverage_studies": num_studies,
    }
    for method in METHODS:
        found |= {f"coverage_{of}_{method}": _mean(rows, method, of=of) for of in ("figure", "difference")}
    return found | {"coverage_by_population": rows}


def _mean(rows: list[Row], method: str, **which: str) -> float:
    of = [row["coverage"] for row in rows if row["method"] == method and all(row[k] == v for k, v in which.items())]
    return round(float(np.mean(of)), 4)


def _rows_of(
    population: Population, num_studies: int, place: int, settings: EvaluateSettings, is_quick: bool
) -> list[Row]:
    """One row per metric, per figure or difference, and per method: coverage, misses on either side, mean width."""
    rng = np.random.default_rng([11, place])
    truth = true_figures(population, QUICK_PATIENTS_OF_TRUTH if is_quick else NUM_PATIENTS_OF_TRUTH, rng)
    tally: dict[tuple[str, str, str], list[tuple[bool, bool, float]]] = {}
    for number in range(num_studies):
        study = drawn_study(population, NUM_PATIENTS, rng)
        for key, outcome in _intervals_of(study, truth, settings, place, number):
            tally.setdefault(key, []).append(outcome)
    log.info("%s: %d studies", population.name, num_studies)
    return [
        {
            "population": population.name,
            "metric": metric,
            "of": of,
            "method": method,
            "truth": [round(value, 4) for value in truth.value[metric]],
            "seed_sd": [round(value, 4) for value in truth.seed_sd[metric]],
            "coverage": round(float(np.mean([not low and not high for low, high, _ in outcomes])), 4),
            "truth_below": round(float(np.mean([low for low, _, _ in outcomes])), 4),
            "truth_above": round(float(np.mean([high for _, high, _ in outcomes])), 4),
            "mean_width": round(float(np.mean([width for _, _, width in outcomes])), 4),
            "intervals": len(outcomes),
        }
        for (metric, of, method), outcomes in tally.items()
    ]


def _intervals_of(
    study: Study, truth: Truth, settings: EvaluateSettings, place: int, number: int
) -> list[tuple[tuple[str, str, str], tuple[bool, bool, float]]]:
    """By metric, figure or difference, and method: whether the truth lies below or above the interval, and its width."""
    ids = [str(patient) for patient in study.patient_V]
    resamples = resample_patients(ids, settings.replicates, "coverage", place, number)
    found: list[tuple[tuple[str, str, str], tuple[bool, bool, float]]] = []
    for metric, of in METRICS.items():
        runs = [replicated([partial(of, answers) for answers in run], resamples) for run in study.answers]
        first, second = truth.value[metric]
        wanted = (
            ("figure", runs[0], first),
            ("figure", runs[1], second),
            ("difference", runs[1] - runs[0], second - first),
        )
        for (kind, of_runs, true), method in itertools.product(wanted, METHODS):
            estimate = estimate_of(of_runs, resamples, IntervalRule(settings.confidence, method), "")
            if estimate.low is None or estimate.high is None:
                continue
            outcome = (true < estimate.low, true > estimate.high, estimate.high - estimate.low)
            found.append(((metric, kind, method), outcome))
    return found
