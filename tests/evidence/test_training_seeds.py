"""Several trainings of one run: figures are their mean, and intervals hold the spread between them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.choose import gain_standard_error
from grasp_psonet.evidence.evaluate import evaluate_runs, figure_of_split, mean_figure_of_split
from grasp_psonet.evidence.intervals import replicated, resample_patients
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.stages.names import BASELINE, FIRST, Training, training_of

OUTCOME = Outcome()
SETTINGS = EvaluateSettings(replicates=400)


def _visits(split: str) -> pd.DataFrame:
    labels = np.arange(60) % 3
    frame = pd.DataFrame(
        {"visit_id": [f"v{n:02d}" for n in range(60)], "patient_id": [f"p{n // 2:02d}" for n in range(60)]}
    )
    return frame.assign(split=split, severity_reader1=labels, severity_reader2=labels)


def _predicted(visits: pd.DataFrame, skill: float, seed: int) -> pd.DataFrame:
    label_V = visits["severity_reader1"].to_numpy(np.int64)
    logit_VC = np.random.default_rng(seed).normal(size=(len(visits), 3)) + skill * np.eye(3)[label_V]
    p_VC = np.exp(logit_VC) / np.exp(logit_VC).sum(axis=1, keepdims=True)
    table = pd.DataFrame(p_VC, columns=OUTCOME.probability_columns)
    return table.assign(
        visit_id=visits["visit_id"], split=visits["split"], label=label_V, predicted=p_VC.argmax(axis=1)
    )


def _row(table: pd.DataFrame, metric: str = "auc") -> "pd.Series[object]":
    found = table[(table["metric"] == metric) & (table["reader"] == "reader1") & (table["group"] == "all")]
    return found[found["run"] == found["run"].iloc[-1]].iloc[0]


def test_figures_are_means_and_the_intervals_of_alike_seeds_those_of_one() -> None:
    visits = _visits("test")
    one, other = _predicted(visits, 1.0, 1), _predicted(visits, 2.0, 2)
    alone = [_row(evaluate_runs({BASELINE: table}, visits, OUTCOME, SETTINGS, 0).figures) for table in (one, other)]
    both = _row(evaluate_runs({BASELINE: [one, other]}, visits, OUTCOME, SETTINGS, 0).figures)
    assert both["value"] == pytest.approx((alone[0]["value"] + alone[1]["value"]) / 2)
    same = _row(evaluate_runs({BASELINE: [one, one, one]}, visits, OUTCOME, SETTINGS, 0).figures)
    assert same[["value", "low", "high"]].tolist() == pytest.approx(alone[0][["value", "low", "high"]].tolist())
    assert both["high"] - both["low"] > max(row["high"] - row["low"] for row in alone), "the seeds differ widely"


def test_replicates_draw_seeds_as_often_as_there_are() -> None:
    resamples = resample_patients([f"p{n}" for n in range(10)], 2000, 0)
    constant = [lambda weight_RV, at=at: np.full(len(weight_RV), at) for at in (0.0, 1.0)]
    mean_R = replicated(constant, resamples).value_R
    assert set(mean_R) == {0.0, 0.5, 1.0}
    assert mean_R.mean() == pytest.approx(0.5, abs=0.03)
    assert (mean_R == 0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_a_gain_that_one_seed_alone_shows_has_a_larger_error() -> None:
    visits = _visits("val")
    base = [_predicted(visits, 1.0, seed) for seed in (1, 2, 3)]
    steady = [_predicted(visits, 1.0, seed) for seed in (1, 2, 3)]
    lucky = [_predicted(visits, 4.0, 1), *base[1:]]
    errors = [gain_standard_error(run, base, visits, OUTCOME, 400, 0) for run in (steady, lucky)]
    assert errors[0] == 0.0, "paired by seed"
    assert errors[1] is not None
    assert errors[1] > 0.03
    figures = [figure_of_split(table, OUTCOME) for table in lucky]
    assert mean_figure_of_split(lucky, OUTCOME) == pytest.approx(np.mean(figures))
    assert mean_figure_of_split([lucky[0], lucky[1].iloc[:0]], OUTCOME) is None


@pytest.mark.parametrize(
    "training", [FIRST, Training("cosine-k0.05"), Training("cosine-k40-random", 12), Training(BASELINE, 1)]
)
def test_the_name_of_a_run_says_what_was_trained_and_how_often(training: Training) -> None:
    assert training_of(training.name) == training
    assert Path(training.name).name == training.name
