"""Settings of the audit."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting

Ranking = Literal[
    "largest",
    "mean",
    "visit_loss",
    "margin",
    "mean_loss",
    "area_under_margin",
    "forgetting",
    "el2n",
    "out_of_fold_residual",
    "self_confidence",
    "normalized_margin",
    "entropy",
    "confident_learning",
    "crowdlab",
    "neighbour_ratio",
    "cutoff_nearness",
    "margin_and_cutoff",
    "confidence_and_cutoff",
    "expected_disagreement",
    "gross_error",
    "threshold_flip",
]


@dataclass(frozen=True)
class AuditSettings:
    """Which training visits should be read again."""

    __pydantic_config__ = STRICT

    ranking: Ranking = setting("gross_error", "the ranking that the review list is sorted by (all are in the table)")
    model: Literal["run", "paper"] = setting(
        "run",
        "run: the baseline alone is audited; paper: beside it a network of its own is trained on train and test, and ranks"
        " up to 100 visits read twice as the paper did (one more training)",
    )
    formula: Literal["adam", "sgd", "paper"] = setting(
        "adam", "influence formula of the self-influence matrix (cosine would be the same for every photo)"
    )
    inspected: float = setting(0.3, "fraction of visits inspected at which the found fraction is stated")

    def __post_init__(self) -> None:
        refuse_unless(0 < self.inspected < 1, "audit.inspected", self.inspected, "between 0 and 1")
