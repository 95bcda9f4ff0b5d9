"""The keep lists of a study as they were made: which remove something, and so have a run of their own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grasp_psonet.errors import StageError
from grasp_psonet.files import read_json
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.stages.names import KeepList

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

OVERLAP = "overlap.json"


@dataclass(frozen=True)
class MadeKeepLists:
    """The keep lists that remove something, and those that do not (their run would be the baseline, bit for bit)."""

    retrained: list[KeepList]
    empty: list[KeepList]


def made_keep_lists(job: "Job") -> MadeKeepLists:
    """Which of the study's keep lists have a run. Raises StageError where one is not made yet or damaged."""
    lists = job.keep_lists()
    removes = {one.name: num_removed(job, one.name) > 0 for one in lists}
    return MadeKeepLists([one for one in lists if removes[one.name]], [one for one in lists if not removes[one.name]])


def num_removed(job: "Job", name: str) -> int:
    """How many training photos a keep list removes. Raises StageError where it is not made yet or damaged."""
    folder = job.study.pruning(name)
    if not is_complete(folder):
        raise StageError(f"the keep list {name} is not made yet\n  next: `grasp run` makes everything in order")
    return int(read_json(proven(folder) / OVERLAP)["overlap"]["num_removed"])
