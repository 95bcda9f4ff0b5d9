"""PASI by the regions of the body: the sixteen parts that a reader grades, and the total that the formula makes of them.

A visit of which only the total is known trains by it, through the formula; a part that is not known counts nothing.
"""

# Axes: V visits, R regions (head, upper limbs, trunk, lower limbs), S parts (erythema, induration, desquamation, area).

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from grasp_psonet.cohort.components import components_of, parts_of
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.cohort.synthetic.pasi import AREA_MAX, GRADE_MAX, PASI_MAX, REGION_WEIGHTS, SUB_SCORES
from grasp_psonet.cohort.text_table import TextTable
from grasp_psonet.setting import refuse_unless
from grasp_psonet.tables.columns import COMPLETED_FROM, NOT_ASSESSABLE
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

STEEPNESS = 2.0  # of the logistic function between two grades, by one grade
MOST_GRADE = (GRADE_MAX, GRADE_MAX, GRADE_MAX, AREA_MAX)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PasiRegional(PasiTotal):
    """Reader 1's PASI and its parts. The outputs are the total in units, the level of each part, and which regions were seen.

    Raises SettingsError for a score that is not PASI.
    """

    kind: ClassVar[str] = "pasi regional"

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted = f"(0, {PASI_MAX:g}), the range of PASI, for severity.form regional"
        refuse_unless(bool(components_of(self)), "severity.score_range", self.scale.score_range, wanted)

    @property
    def has_regions(self) -> bool:
        return True

    @property
    def num_outputs(self) -> int:
        return len(self.output_columns)

    @property
    def output_columns(self) -> list[str]:
        levels = [f"output_{part}" for part in components_of(self)]
        return ["output_score", *levels, *(f"output_{region}_seen" for region in BODY_REGIONS)]

    @property
    def part_columns(self) -> tuple[str, ...]:
        return self.parts_of_reader(0)

    def parts_of_reader(self, reader: int) -> tuple[str, ...]:
        """Columns of the visits table with a reader's parts: head_erythema_reader1 and so on."""
        return components_of(self, f"_{READERS[reader]}")

    @property
    def own_columns(self) -> tuple[str, ...]:
        return (*super().own_columns, *self.parts_of_reader(0), *self.parts_of_reader(1))

    def read(self, table: TextTable, reader: int) -> tuple[dict[str, pd.Series], list[Fault]]:
        """A reader's score and parts of each row; faults of parts are told where the total is worked out."""
        columns, faults = super().read(table, reader)
        parts, _ = parts_of(table, self, f"_{READERS[reader]}")
        return columns | {str(name): parts[name] for name in parts}, faults

    def grades_of(self, predictions: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Expected grades [V, R, S] that the network's outputs say, NaN where a region was not seen; and which were, [V, R]."""
        output_VC = predictions[self.output_columns[1:]].to_numpy(np.float64)
        num_parts = len(BODY_REGIONS) * len(SUB_SCORES)
        is_seen_VR = output_VC[:, num_parts:] > 0
        level_VRS = output_VC[:, :num_parts].reshape(-1, len(BODY_REGIONS), len(SUB_SCORES))
        step_K = np.arange(AREA_MAX) + 0.5
        above_VRSK = 1 / (1 + np.exp(-STEEPNESS * (level_VRS[..., None] - step_K)))
        is_step_SK = np.arange(AREA_MAX) < np.array(MOST_GRADE)[:, None]
        grade_VRS = np.asarray((above_VRSK * is_step_SK).sum(axis=3))
        return np.where(is_seen_VR[..., None], grade_VRS, np.nan), is_seen_VR

    def in_words(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """The score and its class, each expected grade (missing where its region was not seen), which regions could not be
        assessed, and how the total was completed."""
        grade_VRS, is_seen_VR = self.grades_of(predictions)
        parts = pd.DataFrame(
            grade_VRS.reshape(len(predictions), -1), columns=list(components_of(self)), index=predictions.index
        )
        said: dict[str, Any] = {
            NOT_ASSESSABLE: [_names(~is_seen_R) for is_seen_R in is_seen_VR],
            COMPLETED_FROM: [_completion(is_seen_R) for is_seen_R in is_seen_VR],
        }
        return super().in_words(predictions).join(parts).assign(**said)


def _names(is_named_R: npt.NDArray[np.bool_]) -> str:
    return ", ".join(region.replace("_", " ") for region, named in zip(BODY_REGIONS, is_named_R, strict=True) if named)


def _completion(is_seen_R: npt.NDArray[np.bool_]) -> str:
    """How the total was completed, in words; empty where every region was seen."""
    if is_seen_R.all():
        return ""
    share = sum(weight for weight, seen in zip(REGION_WEIGHTS, is_seen_R, strict=True) if seen)
    return f"{_names(is_seen_R)} ({share:.0%} of the weight): the rest is taken to be affected alike"
