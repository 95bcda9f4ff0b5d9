"""What is reported of a kind of outcome, as values: a figure, and which figures there are."""

# Axes: R weightings (bootstrap replicates).

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.metrics import Floats


@dataclass(frozen=True)
class Metric:
    """One figure: ``value`` of answers (of their kind) under weightings of the visits [R, V], NaN where it does not exist.

    ``word`` heads its columns, ``full`` names it in a sentence, ``told`` says how it is made. ``sign``: 1 where higher is
    better, -1 where lower is. ``most``: the highest it can be. ``chance``: what answers that know nothing of a visit are
    expected to get, where that does not depend on the study. ``of_classes``: of a number, whether it needs no more of a label
    than its class.
    """

    value: Callable[[Any, Floats], Floats]
    word: str
    full: str
    told: str = ""
    sign: int = 1
    most: float = 1.0
    chance: float | None = None
    of_classes: bool = False

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
    ``wrong_label``: what a label is that is wrong, in words. ``detailed``: those that stand in a table of their own, beside the
    readers themselves; empty where ``shown`` says it all. ``of_pairs``: names of ``between_readers`` that are stated of each
    pair of many readers, beside the ICC of their scores; empty: all.
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
    wrong_label: str = "the label of another class"
    detailed: tuple[str, ...] = ()
    of_pairs: tuple[str, ...] = ()
    for_small_groups: str = ""

    @property
    def chooser(self) -> Metric:
        """The metric that chooses epoch and k."""
        return self.metrics[self.choosing]

    @property
    def between_pairs(self) -> Mapping[str, str]:
        """Of each pair of many readers: metrics by the name given, as ``between_readers``."""
        return {name: self.between_readers[name] for name in self.of_pairs or self.between_readers}

    @property
    def ceiling_metric(self) -> Metric:
        """The metric of ``ceiling``."""
        return self.metrics[self.between_readers[self.ceiling]]
