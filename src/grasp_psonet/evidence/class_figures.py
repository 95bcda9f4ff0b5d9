"""What is reported of a scale of classes."""

# Axes: V visits, C classes.

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.metrics import (
    Answers,
    accuracy,
    confusion,
    has_all_classes,
    linear_kappa,
    micro_auc,
)
from grasp_psonet.evidence.reported import Figures, Metric
from grasp_psonet.tables.columns import PREDICTED


def _answers_of_classes(outcome: Outcome, predictions: pd.DataFrame, labels: "pd.Series[Any]") -> Answers:
    return Answers(
        predictions[outcome.probability_columns].to_numpy(np.float64),
        np.asarray(predictions[PREDICTED], dtype=np.int64),
        np.asarray(labels, dtype=np.int64),
    )


def _classes_between(outcome: Outcome, second: "pd.Series[Any]", first: "pd.Series[Any]") -> Answers:
    """A reader gives a class, so its probabilities are 0 and 1."""
    predicted_V = second.to_numpy(np.int64)
    return Answers(np.eye(len(outcome.classes))[predicted_V], predicted_V, first.to_numpy(np.int64))


def _why_no_figure_of_classes(outcome: Outcome, metric: str, answers: Answers, reader: str) -> str:
    if metric == "auc" and not has_all_classes(answers, np.ones((1, len(answers))))[0]:
        missing = [name for c, name in enumerate(outcome.classes) if c not in answers.label]
        return f"no {' and no '.join(missing)} visit among the labels of {reader}"
    return "labels and predictions are all of one class"


def _confusions_of_classes(outcome: Outcome, answers: Answers) -> dict[tuple[str, str], int]:
    counts = confusion(answers)
    cells = product(enumerate(outcome.classes), enumerate(outcome.classes))
    return {(label, predicted): int(counts[i, j]) for (i, label), (j, predicted) in cells}


def _class_frequencies(outcome: Outcome, trained: "pd.Series[Any]", num_visits: int) -> pd.DataFrame:
    counts_C = np.bincount(trained.to_numpy(np.int64), minlength=outcome.num_outputs)
    same_VC = np.tile(counts_C / counts_C.sum(), (num_visits, 1))
    return pd.DataFrame(same_VC, columns=outcome.probability_columns).assign(**{PREDICTED: int(counts_C.argmax())})


CLASS_FIGURES = Figures(
    metrics={
        "auc": Metric(micro_auc, "AUC", "micro AUC", "AUC is micro-averaged one against rest", chance=0.5),
        "kappa": Metric(linear_kappa, "Kappa", "linear kappa", "Kappa is linearly weighted", chance=0.0),
        "accuracy": Metric(accuracy, "Accuracy", "accuracy"),
    },
    choosing="auc",
    shown=("kappa", "auc"),
    between_readers={"kappa": "kappa", "agreement": "accuracy"},
    ceiling="kappa",
    answers=_answers_of_classes,
    between=_classes_between,
    why_not=_why_no_figure_of_classes,
    why_not_between="both readers gave one and the same class to all",
    lacks="validation lacks a class",
    confusions=_confusions_of_classes,
    prior=_class_frequencies,
    prior_word="class frequencies",
    for_small_groups="accuracy",
)
