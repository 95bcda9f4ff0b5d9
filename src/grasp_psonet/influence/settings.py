"""Settings of tracing."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting

Formula = Literal["paper", "sgd", "adam", "cosine"]


@dataclass(frozen=True)
class TraceSettings:
    """Which influence formula scores the training photos, on which queries."""

    __pydantic_config__ = STRICT

    formula: Formula = setting("cosine", "paper, sgd, adam or cosine")
    drop_doubtful_queries: bool = setting(
        False, "leave out validation errors where the readers disagree or PASI lies within near_cutoff of a cut-off"
    )
    near_cutoff: float = setting(1.0, "PASI points around a cut-off that flag a query as doubtful")
    photos_per_batch: int = setting(48, "photos whose gradients are taken in one pass")

    def __post_init__(self) -> None:
        refuse_unless(self.near_cutoff >= 0, "trace.near_cutoff", self.near_cutoff, "0 or more PASI points")
        refuse_unless(self.photos_per_batch >= 1, "trace.photos_per_batch", self.photos_per_batch, "at least 1")
