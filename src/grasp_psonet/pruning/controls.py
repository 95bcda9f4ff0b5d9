"""Controls: removals of the same size that know nothing of influence. Both take a keep list and return one like it."""

import pandas as pd

from grasp_psonet.chance import generator
from grasp_psonet.errors import StageError
from grasp_psonet.pruning.selection import KEEP_COLUMNS
from grasp_psonet.pruning.settings import PruneSettings


def random_control(keep: pd.DataFrame, seed: int, k: int) -> pd.DataFrame:
    """Removes from every visit as many photos as ``keep`` does, drawn at random (keyed by seed, k and visit).

    The same number per visit means the same number per patient, class and skin type, and that no visit loses more
    photos than it does in ``keep``.
    """
    keep = keep.sort_values("photo_id").reset_index(drop=True)
    removed: set[str] = set()
    for visit_id, members in keep.groupby("visit_id"):
        num_removed = int((~members["kept"]).sum())
        chance = generator(seed, "random control", k, str(visit_id))
        removed |= set(chance.permutation(members["photo_id"].to_numpy(dtype=object))[:num_removed])
    return _list_of(keep, removed, "random control")


def loss_control(keep: pd.DataFrame, photo_loss: pd.DataFrame, settings: PruneSettings) -> pd.DataFrame:
    """Removes as many photos as ``keep`` does, those of the highest loss (photo_id, loss), equal ones by photo id.

    With unit photo every visit keeps ``keep_at_least``, as in the pruning it is compared with; the next in line leaves
    instead. Raises StageError where photos have no loss or NaN.
    """
    keep = keep.sort_values("photo_id").reset_index(drop=True)
    loss = keep["photo_id"].map(photo_loss.set_index("photo_id")["loss"])
    if loss.isna().any():
        raise StageError(f"{int(loss.isna().sum())} of {len(keep)} training photos have no loss\n  next: trace again")
    order = keep.assign(loss=loss).sort_values("loss", ascending=False, kind="stable")
    if settings.unit == "photo":
        may_leave = order.groupby("visit_id")["visit_id"].transform("size") - settings.keep_at_least
        order = order.loc[order.groupby("visit_id").cumcount() < may_leave]
    removed = set(order["photo_id"].head(int((~keep["kept"]).sum())))
    return _list_of(keep, removed, "highest loss")


def _list_of(keep: pd.DataFrame, removed: set[str], reason: str) -> pd.DataFrame:
    is_removed = keep["photo_id"].isin(removed)
    return keep.assign(kept=~is_removed, reason=is_removed.map({True: reason, False: ""}), num_queries=0)[KEEP_COLUMNS]
