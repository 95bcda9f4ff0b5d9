"""Settings of pruning."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class PruneSettings:
    """Which photos are removed before retraining."""

    __pydantic_config__ = STRICT

    rule: Literal["together", "each"] = setting(
        "together",
        "k photos for all errors together, by the sum of their scores, or k for each error and their union (the paper's)",
    )
    k: tuple[int, ...] = setting(
        (250, 500, 1000, 2000, 4000), "photos taken, one training each: for all errors, or for each"
    )
    end: Literal["harmful", "helpful", "largest"] = setting(
        "harmful", "end of the ranking that is taken: most negative, most positive, or largest absolute score"
    )
    remove: Literal["photo", "visit", "patient"] = setting("photo", "what leaves when a photo is taken")
    keep_at_least: int = setting(1, "photos that every visit keeps (remove: photo)")
    cap_per_group: float | None = setting(None, "largest fraction of any cap_column group that may leave; empty: none")
    cap_column: str | None = setting(None, "visits column whose groups cap_per_group protects, e.g. fitzpatrick")
    controls: tuple[Literal["random", "loss"], ...] = setting(
        ("random",), "removals of the same size trained beside: random (same number per visit), highest loss"
    )

    def __post_init__(self) -> None:
        refuse_unless(
            len(self.k) > 0 and all(k >= 1 for k in self.k) and len(set(self.k)) == len(self.k),
            "prune.k",
            self.k,
            "one or more different counts of at least 1",
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


def has_one_ranking(settings: PruneSettings, are_summed: bool) -> bool:
    """Whether one ranking serves all errors, or each has its own; ``are_summed``: they were traced as one already."""
    return are_summed or settings.rule == "together"
