"""The chain of the trail: each entry's hash covers the entry before it, so that none can be changed or taken out unseen."""

from dataclasses import astuple, dataclass

from grasp_psonet.reading.charter import canonical, digest

START = "0" * 64  # what the first entry follows


@dataclass(frozen=True)
class Body:
    """One entry: its number from 1, when (UTC), who in which role, what was done to what, before, after, and why.

    ``before`` and ``after`` are canonical JSON as text.
    """

    number: int
    at: str
    actor: str
    role: str
    action: str
    subject: str
    before: str
    after: str
    reason: str

    def hash_after(self, previous: str) -> str:
        """SHA-256 over the hash of the entry before and all of this one."""
        return digest(canonical([previous, *astuple(self)]))


@dataclass(frozen=True)
class Link:
    """An entry as stored: its body, the hash of the entry before, and its own."""

    body: Body
    previous: str
    hash: str


class ChainCheck:
    """Reads a chain link by link; ``fault`` is the first that is broken, in words, or empty."""

    def __init__(self) -> None:
        self.number, self.last, self.fault = 0, START, ""

    def take(self, link: Link) -> bool:
        """Whether the link holds; the first that does not is told in ``fault``."""
        body, expected = link.body, self.number + 1
        if body.number != expected:
            self.fault = f"entry {expected} is missing: entry {body.number} follows entry {self.number}"
        elif link.previous != self.last:
            self.fault = f"entry {body.number} does not follow entry {self.number}: the hash of the one before differs"
        elif body.hash_after(link.previous) != link.hash:
            self.fault = f"entry {body.number} ({body.action}, {body.at}) was changed: its hash differs"
        else:
            self.number, self.last = body.number, link.hash
        return not self.fault
