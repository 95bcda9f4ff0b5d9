"""Settings of pruning."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting

Rule = Literal["together", "each"]
End = Literal["harmful", "helpful", "largest"]
Remove = Literal["photo", "visit", "patient"]
Control = Literal["random", "loss"]


@dataclass(frozen=True)
class PruneSettings:
    """Which photos are removed before retraining."""

    __pydantic_config__ = STRICT

    rule: Rule = setting(
        "together",
        "k photos for all errors together, by the sum of their scores, or k for each error and their union (the paper's)",
    )
    k: tuple[int, ...] = setting(
        (250, 500, 1000, 2000, 4000), "photos taken, one training each: for all errors, or for each"
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

    def __post_init__(self) -> None:
        refuse_unless(
            all(k >= 1 for k in self.k) and len(set(self.k)) == len(self.k),
            "prune.k",
            self.k,
            "different counts of at least 1; none: nothing is pruned",
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


def applied_rule(rule: Rule, sum_queries: bool) -> Rule:
    """The rule that a ranking follows: errors that were traced as one (``trace.sum_queries``) have one ranking anyway."""
    return "together" if sum_queries else rule


def num_rankings(rule: Rule, num_queries: int) -> int:
    """Rankings that this many traced errors give under the applied rule: one for all of them, or one each."""
    return min(1, num_queries) if rule == "together" else num_queries
