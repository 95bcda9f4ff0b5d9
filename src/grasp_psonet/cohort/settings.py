"""Settings of the tables: how PASI becomes a class and how patients are split."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting

Side = Literal["lower", "upper"]


@dataclass(frozen=True)
class SeveritySettings:
    """How a PASI (0-72) becomes mild, moderate or severe."""

    __pydantic_config__ = STRICT

    cutoffs: tuple[float, float] = setting((5.0, 10.0), "PASI at which moderate and severe begin")
    ties: tuple[Side, Side] = setting(
        ("lower", "lower"), "class a PASI exactly on each cut-off falls to (lower, lower: 5 is mild, 10 is moderate)"
    )

    def __post_init__(self) -> None:
        low, high = self.cutoffs
        refuse_unless(0 < low < high < 72, "severity.cutoffs", self.cutoffs, "two rising values between 0 and 72")


@dataclass(frozen=True)
class SplitSettings:
    """How patients are split where visits.csv has no split column; all visits of a patient share a split."""

    __pydantic_config__ = STRICT

    train: float = setting(0.7, "fraction of patients that train")
    val: float = setting(0.1, "fraction of patients that choose the epoch and k")
    test: float = setting(0.2, "fraction of patients kept for the final evaluation")

    def __post_init__(self) -> None:
        fractions = (self.train, self.val, self.test)
        refuse_unless(
            all(f > 0 for f in fractions) and abs(sum(fractions) - 1) < 1e-6,
            "split",
            fractions,
            "three positive fractions that add up to 1",
        )
