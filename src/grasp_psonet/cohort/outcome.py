"""The outcome of a study: what a visit's label is and what is learned from it, as one value that every room asks.

Its loss stands in ``network/loss.py`` and its figures in ``evidence/metrics.py``, both by ``kind``; everything else that
depends on the outcome is said here.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import pandas as pd

from grasp_psonet.cohort.settings import SeveritySettings, Side, same_name
from grasp_psonet.errors import TableError
from grasp_psonet.tables.columns import LABEL, PREDICTED, logit_columns, probability_columns

Kind = Literal["classes"]
READERS = ("reader1", "reader2")
_LONGEST_ABBREVIATION = 5  # PASI, IGA, EASI, DLQI: written in capitals


@dataclass(frozen=True)
class Outcome:
    """An ordinal scale: classes numbered from 0, lowest first, read as a score with cut-offs or by name.

    The default is the paper's: mild, moderate and severe by PASI.
    """

    scale: SeveritySettings = SeveritySettings()
    kind: ClassVar[Kind] = "classes"

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.scale.classes)

    @property
    def num_outputs(self) -> int:
        """Numbers that the network gives for a visit: one logit a class."""
        return len(self.classes)

    @property
    def output_columns(self) -> list[str]:
        """Columns of the network's outputs, in order: logit_NAME of each class."""
        return logit_columns(self.classes)

    @property
    def probability_columns(self) -> list[str]:
        """Columns of the classes' probabilities, in order: p_NAME of each class."""
        return probability_columns(self.classes)

    @property
    def class_columns(self) -> tuple[str, str]:
        """Columns of the visits table with Reader 1's and Reader 2's class, a number from 0."""
        return _of_readers(self.scale.class_column)

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Columns of the visits table with both readers' scores; empty where the scale has none."""
        return () if self.scale.score_column is None else _of_readers(self.scale.score_column)

    @property
    def label_column(self) -> str:
        """The column that trains: Reader 1's class."""
        return self.class_columns[0]

    @property
    def score_word(self) -> str | None:
        """What the score is called in a sentence, e.g. PASI; None where the scale has none."""
        column = self.scale.score_column
        if column is None:
            return None
        is_abbreviation = len(column) <= _LONGEST_ABBREVIATION and column.isalpha()
        return column.upper() if is_abbreviation else column.replace("_", " ")

    def class_of_score(self, score: float) -> int:
        """The class of a score; one exactly on a cut-off falls to the side that ``ties`` names for it.

        Raises TableError on anything outside the range (NaN included).
        """
        least, most = self.scale.score_range
        if not least <= score <= most:
            raise TableError(
                f"{self.score_word} is {score!r}; wanted: a number from {least:g} to {most:g}"
                "\n  next: correct it, or empty the cell"
            )
        return sum(_reaches(score, cut, tie) for cut, tie in zip(self.scale.cutoffs, self.scale.ties, strict=True))

    def class_of_name(self, name: str) -> int | None:
        """The class of a name in any case, also of a number that a program wrote as 2.0; None for another name."""
        names = [same_name(known) for known in self.classes]
        told = same_name(name)
        whole = told.removesuffix(".0")
        spelling = whole if told not in names and whole.isdecimal() else told
        return names.index(spelling) if spelling in names else None

    def cutoff_distance(self, scores: "pd.Series[float]") -> "pd.Series[float]":
        """Points to the nearest cut-off; NaN where there is no score."""
        return pd.concat([(scores - cutoff).abs() for cutoff in self.scale.cutoffs], axis=1).min(axis=1)

    def is_error(self, predictions: pd.DataFrame) -> "pd.Series[bool]":
        """Which rows of predictions (columns predicted, label) are errors to trace: another class than the label."""
        wrong: pd.Series[bool] = predictions[PREDICTED] != predictions[LABEL]
        return wrong

    def readers_disagree(self, visits: pd.DataFrame) -> "pd.Series[bool]":
        """Whether the two readers gave a visit different classes (boolean); missing where it was not read by both."""
        first, second = (visits[column].astype("Int64") for column in self.class_columns)
        return (first != second).astype("boolean")


def _of_readers(column: str) -> tuple[str, str]:
    first, second = (f"{column}_{reader}" for reader in READERS)
    return first, second


def _reaches(score: float, cutoff: float, tie: Side) -> bool:
    return score > cutoff or (score == cutoff and tie == "upper")
