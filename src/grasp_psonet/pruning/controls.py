"""Controls: removals of the same size that know nothing of influence. Both take a keep list and return one like it."""

import numpy as np
import pandas as pd

from grasp_psonet.chance import generator
from grasp_psonet.errors import StageError
from grasp_psonet.pruning.selection import cap_groups
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.tables.columns import GROUP, KEPT, LOSS, PHOTO_ID, VISIT_ID
from grasp_psonet.tables.schemas.traces import KEEP_LIST


def random_control(keep: pd.DataFrame, seed: int, k: int) -> pd.DataFrame:
    """Removes from every visit as many photos as ``keep`` does, drawn at random (keyed by seed, k and visit).

    The same number per visit means the same number per patient, class and skin type, and that no visit loses more
    photos than it does in ``keep``.
    """
    keep = keep.sort_values(PHOTO_ID).reset_index(drop=True)
    removed: set[str] = set()
    for visit_id, members in keep.groupby(VISIT_ID):
        num_removed = int((~members[KEPT]).sum())
        rng = generator(seed, "random control", k, str(visit_id))
        removed |= set(rng.permutation(members[PHOTO_ID].to_numpy(dtype=object))[:num_removed])
    return _list_of(keep, removed, "random control")


def class_control(
    keep: pd.DataFrame, photos: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings, seed: int
) -> pd.DataFrame:
    """Removes from every class as many photos as ``keep`` does, drawn at random from all its visits (keyed by seed and class).

    It keeps the class mix of the pruning and no other likeness to it: where a pruning gains by thinning out a class, this one
    gains too. ``photos`` has photo_id and group, the class. ``remove: photo`` leaves every visit ``keep_at_least``; no group
    of the cap column loses more than the cap, so that fewer may leave of a class than the list takes.
    """
    keep = keep.sort_values(PHOTO_ID).reset_index(drop=True)
    group = keep[PHOTO_ID].map(photos.set_index(PHOTO_ID)[GROUP])
    budget = _Budget(keep, visits, settings)
    for name, members in keep.groupby(group):
        drawn = generator(seed, "class control", str(name)).permutation(members.index.to_numpy())
        budget.take(drawn, int((~members[KEPT]).sum()))
    return _list_of(keep, budget.removed, "random control by class")


def loss_control(
    keep: pd.DataFrame, photo_loss: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings
) -> pd.DataFrame:
    """Removes as many photos as ``keep`` does, those of the highest loss (photo_id, loss), equal ones by photo id.

    It keeps the promises of the pruning it is compared with: with ``remove: photo`` every visit keeps ``keep_at_least``, and
    no group of the cap column loses more than the cap; the next in line leaves instead. ``visits`` holds visit_id and
    the cap column. Raises StageError where photos have no loss or NaN.
    """
    keep = keep.sort_values(PHOTO_ID).reset_index(drop=True)
    loss = keep[PHOTO_ID].map(photo_loss.set_index(PHOTO_ID)[LOSS])
    if loss.isna().any():
        raise StageError(f"{int(loss.isna().sum())} of {len(keep)} training photos have no loss\n  next: trace again")
    budget = _Budget(keep, visits, settings)
    budget.take(loss.sort_values(ascending=False, kind="stable").index, int((~keep[KEPT]).sum()))
    return _list_of(keep, budget.removed, "highest loss")


class _Budget:
    """What may still leave: of each cap group, and of each visit."""

    def __init__(self, keep: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings) -> None:
        self.keep = keep
        self.group = cap_groups(keep, visits, settings)
        share = settings.cap_per_group or 1.0
        self.of_group = np.floor(np.bincount(self.group) * share + 1e-9).astype(np.int64)
        kept_back = settings.keep_at_least if settings.remove == "photo" else 0
        self.of_visit = (keep.groupby(VISIT_ID).size() - kept_back).to_dict()
        self.removed: set[str] = set()

    def take(self, rows: "pd.Index[int] | np.typing.NDArray[np.int64]", count: int) -> None:
        """Removes the first so many of these rows of the keep list that may leave."""
        left = count
        for row in rows:
            visit_id = self.keep[VISIT_ID][row]
            if left and self.of_group[self.group[row]] > 0 and self.of_visit[visit_id] > 0:
                self.of_group[self.group[row]] -= 1
                self.of_visit[visit_id] -= 1
                self.removed.add(self.keep[PHOTO_ID][row])
                left -= 1


def _list_of(keep: pd.DataFrame, removed: set[str], reason: str) -> pd.DataFrame:
    is_removed = keep[PHOTO_ID].isin(removed)
    return keep.assign(kept=~is_removed, reason=is_removed.map({True: reason, False: ""}), num_queries=0)[
        KEEP_LIST.names
    ]
