"""The score of a visit as one number: PASI, or another score of ``severity.score_column``, from all photos of the visit.

Visits are counted, spread over splits and sampled by the classes that the cut-offs make of the score.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from grasp_psonet.cohort.cells import SPLITS, parse_text, parsed
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.errors import TableError
from grasp_psonet.setting import refuse_unless
from grasp_psonet.tables.columns import LABEL, PREDICTED, PREDICTED_CLASS, SCORE, SPLIT

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
    def takes_classes(self) -> bool:
        return self.scale.only_class == "interval"

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

    @property
    def own_columns(self) -> tuple[str, ...]:
        return (*super().own_columns, *(self.class_columns if self.takes_classes else ()))

    def label_of_class(self, number: int) -> float:
        """What stands in the place of a score where only the class is known: the lowest score there is, less 1 for the first
        class, less 2 for the second, and so on. No score is so low."""
        return self.scale.score_range[0] - 1 - number

    def bounds_of_class(self, number: int) -> tuple[float, float]:
        """The lowest and the highest score of a class."""
        edges = (self.scale.score_range[0], *self.scale.cutoffs, self.scale.score_range[1])
        return edges[number], edges[number + 1]

    def stratum_of(self, label: float) -> int:
        """The class of the score, or the one that alone is known."""
        number = round(self.scale.score_range[0] - label) - 1 if np.isfinite(label) else -1
        is_class = self.takes_classes and 0 <= number < len(self.classes) and label == self.label_of_class(number)
        return number if is_class else self.class_of_score(label)

    def labels_of(self, visits: pd.DataFrame, reader: int) -> "pd.Series[Any]":
        """A reader's score of each visit, and ``label_of_class`` of the class where it is all that is known."""
        score = self.as_labels(visits[self.score_columns[reader]])
        if not self.takes_classes or self.class_columns[reader] not in visits:
            return score
        number = visits[self.class_columns[reader]].astype("Float64")
        return score.fillna(self.scale.score_range[0] - 1 - number)

    def has_value(self, labels: "pd.Series[Any]") -> "pd.Series[bool]":
        """Which labels are scores, and neither missing nor a class alone."""
        found: pd.Series[bool] = (labels >= self.scale.score_range[0]).fillna(False).astype(bool)
        return found

    def off(self, predicted: Any, label: Any) -> Any:
        """Points [V] by which predictions lie above (below 0: below) the label; of a class alone, above or below its scores,
        and 0 within them."""
        predicted_V, label_V = (np.asarray(values, dtype=np.float64) for values in (predicted, label))
        low_V, high_V = label_V.copy(), label_V.copy()
        for number in range(len(self.classes) if self.takes_classes else 0):
            is_class_V = label_V == self.label_of_class(number)
            low_V[is_class_V], high_V[is_class_V] = self.bounds_of_class(number)
        return predicted_V - np.clip(predicted_V, low_V, high_V)

    def is_error(self, predictions: pd.DataFrame) -> "pd.Series[bool]":
        """Which rows are errors to trace: those off the score, or off the scores of the class, by more than the noise."""
        off_V = self.off(predictions[PREDICTED], predictions[LABEL])
        return pd.Series(np.abs(off_V) > self.noise_points, index=predictions.index)

    def read(self, table: TextTable, reader: int) -> tuple[dict[str, pd.Series], list[Fault]]:
        """A reader's score of each row. Faults: a class that contradicts it, and a class without a score."""
        columns, faults = super().read(table, reader)
        score, named = columns[self.score_columns[reader]], columns[self.class_columns[reader]]
        written = self.score_columns[reader]
        is_untold = parsed(table, written, parse_text, "", "string")[0].isna()
        if self.takes_classes:
            return {written: score, self.class_columns[reader]: named}, faults
        if self.class_columns[reader] in table.text:
            faults += value_faults(
                table,
                self.class_columns[reader],
                named.notna() & score.isna() & is_untold,
                f"a class without its {self.score_word}, which severity.outcome pasi learns",
                f"fill in {table.title(written)}, empty the cell, or set severity.only_class to interval",
            )
        return {written: score}, faults

    def among(self, visits: pd.DataFrame) -> "PasiTotal":
        """With the readers' noise: that of ``severity.noise_points``, else estimated from the visits read twice.

        It is the distance within which two of three of these visits lie (68.27 %, one standard deviation of a normal
        difference), which a few gross errors leave as it is. Raises TableError for fewer than 10 visits read twice,
        where two of three were read alike to the last digit, and for a split of which only classes are known.
        """
        self._refuse_unscored(visits)
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

    def _refuse_unscored(self, visits: pd.DataFrame) -> None:
        """Raises TableError for a split of which only classes are known: no figure of the number exists there."""
        if not self.takes_classes:
            return
        has_value = self.has_value(visits[self.label_column])
        if without := [split for split in SPLITS if not has_value[visits[SPLIT] == split].any()]:
            raise TableError(
                f"no visit of split {' or '.join(without)} has a {self.score_word}; all have only a class, and no figure of"
                " the number exists there\n  next: score visits of it, or learn classes (severity.outcome: classes)"
            )

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
