"""The weighted figures of a number equal plain formulas on visits that are really repeated, and published tables."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence import number_metrics as of
from grasp_psonet.evidence.evaluate import evaluate_runs, figure_of_split
from grasp_psonet.evidence.number_figures import NUMBER_FIGURES, numbers_of
from grasp_psonet.evidence.number_metrics import Numbers
from grasp_psonet.evidence.settings import EvaluateSettings

OUTCOME = PasiTotal(SeveritySettings(outcome="pasi"), noise=2.0)


def some_numbers(seed: int, num_visits: int = 40) -> Numbers:
    rng = np.random.default_rng(seed)
    label_V = np.round(rng.gamma(2.0, 4.5, num_visits), 1)
    predicted_V = np.clip(np.round(0.8 * label_V + 1.5 + rng.normal(0, 2.5, num_visits)), 0, 72)
    return numbers_of(OUTCOME, predicted_V, label_V)


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def slow_icc(first: list[float], second: list[float]) -> float:
    """The mean squares of a two-way table, one by one."""
    n, grand = len(first), mean(first + second)
    rows = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    columns = [mean(first), mean(second)]
    of_rows = 2 * math.fsum((row - grand) ** 2 for row in rows) / (n - 1)
    of_columns = n * math.fsum((column - grand) ** 2 for column in columns)
    left = math.fsum(
        (value - row - column + grand) ** 2
        for pair, row in zip(zip(first, second, strict=True), rows, strict=True)
        for value, column in zip(pair, columns, strict=True)
    ) / (n - 1)
    return (of_rows - left) / (of_rows + left + 2 * (of_columns - left) / n)


def slow(predicted: list[float], label: list[float], thirds: list[int]) -> dict[str, float]:
    off = [p - r for p, r in zip(predicted, label, strict=True)]
    sd = math.sqrt(math.fsum((d - mean(off)) ** 2 for d in off) / (len(off) - 1))
    together = mean([(p - mean(predicted)) * (r - mean(label)) for p, r in zip(predicted, label, strict=True)])
    of_p, of_r = (mean([(v - mean(values)) ** 2 for v in values]) for values in (predicted, label))
    slope = together / of_p
    classes = [[0 if v <= 5 else 1 if v <= 10 else 2 for v in values] for values in (predicted, label)]
    return {
        "mae": mean([abs(d) for d in off]),
        "icc": slow_icc(predicted, label),
        "concordance": 2 * together / (of_p + of_r + (mean(predicted) - mean(label)) ** 2),
        "within_noise": mean([float(abs(d) <= 2.0) for d in off]),
        "bias": mean(off),
        "limit_low": mean(off) - 1.96 * sd,
        "limit_high": mean(off) + 1.96 * sd,
        "slope": slope,
        "intercept": mean(label) - slope * mean(predicted),
        "class_auc": mean([float(roc_auc_score([c >= cut for c in classes[1]], predicted)) for cut in (1, 2)]),
        "class_kappa": float(cohen_kappa_score(classes[1], classes[0], weights="linear")),
        "class_accuracy": mean([float(a == b) for a, b in zip(*classes, strict=True)]),
    } | {
        f"bias_{name}": mean([d for d, third in zip(off, thirds, strict=True) if third == number])
        for number, name in enumerate(("lowest", "middle", "highest"))
    }


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_equals_its_plain_formula_on_repeated_visits(seed: int) -> None:
    numbers = some_numbers(seed)
    weight_RV = np.random.default_rng(seed + 100).integers(0, 4, size=(5, len(numbers))).astype(float)
    middle = (numbers.predicted + numbers.label) / 2
    edges = np.quantile(middle, (1 / 3, 2 / 3))
    thirds = [int((value > edges).sum()) for value in middle]
    fast = {name: metric.value(numbers, weight_RV) for name, metric in NUMBER_FIGURES.metrics.items()}
    for r, weight_V in enumerate(weight_RV.astype(int)):
        repeated = [np.repeat(values, weight_V).tolist() for values in (numbers.predicted, numbers.label, thirds)]
        wanted = slow(*repeated)
        assert fast.keys() == wanted.keys()
        for name, value in wanted.items():
            assert fast[name][r] == pytest.approx(value, abs=1e-10), name
    assert all(np.ptp(value_R) > 1e-4 for value_R in fast.values()), "all weightings agree"


@pytest.mark.parametrize(
    ("shown", "metric", "exists"),
    [
        ([3.0, 3.0, 3.0], of.absolute_agreement, False),
        ([3.0, 3.0, 3.0], of.concordance, False),
        ([3.0, 3.0, 3.0], of.calibration_slope, False),
        ([3.0, 3.0, 3.0], of.mean_absolute_error, True),
        ([3.0], of.absolute_agreement, False),
        ([3.0], of.upper_limit, False),
        ([3.0], of.bias, True),
        ([], of.mean_absolute_error, False),
        ([], of.class_auc, False),
        ([], partial(of.bias_of_third, third=0), False),
    ],
)
def test_what_does_not_exist_is_nan(
    shown: list[float], metric: Callable[[Numbers, np.ndarray], np.ndarray], exists: bool
) -> None:
    numbers = numbers_of(OUTCOME, shown, shown)
    assert bool(np.isfinite(metric(numbers, np.ones((1, len(shown))))).all()) is exists


def test_predictions_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(EvidenceError, match="1 of 2 predictions are NaN or infinite"):
        numbers_of(OUTCOME, [3.0, float("nan")], [3.0, 4.0])


def test_a_systematic_difference_is_no_agreement() -> None:
    label = np.arange(20.0)
    (same,) = of.absolute_agreement(numbers_of(OUTCOME, label, label), np.ones((1, 20)))
    (higher,) = of.absolute_agreement(numbers_of(OUTCOME, label + 6, label), np.ones((1, 20)))
    assert same == pytest.approx(1.0)
    assert higher < 0.8


def test_a_visit_with_only_a_class_counts_in_figures_of_classes_alone() -> None:
    """The figures of numbers are those without it, and say that it was left out."""
    rng = np.random.default_rng(5)
    score = np.round(rng.uniform(0, 20, 12), 1)
    visits = pd.DataFrame(
        {
            "visit_id": [f"v{v}" for v in range(12)],
            "patient_id": [f"p{v // 2}" for v in range(12)],
            "split": "test",
            "pasi_reader1": score,
            "pasi_reader2": np.nan,
            "severity_reader1": np.digitize(score, (5, 10), right=True),
            "severity_reader2": None,
        }
    )
    predictions = pd.DataFrame(
        {"visit_id": visits["visit_id"], "predicted": np.clip(score + rng.normal(0, 3, 12), 0, 72)}
    )
    outcome = PasiTotal(SeveritySettings(outcome="pasi", only_class="interval"), noise=2.0)
    settings = EvaluateSettings(replicates=30)

    def figures(visits: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
        table = evaluate_runs({"baseline": predictions}, visits, outcome, settings, 0).figures
        whole = table[(table["reader"] == "reader1") & (table["group_column"] == "all")]
        return whole.set_index("metric")

    alone = visits.index[[1, 4, 7]]
    fewer = visits.assign(pasi_reader1=visits["pasi_reader1"].mask(visits.index.isin(alone)))
    found, without = figures(fewer, predictions), figures(visits.drop(index=alone), predictions)
    everywhere = figures(visits, predictions)
    is_of_classes = found.index.str.startswith("class_")
    numbers = ["value", "low", "high", "num_visits", "num_patients"]
    pd.testing.assert_frame_equal(found.loc[~is_of_classes, numbers], without.loc[~is_of_classes, numbers])
    pd.testing.assert_frame_equal(found.loc[is_of_classes, numbers], everywhere.loc[is_of_classes, numbers])
    assert found["num_left_out"].tolist() == [0 if one else 3 for one in is_of_classes]
    labelled = predictions.assign(split="val", label=outcome.labels_of(fewer, 0))
    off = (labelled["predicted"] - labelled["label"]).drop(index=alone).abs()
    assert figure_of_split(labelled, outcome) == pytest.approx(off.mean()), "what chooses epoch and k"
