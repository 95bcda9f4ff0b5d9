"""Settings of a revision: how readings made anew become labels, and which photos they take out."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.cohort.settings import ADJUDICATED, LABEL_RULE_WORDS, READER1, is_label_rule
from grasp_psonet.setting import STRICT, newer_setting, refuse_unless

RevisedSplit = Literal["train", "val"]
NOT_ASSESSABLE_FLAG = "not_assessable"


@dataclass(frozen=True)
class ReviseSettings:
    """What readers' decisions change (`grasp revise`). Visits of the test split are never changed."""

    __pydantic_config__ = STRICT

    rule: str = newer_setting(
        ADJUDICATED,
        "how several readings of a visit become its label: adjudicated (else the median), median (of scores, else of classes), "
        "majority, or reader:NAME",
    )
    readings: Literal["new", "all"] = newer_setting(
        "new", "which readings count: the new ones alone, or those that the study had as well"
    )
    splits: tuple[RevisedSplit, ...] = newer_setting(("train", "val"), "splits whose visits are changed")
    flags: tuple[str, ...] = newer_setting(
        ("wrong_part", "not_skin", "identifies", NOT_ASSESSABLE_FLAG),
        "kinds of flags that leave a photo out of training (not_assessable: all photos of a visit that no reader could assess)",
    )
    flagged_by: int = newer_setting(1, "readers who must have flagged a photo")

    def __post_init__(self) -> None:
        is_rule = is_label_rule(self.rule) and self.rule != READER1
        refuse_unless(is_rule, "revise.rule", self.rule, LABEL_RULE_WORDS.replace(f"{READER1}, ", ""))
        refuse_unless(len(self.splits) > 0, "revise.splits", self.splits, "train, val or both")
        refuse_unless(self.flagged_by >= 1, "revise.flagged_by", self.flagged_by, "at least 1")
