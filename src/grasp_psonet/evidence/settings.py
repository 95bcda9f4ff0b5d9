"""Settings of the evaluation."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting

Method = Literal["percentile", "bca"]


@dataclass(frozen=True)
class IntervalRule:
    """How an interval is made of replicates: its coverage, and percentiles or BCa (``intervals.estimate_of``)."""

    confidence: float
    method: Method


@dataclass(frozen=True)
class EvaluateSettings:
    """Figures, intervals and subgroups."""

    __pydantic_config__ = STRICT

    replicates: int = setting(1000, "patient-clustered bootstrap replicates")
    confidence: float = setting(0.95, "coverage of the intervals")
    interval: Method = setting(
        "percentile", "intervals from percentiles of the replicates, or corrected for bias and skew"
    )
    min_gain_se: float = setting(
        1.0,
        "standard errors by which validation AUC must beat the baseline's before a pruning is chosen (0: any gain)",
    )
    training_seeds: int = setting(
        1,
        "times the baseline and every retraining are trained, with seeds of their own; figures and choice are of their mean",
    )
    subgroups: tuple[str, ...] = setting((), "further visits columns to evaluate by (Fitzpatrick is always there)")

    def __post_init__(self) -> None:
        refuse_unless(self.replicates >= 10, "evaluate.replicates", self.replicates, "at least 10")
        refuse_unless(self.training_seeds >= 1, "evaluate.training_seeds", self.training_seeds, "at least 1")
        refuse_unless(self.min_gain_se >= 0, "evaluate.min_gain_se", self.min_gain_se, "0 or more")
        refuse_unless(0 < self.confidence < 1, "evaluate.confidence", self.confidence, "between 0 and 1")

    @property
    def interval_rule(self) -> IntervalRule:
        """How the intervals are made."""
        return IntervalRule(self.confidence, self.interval)
