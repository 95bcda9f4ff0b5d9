"""Settings of the optimizer: the Adam law that training and tracing share."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class OptimizerSettings:
    """Adam or AdamW, its schedule and gradient clipping."""

    __pydantic_config__ = STRICT

    kind: Literal["adam", "adamw"] = setting(
        "adam", "adam: weight decay enters the moments (coupled); adamw: decoupled"
    )
    lr: float = setting(1e-6, "peak learning rate; of the encoder, where head_lr is given")
    betas: tuple[float, float] = setting((0.9, 0.999), "decay of the first and second moment")
    eps: float = setting(1e-8, "added to the root of the second moment")
    weight_decay: float = setting(1e-4, "weight decay lambda")
    head_lr: float | None = setting(
        None, "peak learning rate of everything that is not the encoder; empty: the same as the encoder's"
    )
    layer_decay: float = setting(
        1.0, "factor on the learning rate from each layer of the encoder to the one below it (1: all alike)"
    )
    decay_norms_and_biases: bool = setting(
        True, "weight decay on all parameters, as torch has it; false: none on norms, biases, tokens (timm's recipes)"
    )
    schedule: Literal["constant", "cosine"] = setting("constant", "learning rate after the warm-up")
    warmup_steps: int = setting(0, "steps of linear warm-up")
    clip_norm: float | None = setting(None, "largest gradient norm; empty: no clipping")

    def __post_init__(self) -> None:
        refuse_unless(self.lr > 0, "train.optimizer.lr", self.lr, "above 0")
        refuse_unless(all(0 <= beta < 1 for beta in self.betas), "train.optimizer.betas", self.betas, "in [0, 1)")
        refuse_unless(self.eps > 0, "train.optimizer.eps", self.eps, "above 0")
        refuse_unless(self.weight_decay >= 0, "train.optimizer.weight_decay", self.weight_decay, "0 or more")
        refuse_unless(
            self.head_lr is None or self.head_lr > 0, "train.optimizer.head_lr", self.head_lr, "above 0, or empty"
        )
        refuse_unless(0 < self.layer_decay <= 1, "train.optimizer.layer_decay", self.layer_decay, "above 0, up to 1")
        refuse_unless(self.warmup_steps >= 0, "train.optimizer.warmup_steps", self.warmup_steps, "0 or more")
        refuse_unless(
            self.clip_norm is None or self.clip_norm > 0,
            "train.optimizer.clip_norm",
            self.clip_norm,
            "above 0, or empty",
        )
