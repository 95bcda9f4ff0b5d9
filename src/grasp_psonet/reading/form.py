"""What a reader fills in for a visit, and what is made of the answers: the parts of PASI, a score, or a class."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from grasp_psonet.cohort.components import components_of
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic.pasi import AREA_MAX, GRADE_MAX, SUB_SCORES, pasi_of
from grasp_psonet.errors import SettingsError
from grasp_psonet.reading.settings import FormName
from grasp_psonet.tables.columns import AREA
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

FLAGS = {
    "blur": "blurred",
    "dark": "too dark",
    "tint": "wrong colour",
    "wrong_part": "wrong part of the body",
    "not_skin": "not skin",
    "identifies": "identifies a person",
}
SCORE, CLASS = "score", "class"
LONGEST_TEXT = 2000
_AREAS = ("0 %", "1-9 %", "10-29 %", "30-49 %", "50-69 %", "70-89 %", "90-100 %")
_GRADES = ("none", "slight", "moderate", "severe", "very severe")


@dataclass(frozen=True)
class Question:
    """One answer of a form. ``choices``: values and their words; empty where a number from ``least`` to ``most`` is typed."""

    name: str
    group: str
    title: str
    choices: tuple[tuple[int, str], ...]
    least: float = 0.0
    most: float = 0.0


@dataclass(frozen=True)
class Answers:
    """What a reader said of a visit. ``values`` by question; ``flags``: kinds of flags by code of photo."""

    values: Mapping[str, float] = field(default_factory=dict)
    assessable: bool = True
    reason: str = ""
    comment: str = ""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Plain values, the same for equal answers."""
        return {
            "values": dict(sorted(self.values.items())),
            "assessable": self.assessable,
            "reason": self.reason,
            "comment": self.comment,
            "flags": {code: sorted(kinds) for code, kinds in sorted(self.flags.items()) if kinds},
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, object]) -> "Answers":
        """The answers that ``as_json`` wrote."""
        values, flags = tree["values"], tree["flags"]
        assert isinstance(values, dict)
        assert isinstance(flags, dict)
        told = {code: tuple(kinds) for code, kinds in flags.items()}
        return cls(values, bool(tree["assessable"]), str(tree["reason"]), str(tree["comment"]), told)


@dataclass(frozen=True)
class Form:
    """The questions of a round. ``kind``: components, score or class."""

    kind: str
    questions: tuple[Question, ...]
    outcome: Outcome

    def score_and_class(self, answers: Answers) -> tuple[float | None, int | None]:
        """Score (None where classes are told) and class of complete answers; both None where not assessable."""
        if not answers.assessable:
            return None, None
        if self.kind == "class":
            return None, int(answers.values[CLASS])
        score = pasi(answers.values) if self.kind == "components" else float(answers.values[SCORE])
        return score, self.outcome.class_of_score(score)

    def lacking(self, answers: Answers) -> list[str]:
        """What is still to be said before the answers can be signed, in words; empty where they are complete."""
        if not answers.assessable:
            return [] if answers.reason.strip() else ["why the visit is not assessable"]
        missing = [q for q in self.questions if q.name not in answers.values]
        found = [f"{q.title}, {q.group}" if q.group else q.title for q in missing]
        if self.kind == "components":
            found += [
                f"{region.replace('_', ' ')}: its area is 0, so every grade is 0"
                for region in BODY_REGIONS
                if answers.values.get(f"{region}_{AREA}") == 0
                and any(answers.values.get(f"{region}_{part}", 0) for part in SUB_SCORES if part != AREA)
            ]
        return found

    def value_of(self, name: str, text: str) -> float:
        """An answer from its text. Raises ValueError in words for a reader."""
        question = next((q for q in self.questions if q.name == name), None)
        if question is None:
            raise ValueError("there is no such question")
        if question.choices:
            if text not in {str(value) for value, _ in question.choices}:
                raise ValueError(f"{question.title}: {text[:20]!r} is none of the answers")
            return int(text)
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            raise ValueError(f"{question.title}: {text[:20]!r} is no number") from None
        if not (math.isfinite(value) and question.least <= value <= question.most):
            raise ValueError(f"{question.title}: wanted a number from {question.least:g} to {question.most:g}")
        return value


def form_of(outcome: Outcome, name: FormName) -> Form:
    """The form of a scale. Raises SettingsError for a form that the scale does not have."""
    components = components_of(outcome)
    has_score = outcome.scale.score_column is not None
    kind = name if name != "auto" else "components" if components else "score" if has_score else "class"
    if kind == "components":
        if not components:
            raise SettingsError(
                "reading.form is components, and the scale is no PASI (severity.score_column, score_range)"
            )
        return Form(kind, _components(), outcome)
    if kind == "score":
        if not has_score:
            raise SettingsError("reading.form is score, and the scale has none (severity.score_column)")
        least, most = outcome.scale.score_range
        return Form(kind, (Question(SCORE, "", str(outcome.score_word), (), least, most),), outcome)
    choices = tuple(enumerate(outcome.classes))
    return Form(kind, (Question(CLASS, "", "Class", choices),), outcome)


def pasi(values: Mapping[str, float]) -> float:
    """PASI of the sixteen parts."""
    scores_RS = np.array([[int(values[f"{region}_{part}"]) for part in SUB_SCORES] for region in BODY_REGIONS])
    return float(pasi_of(scores_RS[None])[0])


def _components() -> tuple[Question, ...]:
    assert len(_AREAS) == AREA_MAX + 1
    assert len(_GRADES) == GRADE_MAX + 1
    return tuple(
        Question(
            f"{region}_{part}",
            region.replace("_", " "),
            part.replace("_", " "),
            tuple(enumerate(_AREAS if part == AREA else _GRADES)),
        )
        for region in BODY_REGIONS
        for part in SUB_SCORES
    )
