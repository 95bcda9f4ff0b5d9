"""What the chosen run said of every part of every region of a test visit, beside Reader 1, as the report shows it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from grasp_psonet.report.over_time import OverTime

MOST_GRADED = 12  # visits on the page; all stand in figures/grades.csv


@dataclass(frozen=True)
class GradedRegion:
    """One region: by part, in the order of ``OverTime.part_names``, the expected grades that the run said (None: the region was
    not photographed, so it is not assessable), and those that Reader 1 gave (None: not told)."""

    region: str
    is_seen: bool
    said: tuple[float | None, ...]
    read: tuple[float | None, ...]


@dataclass(frozen=True)
class GradedVisit:
    """One test visit: the total that was predicted, Reader 1's, and its regions."""

    visit_id: str
    predicted: float
    read: float
    regions: tuple[GradedRegion, ...]


def grades_table(over_time: "OverTime") -> pd.DataFrame:
    """One row per visit, region and part: the expected grade and Reader 1's."""
    rows = [
        (visit.visit_id, one.region, part, said, read)
        for visit in over_time.graded
        for one in visit.regions
        for part, said, read in zip(over_time.part_names, one.said, one.read, strict=True)
    ]
    return pd.DataFrame(rows, columns=["visit_id", "region", "part", "predicted", "reader1"])
