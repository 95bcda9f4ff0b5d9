"""The score of a visit as one number: PASI, or another score of ``severity.score_column``, from all photos of the visit.

Visits are counted, spread over splits and sampled by the classes that the cut-offs make of the score.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from grasp_psonet.cohort.cells import parse_text, parsed
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.errors import TableError
from grasp_psonet.setting import refuse_unless
from grasp_psonet.tables.columns import PREDICTED, PREDICTED_CLASS, SCORE

FEWEST_READ_TWICE = 10  # visits from which the readers' noise is estimated
USUAL = 0.6827  # part of a normal distribution within one standard deviation of its mean


@dataclass(frozen=True)
class PasiTotal(Outcome):
    """Reader 1's score in points, learned by ``severity.loss`` in units of ``severity.points_per_unit``.

    ``noise``: points beyond which two readings differ, and an answer is an error; None before a study's readings are known
    (``among``). Raises SettingsError for a scale without a score.
    """

    noise: float | None = None
    kind: ClassVar[str] = "pasi"
    label_dtype: ClassVar[str] = "Float64"
    gives_probabilities: ClassVar[bool] = False

    def __post_init__(self) -> None:
        column = self.scale.score_column
        refuse_unless(
            column is not None, "severity.score_column", column, "a column of scores for severity.outcome pasi"
        )

    @property
    def num_outputs(self) -> int:
        return 1

    @property
    def output_columns(self) -> list[str]:
        return ["output_score"]

    @property
    def label_columns(self) -> tuple[str, str]:
        first, second = self.score_columns
        return first, second

    @property
    def noise_points(self) -> float:
        """``noise``, which must be known: no two numbers are told apart without it."""
        assert self.noise is not None, "the readers' noise is asked for before the readings are known"
        return self.noise

    def stratum_of(self, label: float) -> int:
        """The class of the score."""
        return self.class_of_score(label)

    def read(self, table: TextTable, reader: int) -> tuple[dict[str, pd.Series], list[Fault]]:
        """A reader's score of each row. Faults: a class that contradicts it, and a class without a score."""
        columns, faults = super().read(table, reader)
        score, named = columns[self.score_columns[reader]], columns[self.class_columns[reader]]
        written = self.score_columns[reader]
        is_untold = parsed(table, written, parse_text, "", "string")[0].isna()
        if self.class_columns[reader] in table.text:
            faults += value_faults(
                table,
                self.class_columns[reader],
                named.notna() & score.isna() & is_untold,
                f"a class without its {self.score_word}, which severity.outcome pasi learns",
                f"fill in {table.title(written)}, or empty the cell",
            )
        return {written: score}, faults

    def among(self, visits: pd.DataFrame) -> "PasiTotal":
        """With the readers' noise: that of ``severity.noise_points``, else estimated from the visits read twice.

        It is the distance within which two of three of these visits lie (68.27 %, one standard deviation of a normal
        difference), which a few gross errors leave as it is. Raises TableError for fewer than 10 visits read twice, and
        where two of three were read alike to the last digit.
        """
        if self.scale.noise_points is not None:
            return replace(self, noise=self.scale.noise_points)
        first, second = (visits[column].to_numpy(np.float64, na_value=np.nan) for column in self.label_columns)
        apart = np.abs(first - second)
        apart = apart[np.isfinite(apart)]
        remedy = "\n  next: set severity.noise_points to the points beyond which two readings differ, such as 3 of PASI"
        if len(apart) < FEWEST_READ_TWICE:
            raise TableError(
                f"{len(apart)} visits were read twice, and the readers' noise is estimated from at least"
                f" {FEWEST_READ_TWICE}{remedy}"
            )
        noise = float(np.quantile(apart, USUAL))
        if noise == 0:
            raise TableError(
                f"two of three of the {len(apart)} visits read twice have one and the same score of both readers, so their"
                f" noise cannot be estimated{remedy}"
            )
        return replace(self, noise=noise)

    @property
    def notes(self) -> tuple[str, ...]:
        """The readers' noise, where it was estimated."""
        if self.noise is None or self.scale.noise_points is not None:
            return ()
        return (
            f"the readers' noise is {self.noise:.2f} points of {self.score_word}, from the visits read twice: readings and"
            " answers further apart differ (severity.noise_points)",
        )

    def points_of(self, units: Any) -> Any:
        """The score in points that outputs of the network say, held within the score's range (numbers or numpy arrays)."""
        return np.clip(np.asarray(units, dtype=np.float64) * self.scale.points_per_unit, *self.scale.score_range)

    def differ(self, first: Any, second: Any) -> Any:
        """Whether two scores, or two columns of them, are more apart than the readers' noise."""
        return abs(first - second) > self.noise_points

    def in_words(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """What new visits are told: the score in points, to one decimal and in full, and its class by the cut-offs."""
        scores = predictions[PREDICTED].astype("float64")
        columns = {
            PREDICTED: [f"{score:.1f}" for score in scores],
            SCORE: scores,
            PREDICTED_CLASS: [self.classes[self.class_of_score(float(score))] for score in scores],
        }
        return pd.DataFrame(columns, index=predictions.index)
