"""Settings of pruning."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grasp_psonet.errors import SettingsError
from grasp_psonet.setting import STRICT, refuse_unless, setting

Rule = Literal["together", "each"]
End = Literal["harmful", "helpful", "largest"]
Remove = Literal["photo", "visit", "patient"]
Control = Literal["random", "loss"]
K = int | float  # a count of at least 1, or a fraction of what may be taken
MOST_OF_TRAINING = 0.3  # a larger part of the training photos is told: what is learned next is another study


@dataclass(frozen=True)
class PruneSettings:
    """Which photos are removed before retraining."""

    __pydantic_config__ = STRICT

    rule: Rule = setting(
        "together",
        "k photos for all errors together, by the sum of their scores, or k for each error and their union (the paper's)",
    )
    k: tuple[K, ...] = setting(
        (0.01, 0.02, 0.05, 0.1, 0.2),
        "photos taken, one training each: for all errors, or for each; below 1: a fraction of the training photos",
    )
    end: End = setting(
        "harmful", "end of the ranking that is taken: most negative, most positive, or largest absolute score"
    )
    remove: Remove = setting("photo", "what leaves when a photo is taken")
    keep_at_least: int = setting(1, "photos that every visit keeps (remove: photo)")
    cap_per_group: float | None = setting(None, "largest fraction of any cap_column group that may leave; empty: none")
    cap_column: str | None = setting(None, "visits column whose groups cap_per_group protects, e.g. fitzpatrick")
    controls: tuple[Control, ...] = setting(
        ("random",), "removals of the same size trained beside: random (same number per visit), highest loss"
    )

    retrained_anchors: Literal["kept", "all"] = setting(
        "kept",
        "anchors that retrained runs keep: of their kept epoch, all that later stages read, or all, to trace them too",
    )

    def __post_init__(self) -> None:
        refuse_unless(
            all(map(_is_k, self.k)) and len(set(self.k)) == len(self.k),
            "prune.k",
            self.k,
            "different whole counts of at least 1, or fractions above 0 and below 1; none: nothing is pruned",
        )
        refuse_unless(self.keep_at_least >= 1, "prune.keep_at_least", self.keep_at_least, "at least 1")
        refuse_unless(
            self.cap_per_group is None or 0 < self.cap_per_group <= 1,
            "prune.cap_per_group",
            self.cap_per_group,
            "a fraction above 0 up to 1, or empty",
        )
        refuse_unless(
            (self.cap_per_group is None) == (self.cap_column is None),
            "prune.cap_per_group, prune.cap_column",
            (self.cap_per_group, self.cap_column),
            "both set or both empty",
        )


def _is_k(k: K) -> bool:
    return k >= 1 if isinstance(k, int) else 0 < k < 1


def count_of(k: K, num_units: int) -> int:
    """How many are taken of so many training photos (or visits, patients: ``prune.remove``): k itself, or the nearest whole
    number to its fraction of them, halves upwards, and at least 1."""
    return k if isinstance(k, int) else max(1, math.floor(k * num_units + 0.5))


def refuse_same_counts(ks: Sequence[K], num_units: int, unit: Remove) -> None:
    """Raises SettingsError where two values of ``prune.k`` take equally many, and so would be trained twice."""
    first: dict[int, K] = {}
    for k in sorted(ks):
        count = count_of(k, num_units)
        if count in first:
            raise SettingsError(
                f"prune.k {first[count]} and {k} both take {count} of {num_units} training {unit}s"
                "\n  next: leave one of them out"
            )
        first[count] = k


def out_of_proportion(ks: Sequence[K], num_units: int) -> list[int]:
    """The counts that are more than ``MOST_OF_TRAINING`` of the training photos (visits, patients)."""
    return sorted(count for k in ks if (count := count_of(k, num_units)) > MOST_OF_TRAINING * num_units)


def applied_rule(rule: Rule, sum_queries: bool) -> Rule:
    """The rule that a ranking follows: errors that were traced as one (``trace.sum_queries``) have one ranking anyway."""
    return "together" if sum_queries else rule


def num_rankings(rule: Rule, num_queries: int) -> int:
    """Rankings that this many traced errors give under the applied rule: one for all of them, or one each."""
    return min(1, num_queries) if rule == "together" else num_queries
