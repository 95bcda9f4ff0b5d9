"""What the retrainings say of a spurious pattern: photos that only mislead are not missed on validation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grasp_psonet.diagnosis.findings import Finding

HARM, HELP = 1.0, 2.0
"""Standard errors of the paired gain on validation beyond which a removal is said to have harmed, and to have helped: the best
of several removals gains by chance, all of them do not lose by chance."""


@dataclass(frozen=True)
class Removal:
    """One keep list that was retrained, no control: its gain over the baseline on validation in the figure that chooses (of an
    error: by how much it fell), and the standard error of it; None where they do not exist."""

    gain: float | None
    gain_se: float | None

    @property
    def has_harmed(self) -> bool:
        return self.gain is not None and self.gain_se is not None and self.gain < -HARM * self.gain_se

    @property
    def has_helped(self) -> bool:
        return self.gain is not None and self.gain_se is not None and self.gain > HELP * self.gain_se


@dataclass(frozen=True)
class Retraining:
    """Every such removal; ``word``: the name of the figure."""

    word: str
    removals: tuple[Removal, ...]

    @property
    def speaks_against(self) -> bool:
        """Whether every removal made validation worse by more than its noise."""
        return bool(self.removals) and all(one.has_harmed for one in self.removals)

    @property
    def speaks_for(self) -> bool:
        """Whether a removal made validation clearly better."""
        return any(one.has_helped for one in self.removals)

    @property
    def sentence(self) -> str:
        """The evidence in words."""
        gains = [one.gain for one in self.removals if one.gain is not None]
        if not self.removals:
            return "Retraining: nothing was removed, so it says nothing."
        if not gains:
            return f"Retraining: the gain in validation {self.word} is not estimable, so it says nothing."
        lists = "the only keep list" if len(self.removals) == 1 else f"any of {len(self.removals)} keep lists"
        low, high = min(gains), max(gains)
        by = f"{high:+.2f}" if len(gains) == 1 else f"{low:+.2f} to {high:+.2f}"
        told = f"Retraining: without the photos of {lists} validation {self.word} gains {by}"
        if self.speaks_against:
            return (
                f"{told}: worse beyond noise whatever was removed. These photos teach more than they mislead, so what they"
                " share is not called a likely spurious pattern."
            )
        if self.speaks_for:
            return f"{told}: clearly better without some photos, which speaks for a spurious pattern."
        return f"{told}, which speaks neither for a spurious pattern nor against it."


def weighed(found: Sequence[Finding], retraining: Retraining) -> list[Finding]:
    """The findings with what the retrainings say, likely ones first. Where every removal harmed, a likely one is possible.
    Where a removal helped, a possible one that goes with its class in training alone is likely."""
    if retraining.speaks_against:
        return [replace(one, strength="possible") if one.strength == "likely" else one for one in found]
    if not retraining.speaks_for:
        return list(found)
    raised = [
        replace(one, strength="likely") if one.strength == "possible" and one.goes_with_class_in_training_alone else one
        for one in found
    ]
    return sorted(raised, key=lambda one: one.strength != "likely")
