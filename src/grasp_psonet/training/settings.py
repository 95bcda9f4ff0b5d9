"""Settings of training."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.setting import STRICT, group, refuse_unless, setting
from grasp_psonet.trajectory.settings import OptimizerSettings


@dataclass(frozen=True)
class TrainSettings:
    """How the network is trained, and what is recorded."""

    __pydantic_config__ = STRICT

    epochs: int = setting(100, "passes of as many draws as there are training visits")
    visits_per_step: int = setting(4, "visits in one optimizer step (the last step of an epoch may have fewer)")
    sampling: Literal["class_weighted", "uniform", "shuffled"] = setting(
        "class_weighted", "with replacement by class, with replacement, or each visit once an epoch"
    )
    anchor_every: int = setting(
        1, "epochs between anchors (weights and both Adam moments; 12 bytes per parameter each)"
    )
    keep: Literal["best", "last"] = setting(
        "best",
        "epoch whose weights are the run's: the best on validation, or the last (for a validation of few visits)",
    )
    probe_epochs: int = setting(
        0, "first epochs, in which the encoder stands still, on features computed once; then all weights move (0: none)"
    )
    probe_lr: float = setting(1e-3, "learning rate in those epochs, constant")
    optimizer: OptimizerSettings = group(OptimizerSettings)
    augmentation: AugmentationSettings = group(AugmentationSettings)

    def __post_init__(self) -> None:
        for name in ("epochs", "visits_per_step", "anchor_every"):
            refuse_unless(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "at least 1")
        refuse_unless(
            0 <= self.probe_epochs < self.epochs,
            "train.probe_epochs",
            self.probe_epochs,
            f"0 or more, and fewer than train.epochs ({self.epochs}), of which they are the first",
        )
        refuse_unless(self.probe_lr > 0, "train.probe_lr", self.probe_lr, "above 0")
