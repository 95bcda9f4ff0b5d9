"""The outcome of a study: what a visit's label is and what is learned from it, as one value that every room asks.

``Outcome`` is a scale of classes. Another kind is a subclass that says what differs, entered in ``OUTCOMES``
(``cohort/outcomes.py``); what rooms further up make of an outcome stands beside them in tables by ``kind``: losses and answers
in ``network/loss.py``, figures in ``evidence/figures.py``, doubts about labels in ``audit/doubts.py``, words in
``report/texts.py``.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import pandas as pd

from grasp_psonet.cohort.cells import DECIMAL_WORDS, parse_score, parsed
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.settings import READER1, READERS, SeveritySettings, Side, same_name
from grasp_psonet.cohort.text_table import TextTable
from grasp_psonet.errors import TableError
from grasp_psonet.tables.columns import LABEL, PREDICTED, logit_columns, probability_columns

_LONGEST_ABBREVIATION = 5  # PASI, IGA, EASI, DLQI: written in capitals
_NEAR_SHARE = 0.2  # of the narrowest class: 1 point of PASI, whose classes begin at 0, 5 and 10


@dataclass(frozen=True)
class Outcome:
    """An ordinal scale: classes numbered from 0, lowest first, read as a score with cut-offs or by name.

    The default is the paper's: mild, moderate and severe by PASI.
    """

    scale: SeveritySettings = SeveritySettings()
    kind: ClassVar[str] = "classes"
    label_dtype: ClassVar[str] = "Int64"  # of the readers' labels in the visits table
    gives_probabilities: ClassVar[bool] = True  # of its strata, which a temperature can calibrate

    @property
    def is_ordinal(self) -> bool:
        """Whether labels are classes, so that nothing lies between two of them."""
        return self.label_dtype == "Int64"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the scale's classes, lowest first."""
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
    def has_regions(self) -> bool:
        """Whether photos are pooled by the region of the body that views.csv says they show."""
        return False

    @property
    def takes_classes(self) -> bool:
        """Whether a number is learned also from visits of which only the class is known."""
        return False

    @property
    def part_columns(self) -> tuple[str, ...]:
        """Columns of the visits table with the parts of the label that trains; none where a label has no parts."""
        return ()

    @property
    def label_columns(self) -> tuple[str, str]:
        """Columns of the visits table with Reader 1's and Reader 2's label: their class, a number from 0."""
        return self.class_columns

    @property
    def class_columns(self) -> tuple[str, str]:
        """Columns of visits.csv with both readers' classes."""
        return _of_readers(self.scale.class_column)

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Columns of the visits table with both readers' scores; empty where the scale has none."""
        return () if self.scale.score_column is None else _of_readers(self.scale.score_column)

    @property
    def label_column(self) -> str:
        """The column that trains: Reader 1's label, unless ``severity.training_label`` says otherwise."""
        first = self.label_columns[0]
        is_first = self.scale.training_label == READER1 and not self.takes_classes
        return first if is_first else f"{first.removesuffix('_reader1')}_label"

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Columns of the visits table with labels and scores."""
        return tuple(dict.fromkeys((*self.label_columns, self.label_column, *self.score_columns)))

    @property
    def strata(self) -> tuple[str, ...]:
        """Names of the groups, lowest first, by which visits are counted, spread over splits, and sampled: the classes."""
        return self.classes

    def stratum_of(self, label: float) -> int:
        """The stratum of a label, a number from 0."""
        return int(label)

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

    def label_of_score(self, score: float) -> float:
        """The label that a score gives: its class, or where scores are learned the score itself."""
        return self.class_of_score(score) if self.is_ordinal else score

    def class_of_name(self, name: str) -> int | None:
        """The class of a name in any case, also of a number that a program wrote as 2.0; None for another name."""
        names = [same_name(known) for known in self.classes]
        told = same_name(name)
        whole = told.removesuffix(".0")
        spelling = whole if told not in names and whole.isdecimal() else told
        return names.index(spelling) if spelling in names else None

    def columns_of_reader(self, reader: int) -> tuple[str, ...]:
        """Columns of visits.csv of which a reader (0, 1) fills at least one: score, if there is one, and class."""
        return (*self.score_columns[reader : reader + 1], self.class_columns[reader])

    def read(self, table: TextTable, reader: int) -> tuple[dict[str, pd.Series], list[Fault]]:
        """What a reader (0, 1) made of each row, by column of the visits table, with the faults; a score gives the class."""
        column, names = self.class_columns[reader], self.classes
        named, faults = parsed(table, column, self.class_of_name, ", ".join(names), "Int64")
        if not self.score_columns:
            return {column: named}, faults
        score_name = self.score_columns[reader]
        score, messages = self.read_score(table, reader)
        derived = score.dropna().map(self.class_of_score).reindex(score.index).astype("Int64")
        against = (named != derived).fillna(False).astype(bool)
        rows_of: dict[tuple[int, float, int], list[int]] = {}
        for row, *what in zip(score.index[against], named[against], score[against], derived[against], strict=True):
            rows_of.setdefault((int(what[0]), float(what[1]), int(what[2])), []).append(int(row))
        for (told, points, worked_out), rows in rows_of.items():
            meant = f"{table.title(score_name)} {points:g} is {names[worked_out]}"
            problem = f"{meant} by severity.cutoffs and severity.ties; correct one of them"
            where = (table.name, table.title(column), tuple(rows))
            faults.append(Fault(problem, *where, seen=repr(names[told])))
        return {score_name: score, column: derived.fillna(named)}, messages + faults

    def read_score(self, table: TextTable, reader: int) -> tuple["pd.Series[float]", list[Fault]]:
        """A reader's score of each row, missing where there is none, with the faults; the scale must have a score."""
        least, most = self.scale.score_range
        parse = partial(parse_score, least=least, most=most, decimal=table.decimal)
        wanted = f"a number from {least:g} to {most:g} ({DECIMAL_WORDS[table.decimal]})"
        return parsed(table, self.score_columns[reader], parse, wanted, "float64")

    def cutoff_distance(self, scores: "pd.Series[float]") -> "pd.Series[float]":
        """Points to the nearest cut-off; NaN where there is no score."""
        return pd.concat([(scores - cutoff).abs() for cutoff in self.scale.cutoffs], axis=1).min(axis=1)

    def near_cutoff_points(self) -> float | None:
        """How close to a cut-off a score is doubtful unless a setting says it: a fifth of the narrowest class (1 of PASI).

        None where each class is a single whole score: there all lie equally close to the next.
        """
        (least, most), cutoffs = self.scale.score_range, self.scale.cutoffs
        if all(cutoff == int(cutoff) for cutoff in cutoffs) and most - least + 1 == len(self.classes):
            return None
        edges = (least, *cutoffs, most)
        return _NEAR_SHARE * min(high - low for low, high in pairwise(edges) if high > low)

    def is_near_cutoff(self, visits: pd.DataFrame, points: float | None) -> "pd.Series[bool]":
        """Whether Reader 1's score lies within so many points (None: those of the scale) of a cut-off; never without one."""
        points = self.near_cutoff_points() if points is None and self.score_columns else points
        if points is None or not self.score_columns:
            return pd.Series(False, index=visits.index)
        near: pd.Series[bool] = self.cutoff_distance(visits[self.score_columns[0]]) <= points
        return near.fillna(False).astype(bool)

    def among(self, visits: pd.DataFrame) -> "Outcome":
        """The outcome with what the readings of a study say of it; classes need nothing. Raises TableError where it cannot."""
        del visits
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should hear of what the readings said of it (``among``)."""
        return ()

    def labels_of(self, visits: pd.DataFrame, reader: int) -> "pd.Series[Any]":
        """The label that a reader (0, 1) gave each visit; missing where there is none."""
        return visits[self.label_columns[reader]]

    def has_value(self, labels: "pd.Series[Any]") -> "pd.Series[bool]":
        """Which labels say what the label column holds: all that are not missing."""
        return labels.notna()

    def differ(self, first: Any, second: Any) -> Any:
        """Whether two labels, or two columns of them, are more apart than counts as the same: different classes."""
        return first != second

    def is_error(self, predictions: pd.DataFrame) -> "pd.Series[bool]":
        """Which rows of predictions (columns predicted, label) are errors to trace: those that differ from the label."""
        wrong: pd.Series[bool] = self.differ(predictions[PREDICTED], predictions[LABEL])
        return wrong

    def as_labels(self, values: "pd.Series[Any]") -> "pd.Series[Any]":
        """Labels of the outcome's own type, which knows missing ones."""
        return values.astype(pd.api.types.pandas_dtype(self.label_dtype))

    def readers_disagree(self, visits: pd.DataFrame) -> "pd.Series[bool]":
        """Whether the two readers' labels of a visit differ (boolean); missing where it was not read by both."""
        first, second = (self.as_labels(visits[column]) for column in self.label_columns)
        differs: pd.Series[bool] = self.differ(first, second).astype("boolean")
        return differs

    def in_words(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """What new visits are told: the probability of each class, and the predicted one by its name."""
        named = predictions[PREDICTED].map(dict(enumerate(self.classes)))
        return predictions[self.probability_columns].assign(**{PREDICTED: named})


def _of_readers(column: str) -> tuple[str, str]:
    first, second = (f"{column}_{reader}" for reader in READERS)
    return first, second


def _reaches(score: float, cutoff: float, tie: Side) -> bool:
    return score > cutoff or (score == cutoff and tie == "upper")
