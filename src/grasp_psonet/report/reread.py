"""Readers and reading again as the report shows them (see ``data``): agreement of all readers, and what revisions changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from grasp_psonet.report.data import Estimate, ReaderFigures


@dataclass(frozen=True)
class ReaderPair:
    """Two readers on the visits that both read; ``figures`` by name, ``icc`` of scores (None without them)."""

    reader: str
    other: str
    visits: int
    figures: Mapping[str, Estimate]
    icc: Estimate | None


@dataclass(frozen=True)
class ReaderBias:
    """By how much a reader lies above the mean of the others of the same visits."""

    reader: str
    visits: int
    bias: Estimate


@dataclass(frozen=True)
class AllReaders:
    """Agreement of all readers over all visits that were read twice or more.

    ``alpha``: Krippendorff's, ordinal, of classes; ``alpha_score``: interval, of scores; ``icc``: ICC(2,1) of the visits that
    all scored; None where there are no such values. ``is_scored``: biases are in points, else in classes. ``icc_form``: two-way
    random effects, absolute agreement, a single reading (Shrout & Fleiss 1979).
    """

    readers: int
    pairs: tuple[ReaderPair, ...]
    biases: tuple[ReaderBias, ...]
    alpha: Estimate | None
    alpha_score: Estimate | None
    icc: Estimate | None
    is_scored: bool
    icc_form: str = "ICC(2,1)"


@dataclass(frozen=True)
class RevisionRun:
    """A run beside which a revision stands: ``kind`` kept, removed or reread; figures as those of an arm, ``differences`` those
    of the revised run minus this one."""

    name: str
    kind: Literal["kept", "removed", "reread"]
    figures: tuple[ReaderFigures, ...]


@dataclass(frozen=True)
class RevisionShown:
    """A revision that was trained on: what it changed, and its runs, the revised one last."""

    name: str
    read: int
    changed: int
    excluded: int
    rounds: str
    readers: str
    runs: tuple[RevisionRun, ...]


@dataclass(frozen=True)
class AgainstAdjudicated:
    """A run's figures by name against the adjudicated label, over ``visits`` of test."""

    run: str
    visits: int
    figures: Mapping[str, Estimate]


@dataclass(frozen=True)
class Reading:
    """What is known of all readers, and the revisions in the order of their names.

    ``repeats``: each reader who was given visits twice without being told, as a pair with itself. ``adjudicated``: every run
    against the adjudicated label; empty where nobody adjudicated a test visit.
    """

    agreement: AllReaders | None = None
    revisions: tuple[RevisionShown, ...] = ()
    repeats: tuple[ReaderPair, ...] = ()
    adjudicated: tuple[AgainstAdjudicated, ...] = ()
