"""What is reported of a number, such as the PASI of a visit."""

# Axes: V visits.

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.evidence import number_metrics as of
from grasp_psonet.evidence.metrics import confusion
from grasp_psonet.evidence.number_metrics import Numbers
from grasp_psonet.evidence.reported import Figures, Metric
from grasp_psonet.tables.columns import PREDICTED

_MOST_POINTS = 72.0


def numbers_of(outcome: Outcome, predicted: Any, label: Any) -> Numbers:
    """Predicted and read numbers, with the classes that the outcome's cut-offs make of them."""
    predicted_V, label_V = (np.asarray(value, dtype=np.float64) for value in (predicted, label))
    classes = [
        np.array([outcome.stratum_of(float(score)) if np.isfinite(score) else 0 for score in score_V], dtype=np.int64)
        for score_V in (predicted_V, label_V)
    ]
    assert isinstance(outcome, PasiTotal)
    is_scored_V = label_V >= outcome.scale.score_range[0]
    unscored = {} if is_scored_V.all() or not outcome.takes_classes else {"is_scored": is_scored_V}
    return Numbers(predicted_V, label_V, classes[0], classes[1], len(outcome.classes), outcome.noise, **unscored)


def _of_predictions(outcome: Outcome, predictions: pd.DataFrame, labels: "pd.Series[Any]") -> Numbers:
    return numbers_of(outcome, predictions[PREDICTED], labels)


def _why_no_figure(outcome: Outcome, metric: str, numbers: Numbers, reader: str) -> str:
    if metric == "class_auc":
        names = [name for c, name in enumerate(outcome.classes) if c not in numbers.label_class]
        return f"no {' and no '.join(names)} visit among the labels of {reader}"
    if metric in ("limit_low", "limit_high", "icc") and len(numbers) < 2:
        return "one visit alone"
    if metric.startswith("class"):
        return "labels and predictions are all of one class"
    return "no visit of this third" if metric.startswith("bias_") else "all predictions are one and the same number"


def _confusions(outcome: Outcome, numbers: Numbers) -> dict[tuple[str, str], int]:
    counts = confusion(numbers.classes)
    cells = product(enumerate(outcome.classes), enumerate(outcome.classes))
    return {(label, predicted): int(counts[i, j]) for (i, label), (j, predicted) in cells}


def _median_score(outcome: Outcome, trained: "pd.Series[Any]", num_visits: int) -> pd.DataFrame:
    """The number of least mean absolute error that can be said without a look at a photo."""
    scores = trained[outcome.has_value(trained)]
    return pd.DataFrame({PREDICTED: np.full(num_visits, np.median(scores.to_numpy(np.float64)))})


_METRICS = {
    "mae": Metric(
        of.of_scores(of.mean_absolute_error), "MAE", "mean absolute error", "MAE is in points", -1, _MOST_POINTS
    ),
    "icc": Metric(
        of.of_scores(of.absolute_agreement), "ICC", "ICC(2,1)", "ICC is two-way, absolute agreement, single", chance=0.0
    ),
    "concordance": Metric(of.of_scores(of.concordance), "Concordance", "Lin's concordance", chance=0.0),
    "within_noise": Metric(of.of_scores(of.within_noise), "Within noise", "share within the readers' noise"),
    "bias": Metric(of.of_scores(of.bias), "Bias", "bias in points", most=_MOST_POINTS),
    "limit_low": Metric(of.of_scores(of.lower_limit), "Lower limit", "lower limit of agreement", most=_MOST_POINTS),
    "limit_high": Metric(of.of_scores(of.upper_limit), "Upper limit", "upper limit of agreement", most=_MOST_POINTS),
    **{
        f"bias_{name}": Metric(
            of.of_scores(partial(of.bias_of_third, third=third)),
            f"Bias, {name} third",
            f"bias of the {name} third",
            most=_MOST_POINTS,
        )
        for third, name in enumerate(("lowest", "middle", "highest"))
    },
    "slope": Metric(of.of_scores(of.calibration_slope), "Slope", "calibration slope", most=np.inf),
    "intercept": Metric(
        of.of_scores(of.calibration_intercept), "Intercept", "calibration intercept in points", most=_MOST_POINTS
    ),
    "class_auc": Metric(of.class_auc, "Class AUC", "mean AUC over the cut-offs", chance=0.5, of_classes=True),
    "class_kappa": Metric(
        of.class_kappa, "Class kappa", "linear kappa of the classes by the cut-offs", chance=0.0, of_classes=True
    ),
    "class_accuracy": Metric(
        of.class_accuracy, "Class accuracy", "accuracy of the classes by the cut-offs", of_classes=True
    ),
}

NUMBER_FIGURES = Figures(
    metrics=_METRICS,
    choosing="mae",
    shown=("icc", "mae"),
    between_readers={name: name for name in _METRICS if name not in ("slope", "intercept")},
    ceiling="mae",
    answers=_of_predictions,
    between=numbers_of,
    why_not=_why_no_figure,
    why_not_between="both readers gave one and the same number, or a class is missing",
    lacks="validation has no visit",
    confusions=_confusions,
    prior=_median_score,
    prior_word="the median score",
    wrong_label="a number that is off by more than twice the readers' noise",
    detailed=tuple(_METRICS),
    of_pairs=("mae", "class_kappa"),
)
