"""Settings of pruning."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from grasp_psonet.errors import SettingsError
from grasp_psonet.setting import STRICT, refuse_unless, setting

Rule = Literal["together", "each"]
End = Literal["harmful", "helpful", "largest"]
Remove = Literal["photo", "visit", "patient"]
Control = Literal["random", "class", "loss"]
Within = Literal["none", "class", "class_and_view"]
FromData = Literal["stand_out", "pattern", "pattern_of_worst"]
K = int | float | FromData  # a count of at least 1, a fraction of what may be taken, or what the scores themselves name
STAND_OUT, PATTERN, PATTERN_OF_WORST = get_args(FromData)
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
        ("stand_out", "pattern", "pattern_of_worst"),
        "photos taken, one training each: stand_out (those that stand out within their class), pattern (those that look like "
        "them), pattern_of_worst (like the worst of the most harmful class), a count, or a fraction of the training photos",
    )
    within: Within = setting(
        "class",
        "what a score is compared with: all photos, or those of its class (and view), whose median score is taken off",
    )
    false_discovery: float = setting(
        0.1, "part of the photos that stand out which may do so by chance (k: stand_out, pattern)"
    )
    end: End = setting(
        "harmful", "end of the ranking that is taken: most negative, most positive, or largest absolute score"
    )
    remove: Remove = setting("photo", "what leaves when a photo is taken")
    keep_at_least: int = setting(1, "photos that every visit keeps (remove: photo)")
    cap_per_group: float | None = setting(None, "largest fraction of any cap_column group that may leave; empty: none")
    cap_column: str | None = setting(None, "visits column whose groups cap_per_group protects, e.g. fitzpatrick")
    controls: tuple[Control, ...] = setting(
        ("random",),
        "removals of the same size trained beside: random (same number per visit), class (same number per class), highest loss",
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
            f"different whole counts of at least 1, fractions above 0 and below 1, {', '.join(get_args(FromData))}; none: "
            "nothing is pruned",
        )
        needed = (("rule", self.rule, "together"), ("remove", self.remove, "photo"), ("end", self.end, "harmful"))
        for name, value, wanted in needed:
            refuse_unless(
                value == wanted or not self.from_data,
                f"prune.{name}",
                value,
                f"{wanted}, where prune.k has {', '.join(self.from_data)}; or counts and fractions in prune.k",
            )
        refuse_unless(0 < self.false_discovery < 1, "prune.false_discovery", self.false_discovery, "between 0 and 1")
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

    @property
    def from_data(self) -> tuple[FromData, ...]:
        """The values of k that the scores themselves name."""
        return tuple(k for k in self.k if isinstance(k, str))

    @property
    def set_k(self) -> tuple[int | float, ...]:
        """The counts and fractions among the values of k."""
        return tuple(k for k in self.k if not isinstance(k, str))


def _is_k(k: K) -> bool:
    if isinstance(k, str):
        return k in get_args(FromData)
    return k >= 1 if isinstance(k, int) else 0 < k < 1


def in_order(ks: Sequence[K]) -> list[K]:
    """Values of k in the order in which their lists are shown: fractions and counts by size, then what the scores name."""
    numbers = sorted(k for k in ks if not isinstance(k, str))
    return [*numbers, *(word for word in get_args(FromData) if word in ks)]


def count_of(k: int | float, num_units: int) -> int:
    """How many are taken of so many training photos (or visits, patients: ``prune.remove``): k itself, or the nearest whole
    number to its fraction of them, halves upwards, and at least 1."""
    return k if isinstance(k, int) else max(1, math.floor(k * num_units + 0.5))


def refuse_same_counts(ks: Sequence[K], num_units: int, unit: Remove) -> None:
    """Raises SettingsError where two values of ``prune.k`` take equally many, and so would be trained twice."""
    first: dict[int, int | float] = {}
    for k in sorted(k for k in ks if not isinstance(k, str)):
        count = count_of(k, num_units)
        if count in first:
            raise SettingsError(
                f"prune.k {first[count]} and {k} both take {count} of {num_units} training {unit}s"
                "\n  next: leave one of them out"
            )
        first[count] = k


def out_of_proportion(ks: Sequence[K], num_units: int) -> list[int]:
    """The counts that are more than ``MOST_OF_TRAINING`` of the training photos (visits, patients)."""
    counts = [count_of(k, num_units) for k in ks if not isinstance(k, str)]
    return sorted(count for count in counts if count > MOST_OF_TRAINING * num_units)


def applied_rule(rule: Rule, sum_queries: bool) -> Rule:
    """The rule that a ranking follows: errors that were traced as one (``trace.sum_queries``) have one ranking anyway."""
    return "together" if sum_queries else rule


def num_rankings(rule: Rule, num_queries: int) -> int:
    """Rankings that this many traced errors give under the applied rule: one for all of them, or one each."""
    return min(1, num_queries) if rule == "together" else num_queries
