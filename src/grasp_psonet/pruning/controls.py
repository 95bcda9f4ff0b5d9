"""Controls: removals of the same size that know nothing of influence. Both take a keep list and return one like it."""

import numpy as np
import pandas as pd

from grasp_psonet.chance import generator
from grasp_psonet.errors import StageError
from grasp_psonet.pruning.selection import cap_groups
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.tables.columns import KEPT, LOSS, PHOTO_ID, VISIT_ID
from grasp_psonet.tables.traces import KEEP_LIST


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
    group = cap_groups(keep, visits, settings)
    may_leave_group = np.floor(np.bincount(group) * (settings.cap_per_group or 1.0) + 1e-9).astype(np.int64)
    kept_back = settings.keep_at_least if settings.remove == "photo" else 0
    may_leave_visit = (keep.groupby(VISIT_ID).size() - kept_back).to_dict()
    num_left = int((~keep[KEPT]).sum())
    removed: set[str] = set()
    for row in loss.sort_values(ascending=False, kind="stable").index:
        if len(removed) == num_left:
            break
        visit_id = keep[VISIT_ID][row]
        if may_leave_group[group[row]] > 0 and may_leave_visit[visit_id] > 0:
            may_leave_group[group[row]] -= 1
            may_leave_visit[visit_id] -= 1
            removed.add(keep[PHOTO_ID][row])
    return _list_of(keep, removed, "highest loss")


def _list_of(keep: pd.DataFrame, removed: set[str], reason: str) -> pd.DataFrame:
    is_removed = keep[PHOTO_ID].isin(removed)
    return keep.assign(kept=~is_removed, reason=is_removed.map({True: reason, False: ""}), num_queries=0)[
        KEEP_LIST.names
    ]
