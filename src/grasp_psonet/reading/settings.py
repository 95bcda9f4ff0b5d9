"""Settings of reading rounds."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting

FormName = Literal["auto", "components", "score", "class"]
Adjudicate = Literal["none", "class", "points"]
Correction = Literal["none", "with_reason"]


@dataclass(frozen=True)
class ReadingSettings:
    """How `grasp read make-round` makes a round: which visits, what readers fill in, when a third reading is asked for."""

    __pydantic_config__ = STRICT

    edge_px: int = setting(1600, "longer edge of the photos that readers see, pixels; none is enlarged")
    form: FormName = setting(
        "auto",
        "what readers fill in: components (the sixteen parts of PASI), score, class; auto: the first that the scale has",
    )
    flagged: int | None = setting(
        None, "how many visits, from the top of the audit's list; empty: those that the list says to inspect"
    )
    controls: float = setting(1.0, "visits that the audit did not flag, for each one that it did")
    repeats: float = setting(0.1, "part of the visits that a reader gets a second time without being told")
    adjudicate: Adjudicate = setting(
        "class", "when a third person reads: none, where classes differ, or where scores differ by more than points"
    )
    adjudicate_points: float = setting(5.0, "adjudicate points: scores further apart than this are read again")
    correction: Correction = setting(
        "none",
        "whether a signed reading can be followed by a new version of it, with a reason, until the round is locked",
    )

    def __post_init__(self) -> None:
        refuse_unless(256 <= self.edge_px <= 4096, "reading.edge_px", self.edge_px, "256 to 4096 pixels")
        refuse_unless(
            self.flagged is None or self.flagged >= 1, "reading.flagged", self.flagged, "at least 1, or empty"
        )
        refuse_unless(0 <= self.controls <= 20, "reading.controls", self.controls, "0 to 20 for each flagged visit")
        refuse_unless(0 <= self.repeats <= 0.5, "reading.repeats", self.repeats, "0 to 0.5")
        refuse_unless(self.adjudicate_points > 0, "reading.adjudicate_points", self.adjudicate_points, "more than 0")
