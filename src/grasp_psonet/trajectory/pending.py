"""What was drawn and returned since the last step of a foreign loop, and which of it the next step will take."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor


class Returned(NamedTuple):
    """What the network returned in one call, one row a bag, and how many photos and padding its bags had (0: not seen)."""

    logits: Tensor
    padded_to: int


@dataclass
class _Seen:
    draws: list[str] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.draws or self.returned)

    def with_more(self, more: "_Seen") -> "_Seen":
        return _Seen(self.draws + more.draws, self.returned + more.returned)


class PendingStep:
    """Bags drawn and logits returned, of which those count whose gradient is still there when the step is taken.

    Gradients that pile up over several backward passes belong to one step. Where they were zeroed in between, the step
    before them was skipped (a gradient scaler that met an overflow), and what it had drawn is forgotten. Bags may be
    named before or after the backward pass.
    """

    def __init__(self) -> None:
        self.num_skipped = 0
        self._accumulated, self._new, self._is_late = _Seen(), _Seen(), False

    def draw(self, bag_ids: Iterable[str]) -> None:
        (self._accumulated if self._is_late else self._new).draws.extend(bag_ids)

    def return_logits(self, logits: Tensor, photos: object) -> None:
        """The network returned these for ``photos``, what it was called with first."""
        padded_to = 0
        if isinstance(photos, Tensor) and photos.ndim > 1 and logits.ndim and len(photos) == len(logits):
            padded_to = photos.shape[1]
        self._new.returned.append(Returned(logits, padded_to))

    def backward(self, starts_anew: Callable[[], bool]) -> None:
        """A gradient is about to be added; ``starts_anew`` says whether none is there yet. Called once a parameter, it does
        something once a backward pass."""
        if not self._new:
            return
        if self._accumulated and (self._new.draws or self._is_late) and starts_anew():
            self._accumulated = _Seen()
            self.num_skipped += 1
        self._is_late = not self._new.draws and (self._is_late or not self._accumulated.draws)
        self._accumulated, self._new = self._accumulated.with_more(self._new), _Seen()

    def take(self) -> tuple[list[str], list[Returned]]:
        """The draws and logits of the step that was just taken; nothing is pending afterwards."""
        taken = self._accumulated.with_more(self._new)
        self.forget()
        return taken.draws, taken.returned

    def forget(self) -> None:
        """The step was not taken."""
        self._accumulated, self._new, self._is_late = _Seen(), _Seen(), False
