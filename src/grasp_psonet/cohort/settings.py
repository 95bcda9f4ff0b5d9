"""Settings of the tables: the scale that visits are graded on, and how patients are split."""

import math
import unicodedata
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

from grasp_psonet.setting import STRICT, newer_setting, refuse_unless, setting

Side = Literal["lower", "upper"]
NumberLoss = Literal["huber", "squared"]
OnlyClass = Literal["refused", "interval"]
PasiForm = Literal["total", "regional"]
READERS = ("reader1", "reader2")
READER1, MAJORITY, MEDIAN, ADJUDICATED = "reader1", "majority", "median", "adjudicated"
LABEL_RULES = (READER1, MAJORITY, MEDIAN, ADJUDICATED)
READER_PREFIX = "reader:"  # before the name of the reader whose reading is the label
LABEL_RULE_WORDS = f"{', '.join(LABEL_RULES)}, or {READER_PREFIX}NAME of a reader"
_TAKEN = ("label", "predicted", "attention", "used", "cutoff_distance")  # stand beside scores in audit and report
MISSING = ("", "na", "n/a", "nan")  # how spreadsheets, R and pandas write a missing value


@dataclass(frozen=True)
class SeveritySettings:
    """The ordinal scale that visits are graded on: its classes, and how a score or a class in visits.csv becomes one."""

    __pydantic_config__ = STRICT

    classes: tuple[str | bool | int, ...] = setting(
        ("mild", "moderate", "severe"), "names of the classes, lowest first, as visits.csv writes them (in any case)"
    )
    cutoffs: tuple[float, ...] = setting(
        (5.0, 10.0), "scores at which the second class, the third and so on begin; unused without a score column"
    )
    ties: tuple[Side, ...] = setting(
        ("lower", "lower"), "class a score exactly on each cut-off falls to (lower, lower: 5 is mild, 10 is moderate)"
    )
    score_column: str | None = setting(
        "pasi", "columns of the readers' scores: pasi stands for pasi_reader1 and pasi_reader2; null: there is no score"
    )
    score_range: tuple[float, float] = setting((0.0, 72.0), "lowest and highest score there is")
    class_column: str = setting(
        "severity", "columns of the readers' classes: severity stands for severity_reader1 and severity_reader2"
    )
    outcome: str = setting(
        "classes", "what is learned from a visit: classes (its class on this scale) or pasi (its score as a number)"
    )
    form: PasiForm = newer_setting(
        "total",
        "how outcome pasi is learned: total, one number from all photos; or regional, the sixteen parts of PASI, each from the "
        "photos of its region of the body (views.csv), and the total by the formula",
    )
    parts_weight: float = newer_setting(
        1.0, "how often the mean loss of a visit's known parts counts beside the loss of its total (form regional)"
    )
    loss: NumberLoss = newer_setting(
        "huber", "loss of outcome pasi: squared, or huber: squared up to one unit and in a straight line beyond"
    )
    points_per_unit: float = newer_setting(
        5.0, "points of the score that are one unit of the network's output, in which losses are taken (outcome pasi)"
    )
    only_class: OnlyClass = newer_setting(
        "refused",
        "a visit of which Reader 1 told a class and no score (outcome pasi): refused, or learned as the interval of scores of "
        "its class",
    )
    noise_points: float | None = newer_setting(
        None,
        "points beyond which two readings differ, and an answer is an error to trace (outcome pasi); empty: the points "
        "within which two of three visits read twice lie, taken from the tables",
    )
    training_label: str = newer_setting(
        READER1,
        "which of a visit's readings is learned: reader1; majority; median (of scores, else of classes); adjudicated (else the "
        "median); or reader:NAME. Figures are told against Reader 1 and Reader 2 all the same",
    )

    def __post_init__(self) -> None:
        _refuse_class_names(self.classes)
        for setting_name in ("score_column", "class_column"):
            column = getattr(self, setting_name)
            is_name = column is None or (column == column.strip() and column.isprintable() and column != "")
            refuse_unless(is_name, f"severity.{setting_name}", column, "the name of a column without its _reader1")
        refuse_unless(
            self.score_column not in _TAKEN,
            "severity.score_column",
            self.score_column,
            "a name that no table of ours has",
        )
        refuse_unless(
            self.score_column != self.class_column,
            "severity.score_column, severity.class_column",
            (self.score_column, self.class_column),
            "two different columns",
        )
        refuse_unless(
            is_label_rule(self.training_label), "severity.training_label", self.training_label, LABEL_RULE_WORDS
        )
        if self.score_column is not None:
            self._refuse_cutoffs()
        self._refuse_of_numbers()

    def _refuse_of_numbers(self) -> None:
        """Settings of a number are positive, and are told of a number alone."""
        positive = "a finite number above 0"
        is_scale = 0 < self.points_per_unit < math.inf
        refuse_unless(is_scale, "severity.points_per_unit", self.points_per_unit, positive)
        is_noise = self.noise_points is None or 0 < self.noise_points < math.inf
        refuse_unless(is_noise, "severity.noise_points", self.noise_points, f"{positive}, or empty")
        is_weight = 0 <= self.parts_weight < math.inf
        refuse_unless(is_weight, "severity.parts_weight", self.parts_weight, "a finite number of at least 0")
        is_heard = self.form == "regional" or self.parts_weight == 1
        refuse_unless(is_heard, "severity.parts_weight", self.parts_weight, "1 beside severity.form total, or regional")
        is_own = self.form == "total" or self.training_label == READER1
        wanted = "reader1 beside severity.form regional: no rule makes the parts of several readers one"
        refuse_unless(is_own, "severity.training_label", self.training_label, wanted)
        is_own = self.only_class == "refused" or self.training_label == READER1
        wanted = "reader1 beside severity.only_class interval: no rule makes scores and classes of several readers one"
        refuse_unless(is_own, "severity.training_label", self.training_label, wanted)
        for one in fields(self):
            if one.name in ("form", "loss", "points_per_unit", "noise_points", "only_class"):
                value = getattr(self, one.name)
                is_unused = self.outcome != "classes" or value == one.default
                wanted = f"{one.default} beside severity.outcome classes, or severity.outcome pasi"
                refuse_unless(is_unused, f"severity.{one.name}", value, wanted)

    def _refuse_cutoffs(self) -> None:
        """Cut-offs rise, one fewer than there are classes, and leave room within the range for each class."""
        least, most = self.score_range
        refuse_unless(
            -math.inf < least < most < math.inf, "severity.score_range", self.score_range, "two rising numbers"
        )
        num_cutoffs = len(self.classes) - 1
        refuse_unless(
            len(self.cutoffs) == num_cutoffs,
            "severity.cutoffs",
            self.cutoffs,
            f"{num_cutoffs} value(s), one fewer than severity.classes; or severity.score_column null where visits.csv"
            " has classes alone",
        )
        refuse_unless(
            len(self.ties) == num_cutoffs,
            "severity.ties",
            self.ties,
            f"{num_cutoffs} of lower and upper, one a cut-off",
        )
        rising = all(low < high for low, high in pairwise(self.cutoffs))
        # a cut-off at an end of the range leaves the outer class the end itself, if the tie gives it that
        first, last = self.cutoffs[0], self.cutoffs[-1]
        below = least < first or (least == first and self.ties[0] == "lower")
        above = last < most or (last == most and self.ties[-1] == "upper")
        refuse_unless(
            rising and below and above,
            "severity.cutoffs",
            self.cutoffs,
            f"rising values between {least:g} and {most:g} (severity.score_range) that leave scores for every class",
        )


def _refuse_class_names(classes: tuple[str | bool | int, ...]) -> None:
    """At least two names that a table can hold and a person can tell apart."""
    refuse_unless(len(classes) >= 2, "severity.classes", classes, "at least two names")
    for name in classes:
        is_plain = not isinstance(name, bool)
        refuse_unless(is_plain, "severity.classes", name, "names; write yes and no of YAML in quotes: 'yes', 'no'")
        text = str(name)
        is_name = text == text.strip() and text.isprintable() and text.lower() not in MISSING
        refuse_unless(is_name, "severity.classes", name, "names without spaces around them, none empty and none 'NA'")
    alike = {same_name(str(name)) for name in classes}
    refuse_unless(len(alike) == len(classes), "severity.classes", classes, "names that differ in more than their case")


def is_label_rule(name: str) -> bool:
    """Whether a word names a rule by which readings become a label."""
    return name in LABEL_RULES or (name.startswith(READER_PREFIX) and len(name) > len(READER_PREFIX))


def same_name(text: str) -> str:
    """One spelling for names that a person takes for the same: any case, any encoding of an umlaut."""
    return unicodedata.normalize("NFC", text).casefold()


@dataclass(frozen=True)
class SplitSettings:
    """How patients are split where visits.csv has no split column; all visits of a patient share a split."""

    __pydantic_config__ = STRICT

    train: float = setting(0.7, "fraction of patients that train")
    val: float = setting(0.1, "fraction of patients that choose the epoch and k")
    test: float = setting(0.2, "fraction of patients kept for the final evaluation")
    draw: Literal["exact", "stable"] = newer_setting(
        "exact",
        "exact: classes and skin types are spread over the splits in proportion; stable: each patient is drawn alone, and "
        "keeps its split when patients are added",
    )
    folds: int | None = newer_setting(
        None,
        "for small studies: this many parts of the patients in place of the fractions; one tests, the next validates",
    )
    fold: int = newer_setting(0, "the part that tests, from 0")

    def __post_init__(self) -> None:
        fractions = (self.train, self.val, self.test)
        refuse_unless(
            all(f > 0 for f in fractions) and abs(sum(fractions) - 1) < 1e-6,
            "split",
            fractions,
            "three positive fractions that add up to 1",
        )
        refuse_unless(self.folds is None or self.folds >= 3, "split.folds", self.folds, "at least 3, or empty")
        most = 0 if self.folds is None else self.folds - 1
        refuse_unless(0 <= self.fold <= most, "split.fold", self.fold, f"0 to {most} (split.folds {self.folds})")
