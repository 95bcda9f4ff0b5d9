"""Which update rule a step follows: how a gradient and what is remembered of earlier ones make the step.

Betas, eps and weight decay are the optimizer's settings for every rule; what only one rule has stands here.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from grasp_psonet.errors import SettingsError

RuleName = Literal["adam", "amsgrad", "nadam", "radam", "sgd"]


@dataclass(frozen=True)
class Rule:
    """An update rule. ``momentum``, ``dampening`` and ``nesterov`` are those of ``sgd``, ``momentum_decay`` of ``nadam``.

    Raises SettingsError for a rule that is not known.
    """

    name: RuleName = "adam"
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    momentum_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in get_args(RuleName):
            raise SettingsError(f"update rule is {self.name!r}; wanted: one of {', '.join(get_args(RuleName))}")

    @property
    def has_second_moment(self) -> bool:
        """Whether a running mean of squared gradients scales the step: of every rule but ``sgd``."""
        return self.name != "sgd"


ADAM = Rule()
