"""Settings of the out-of-fold predictions."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class OutOfFoldSettings:
    """Predictions of every visit by models that did not see its patient; most rankings of the audit read them."""

    __pydantic_config__ = STRICT

    model: Literal["probe", "head", "full"] = setting(
        "probe",
        "what learns in every fold: probe (linear, seconds); head: the study's network on features that were computed once"
        " (minutes); full: the whole network from its start (as long as folds x repeats trainings)",
    )
    folds: int = setting(5, "parts that the patients are dealt to; each is predicted by a model of the others")
    repeats: int = setting(3, "times the patients are dealt anew; the probabilities are averaged")

    feature_norm: Literal["none", "unit_length"] = setting(
        "unit_length",
        "what the probe takes the mean of: photos' features as they are; or each less its own mean, scaled to length 1",
    )

    def __post_init__(self) -> None:
        refuse_unless(self.folds >= 2, "out_of_fold.folds", self.folds, "at least 2")
        refuse_unless(self.repeats >= 1, "out_of_fold.repeats", self.repeats, "at least 1")
