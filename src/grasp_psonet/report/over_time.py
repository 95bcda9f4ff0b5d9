"""A number over the visits of a patient, and the parts it is made of, as the report shows them beside the readers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grasp_psonet.report.graded_visits import GradedVisit

if TYPE_CHECKING:
    from grasp_psonet.report.data import Estimate


@dataclass(frozen=True)
class Course:
    """One test patient, named by the ``visit_id`` of the earliest visit: by ``days`` of the study, ascending, the points that
    the chosen run predicted with the ends of their interval, and those that each reader gave (None where not read)."""

    visit_id: str
    days: tuple[float, ...]
    predicted: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    read: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class BesideReaders:
    """A figure of the chosen run against each reader (in the order of ``readers``), and of Reader 2 against Reader 1, which is
    None without a second reader, or where the figure is of one reader alone."""

    name: str
    word: str
    chosen: "tuple[Estimate, ...]"
    readers: "Estimate | None"


@dataclass(frozen=True)
class PartAgreement:
    """One part of one region of the body: its figures in the order of ``OverTime.part_words``."""

    region: str
    part: str
    figures: tuple[BesideReaders, ...]


@dataclass(frozen=True)
class OverTime:
    """Change and response over the visits of test patients, their courses, and the agreement on the parts of the number.

    ``why_no_response`` says why there are no response figures; then ``response`` is empty. ``interval_points`` to either side
    hold a new patient's label with probability ``coverage``; None where validation allows no bound, and ``why_no_interval``
    says why. ``parts`` are empty of a number that is learned whole. ``most_points``: the highest value that a course shows.
    ``graded``: the test visits with the grades of their regions by ``part_names``, furthest from Reader 1 first.
    """

    response: tuple[BesideReaders, ...]
    why_no_response: str
    courses: tuple[Course, ...]
    coverage: float
    interval_points: float | None
    why_no_interval: str
    parts: tuple[PartAgreement, ...]
    most_points: float
    part_names: tuple[str, ...] = ()
    graded: tuple[GradedVisit, ...] = ()
