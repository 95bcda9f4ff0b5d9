"""The detailed figures of an outcome, as the report shows them beside the readers themselves."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grasp_psonet.report.data import Estimate


@dataclass(frozen=True)
class DetailedFigure:
    """A figure on test of the baseline and the chosen run against each reader (in the order of ``readers``), of the readers
    themselves (None without a second), and by how much the chosen run's is above theirs, on visits that both read.
    """

    metric: str
    word: str
    baseline: "tuple[Estimate, ...]"
    chosen: "tuple[Estimate, ...]"
    readers: "Estimate | None" = None
    excess: "tuple[Estimate, ...]" = ()


@dataclass(frozen=True)
class Differences:
    """Differences of the chosen run to a reader (Bland & Altman): of each test visit the mean of both numbers, and the
    predicted one less the reader's; their mean and the limits of agreement."""

    reader: str
    visits: int
    mean: tuple[float, ...]
    difference: tuple[float, ...]
    bias: "Estimate"
    low: "Estimate"
    high: "Estimate"


@dataclass(frozen=True)
class Detail:
    """What there is to say of an outcome beyond the figures of every run."""

    figures: tuple[DetailedFigure, ...]
    differences: tuple[Differences, ...]
