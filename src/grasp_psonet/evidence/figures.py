"""What is reported of an outcome, by its kind: which figures, how they are spoken of, and how they are made from tables.

Another kind of outcome is one more entry in ``FIGURES``.
"""

# Axes: R weightings (bootstrap replicates), V visits.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.metrics import (
    Answers,
    Floats,
    accuracy,
    confusion,
    has_all_classes,
    linear_kappa,
    micro_auc,
)
from grasp_psonet.tables.columns import PREDICTED


@dataclass(frozen=True)
class Metric:
    """One figure: ``value`` of answers (of their kind) under weightings of the visits [R, V], NaN where it does not exist.

    ``word`` heads its columns, ``full`` names it in a sentence, ``told`` says how it is made. ``sign``: 1 where higher is
    better, -1 where lower is. ``most``: the highest it can be.
    """

    value: Callable[[Any, Floats], Floats]
    word: str
    full: str
    told: str = ""
    sign: int = 1
    most: float = 1.0

    @property
    def in_sentence(self) -> str:
        """``word`` within a sentence: kappa, but AUC."""
        return self.word if self.word.isupper() else self.word[:1].lower() + self.word[1:]


@dataclass(frozen=True)
class Figures:
    """What is reported of a kind of outcome.

    ``metrics`` by name, and of these: ``choosing`` chooses epoch and k, ``shown`` stand on the page in this order,
    ``between_readers`` are stated of the readers themselves under the name given, ``ceiling`` of them on the page.
    ``answers`` are what the metrics read: of rows of predictions and one reader's labels, ``between`` of Reader 2 in the place
    of a model and Reader 1. ``why_not``: why a metric does not exist for these answers to a reader; ``why_not_between`` the
    same of readers. ``lacks``: what is wrong with a validation split on which ``choosing`` does not exist. ``confusions``:
    visits by (label, predicted), none where labels cannot be told apart by name. ``prior``: predictions of so many visits from
    the training labels alone, which is what can be said without a look at a photo; ``prior_word`` names it.
    ``for_small_groups``: the metric of a group of visits that is too small for ``choosing``; empty where there is none.
    """

    metrics: Mapping[str, Metric]
    choosing: str
    shown: tuple[str, ...]
    between_readers: Mapping[str, str]
    ceiling: str
    answers: Callable[[Outcome, pd.DataFrame, "pd.Series[Any]"], Any]
    between: Callable[[Outcome, "pd.Series[Any]", "pd.Series[Any]"], Any]
    why_not: Callable[[Outcome, str, Any, str], str]
    why_not_between: str
    lacks: str
    confusions: Callable[[Outcome, Any], Mapping[tuple[str, str], int]]
    prior: Callable[[Outcome, "pd.Series[Any]", int], pd.DataFrame]
    prior_word: str
    for_small_groups: str = ""

    @property
    def chooser(self) -> Metric:
        """The metric that chooses epoch and k."""
        return self.metrics[self.choosing]

    @property
    def ceiling_metric(self) -> Metric:
        """The metric of ``ceiling``."""
        return self.metrics[self.between_readers[self.ceiling]]


def figures_of(outcome: Outcome) -> Figures:
    """What is reported of an outcome."""
    return FIGURES[outcome.kind]


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


FIGURES: dict[str, Figures] = {
    "classes": Figures(
        metrics={
            "auc": Metric(micro_auc, "AUC", "micro AUC", "AUC is micro-averaged one against rest"),
            "kappa": Metric(linear_kappa, "Kappa", "linear kappa", "Kappa is linearly weighted"),
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
}
