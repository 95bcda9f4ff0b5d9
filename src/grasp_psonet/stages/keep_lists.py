"""The keep lists of a study as they were made: which remove something, and so have a run of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from grasp_psonet.errors import StageError
from grasp_psonet.files import read_json
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.pruning.settings import PATTERN_OF_WORST, STAND_OUT, K
from grasp_psonet.stages.names import KeepList

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

OVERLAP = "overlap.json"


@dataclass(frozen=True)
class MadeKeepLists:
    """The keep lists with the counts taken as k, the names of those that remove something, and by name k as it was set."""

    lists: list[KeepList]
    removing: frozenset[str]
    as_set: Mapping[str, K]

    @property
    def retrained(self) -> list[KeepList]:
        """Those that remove something."""
        return [one for one in self.lists if one.name in self.removing]

    @property
    def empty(self) -> list[KeepList]:
        """Those that do not: their run would be the baseline, bit for bit."""
        return [one for one in self.lists if one.name not in self.removing]

    @property
    def flagged(self) -> KeepList | None:
        """The list whose photos are looked at for what they share: the photos that stand out (None where none does); where
        they were not asked for, the smallest that removes something. What looks like the worst of a class is not flagged: there
        is a worst where nothing is wrong.
        """
        pruned = [one for one in self.retrained if not one.control and self.as_set[one.name] != PATTERN_OF_WORST]
        if STAND_OUT in self.as_set.values():
            pruned = [one for one in pruned if self.as_set[one.name] == STAND_OUT]
        return min(pruned, key=lambda one: one.k, default=None)

    def followed(self, chosen: str) -> KeepList | None:
        """The list of the chosen run; where that is the baseline, the longest that is no control, if one removes any."""
        pruned = [one for one in self.retrained if not one.control]
        by_name = {one.name: one for one in pruned}
        return by_name.get(chosen) or max(pruned, key=lambda one: one.k, default=None)


def made_keep_lists(job: "Job") -> MadeKeepLists:
    """Which of the study's keep lists have a run. Raises StageError where one is not made yet or damaged."""
    overlaps = {one.name: _overlap(job, one.name) for one in job.keep_lists()}
    lists = [replace(one, k=int(overlaps[one.name]["k"])) for one in job.keep_lists()]
    removing = frozenset(name for name, told in overlaps.items() if told["num_removed"])
    return MadeKeepLists(lists, removing, {one.name: one.k for one in job.keep_lists()})


def _overlap(job: "Job", name: str) -> dict[str, Any]:
    """The row of the overlap table of a keep list. Raises StageError where the list is not made yet or damaged."""
    folder = job.study.pruning(name)
    if not is_complete(folder):
        raise StageError(f"the keep list {name} is not made yet\n  next: `grasp run` makes everything in order")
    overlap: dict[str, Any] = read_json(proven(folder) / OVERLAP)["overlap"]
    return overlap
