"""Any two runs beside each other, as the report shows them (see ``data``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grasp_psonet.report.data import Estimate


@dataclass(frozen=True)
class ComparedRun:
    """What one run says of each test visit, of its first training, and which photos it was trained without: places in
    ``Compared.photo_ids``."""

    name: str
    predicted: tuple[float, ...]
    removed: tuple[int, ...]


@dataclass(frozen=True)
class ComparedPair:
    """``run`` beside ``against``, which stands before it: paired differences (positive: ``run`` is better) per reader by
    metric, test visits that they answer differently, photos that one of them was trained without, or both."""

    run: str
    against: str
    differences: "tuple[Mapping[str, Estimate], ...]"
    changed: int
    only_run: int
    only_against: int
    both: int


@dataclass(frozen=True)
class Compared:
    """Runs in the order of the results table, their answers to the test visits, and every pair of them.

    ``labels`` per reader; ``apart``: how far two numbers lie apart to count as different answers, None of classes.
    """

    visit_ids: tuple[str, ...]
    labels: tuple[tuple[float | None, ...], ...]
    photo_ids: tuple[str, ...]
    runs: tuple[ComparedRun, ...]
    pairs: tuple[ComparedPair, ...]
    apart: float | None = None
