"""The diagnosis of a study: what is wrong with it, if anything, each with its evidence in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from grasp_psonet.diagnosis.findings import Strength

Diagnosis = Literal["shortcut", "label noise", "both", "too few data", "not learned", "none"]

WRONG_LABELS = 0.14
"""Expected share of training visits with a wrong label from which label noise is diagnosed."""
FEW_VISITS = 12
"""Training visits of the rarest class below which too little can be told of it."""
IN_WORDS: Mapping[Diagnosis, str] = {
    "shortcut": "a shortcut: the flagged photos share a pattern that goes with their class in training alone",
    "label noise": "label noise: many training visits seem to bear a wrong label",
    "both": "a shortcut and label noise: the flagged photos share a pattern, and many labels seem wrong",
    "too few data": "too few data: a class has too few training visits, or validation too few for an interval",
    "not learned": "not learned: the network did not learn what the photos hold",
    "none": "nothing found: no likely spurious pattern, no unusual label noise, and the network learned",
}


@dataclass(frozen=True)
class Figure:
    """A figure on validation with its interval; None where it does not exist."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evidence:
    """What the stages found.

    ``word``: the name of the figure on validation. ``baseline``, ``probe``, ``prior``: that figure of the network, of the probe
    on frozen features, and without a look at a photo; ``over_prior`` and ``over_probe``: by how much the network is better.
    ``rarest_class``: training visits of it. ``verdict`` and ``first_finding`` of the flagged photos; ``num_standing_out``:
    training photos that stand out as harmful within their class, of ``num_photos``. ``wrong_labels``: expected share of
    training visits with a wrong label; None where it is not estimated. ``wrong_label``: what that is, in words.
    ``retraining``: what training without the removed photos says, a sentence (``Retraining``); empty where nothing was told.
    """

    word: str
    baseline: Figure
    probe: Figure
    prior: Figure
    over_prior: Figure
    over_probe: Figure
    rarest_class: int
    num_flagged: int
    num_standing_out: int
    num_photos: int
    verdict: Strength
    first_finding: str
    wrong_labels: float | None
    wrong_label: str = "the label of another class"
    retraining: str = ""


@dataclass(frozen=True)
class Diagnosed:
    """The diagnosis and its evidence, a sentence each."""

    diagnosis: Diagnosis
    evidence: tuple[str, ...]

    @property
    def in_words(self) -> str:
        return IN_WORDS[self.diagnosis]


def diagnose(seen: Evidence) -> Diagnosed:
    """What is wrong. A shortcut that is likely comes first: a network that learned it may be no better than a guess where it
    misleads. Then what keeps anything else from being told: too few data, and that nothing was learned."""
    of_retraining = (seen.retraining,) if seen.retraining else ()
    return Diagnosed(_diagnosis(seen), (_of_learning(seen), *_of_trace(seen), *of_retraining, _of_labels(seen)))


def _diagnosis(seen: Evidence) -> Diagnosis:
    has_shortcut = seen.verdict == "likely"
    if not has_shortcut and (seen.rarest_class < FEW_VISITS or seen.over_prior.low is None):
        return "too few data"
    if not has_shortcut and not _learned(seen.over_prior):
        return "not learned"
    has_noise = seen.wrong_labels is not None and seen.wrong_labels >= WRONG_LABELS
    if has_shortcut or has_noise:
        return "both" if has_shortcut and has_noise else "shortcut" if has_shortcut else "label noise"
    return "not learned" if seen.over_probe.high is not None and seen.over_probe.high < 0 else "none"


def _learned(over_prior: Figure) -> bool:
    """Whether the network is clearly better than a guess."""
    return over_prior.low is not None and over_prior.low > 0


def _of_learning(seen: Evidence) -> str:
    told = (
        f"Learning check: validation {seen.word} {_shown(seen.baseline)}, of a probe on frozen features"
        f" {_shown(seen.probe)}, of a guess {_shown(seen.prior)}; the rarest class has {seen.rarest_class} training visits"
    )
    if seen.over_prior.low is None:
        return f"{told}. Whether the network is better than a guess cannot be told: there is no interval."
    if not _learned(seen.over_prior):
        return f"{told}. The network cannot be told from a guess."
    if seen.over_probe.high is not None and seen.over_probe.high < 0:
        return f"{told}. The network learned less than the probe."
    return f"{told}. The network learned."


def _of_trace(seen: Evidence) -> tuple[str, ...]:
    stand = (
        f"Trace: {seen.num_standing_out} of {seen.num_photos} training photos stand out as harmful within their class;"
        f" {seen.num_flagged} are flagged."
    )
    shared = (
        seen.first_finding
        or "the flagged photos share nothing that goes with their class and that its other photos have less often."
    )
    return (stand, f"Spurious pattern: {seen.verdict}. {shared[:1].upper()}{shared[1:]}")


def _of_labels(seen: Evidence) -> str:
    if seen.wrong_labels is None:
        return "Labels: how many are wrong was not estimated."
    beside = "at or above" if seen.wrong_labels >= WRONG_LABELS else "below"
    return (
        f"Labels: {100 * seen.wrong_labels:.0f} % of training visits are expected to bear {seen.wrong_label}, {beside}"
        f" the {100 * WRONG_LABELS:.0f} % from which labels are called noisy."
    )


def _shown(figure: Figure) -> str:
    if figure.value is None:
        return "not estimable"
    between = "" if figure.low is None or figure.high is None else f" ({figure.low:.2f} to {figure.high:.2f})"
    return f"{figure.value:.2f}{between}"
