"""When and on what a study was made, as the report shows it (see ``data``)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StageTime:
    """How long a step took, in seconds over all of its parts, side by side or not; None where its clock is lost."""

    step: str
    seconds: float | None


@dataclass(frozen=True)
class Clock:
    """All that two reports of the same study may differ in. ``made``: day and time in UTC, as 2026-03-31 09:30 UTC;
    ``machine``: what the baseline was trained on; ``steps`` in the order of the pipeline, the report itself left out."""

    made: str
    machine: tuple[tuple[str, str], ...]
    steps: tuple[StageTime, ...]

    @property
    def seconds(self) -> float:
        """All steps whose time is known."""
        return sum(one.seconds for one in self.steps if one.seconds is not None)
