"""The charter of a round: who reads what, on which scale and by which rules. It does not change once the round is open."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.reading.form import Form, form_of
from grasp_psonet.reading.settings import Adjudicate, Correction, FormName


@dataclass(frozen=True)
class Charter:
    """``num_flagged`` and ``num_controls`` count visits; ``repeats`` is the part of them that is read twice by each reader."""

    round: str
    readers: tuple[str, ...]
    adjudicators: tuple[str, ...]
    severity: SeveritySettings
    form: FormName
    adjudicate: Adjudicate
    adjudicate_points: float
    correction: Correction
    seed: int
    num_flagged: int
    num_controls: int
    repeats: float
    edge_px: int

    def as_json(self) -> str:
        """Canonical JSON, the same for equal charters."""
        return canonical(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Charter":
        """The charter that ``as_json`` wrote."""
        tree: dict[str, Any] = json.loads(text)
        severity: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in tree.pop("severity").items()
        }
        lists: dict[str, Any] = {name: tuple(tree.pop(name)) for name in ("readers", "adjudicators")}
        return cls(severity=SeveritySettings(**severity), **lists, **tree)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self.as_json())

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.severity)

    def questions(self) -> Form:
        """What readers fill in."""
        return form_of(self.outcome, self.form)

    def asks_for_another(self, results: "list[tuple[float | None, int | None]]") -> bool:
        """Whether a third person reads a visit, by score and class of each first reading (both None: not assessable)."""
        if self.adjudicate == "none" or len(results) < 2:
            return False
        if any((grade is None) != (results[0][1] is None) for _, grade in results):
            return True
        if results[0][1] is None:
            return False
        if self.adjudicate == "points":
            scores = [score for score, _ in results if score is not None]
            return bool(scores) and max(scores) - min(scores) > self.adjudicate_points
        return len({grade for _, grade in results}) > 1


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces and ASCII alone: one text for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
