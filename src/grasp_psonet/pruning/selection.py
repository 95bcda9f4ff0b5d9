"""Which training photos leave: the k at one end of one ranking for all queries, or of each query's own and their union.

The union is the paper's (2.3, 3.3). Axes: Q queries, P training photos, U units that leave (photos, visits or patients),
G groups of the cap column.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.errors import SettingsError
from grasp_psonet.pruning.ranking import (
    Chosen,
    Flags,
    Floats,
    Ranked,
    choose,
    rank,
)
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.tables.columns import KEPT, REASON, VISIT_ID
from grasp_psonet.tables.schemas.traces import KEEP_LIST

_FOR_ERRORS = {"harmful": "harmful for", "helpful": "helpful for", "largest": "of large influence on"}


def select(
    scores: pd.DataFrame, photos: pd.DataFrame, visits: pd.DataFrame, k: int, settings: PruneSettings
) -> pd.DataFrame:
    """The keep list: one row per training photo, sorted by photo_id.

    ``scores`` (query_id, photo_id, score; positive helpful, negative harmful) must cover every photo of ``photos``
    (photo_id, visit_id: the training photos present; group: what scores are compared within, see ``ranking.rank``) for every
    query. With the rule ``each`` the k strongest units of every
    query are chosen, with ``together`` those of the sum over the queries:
    ``harmful`` the most negative, never one of score >= 0; ``helpful`` the most positive, never one of score <= 0;
    ``largest`` the largest absolute score, never 0. A k beyond what is eligible takes all that is eligible. Equal
    scores go by id. The score of a visit or patient is the sum over its photos (influence adds up to first order), and
    k then counts visits or patients. Photos are kept after all, weakest first: by the cap per group, and
    (``remove: photo``) so that every visit keeps ``keep_at_least``, visits with fewer keeping all. In one ranking the next in
    line leaves instead, so that k photos leave where so many are eligible. No queries keep everything.

    Columns: photo_id, visit_id, kept, reason, num_queries (rankings that chose the photo, kept after all or not), score
    (what photos leave by: ``ranking.ranked_photos``), min_score (the photo's own most harmful score over all queries); both NaN
    without queries. Raises TraceError on NaN scores, StageError
    where scores and photos do not fit together, SettingsError where nothing would be left.
    """
    ranked = rank(scores, photos, visits, settings)
    everything = choose(ranked.score_RU, ranked.num_units, settings.end)
    chosen = choose(ranked.score_RU, k, settings.end)
    fate = _fate_of(ranked, visits, chosen, settings)
    if settings.rule == "together":
        wanted, most = int((chosen.num_queries > 0).sum()), int((everything.num_queries > 0).sum())
        taken = k
        while taken < most and fate.num_units_left(ranked) < wanted:
            taken += wanted - fate.num_units_left(ranked)
            chosen = choose(ranked.score_RU, taken, settings.end)
            fate = _fate_of(ranked, visits, chosen, settings)
    return _keep_list(ranked, chosen, fate, settings, f"k = {k}")


def select_named(
    ranked: Ranked, strength_P: Floats, visits: pd.DataFrame, settings: PruneSettings, reason: str
) -> pd.DataFrame:
    """The keep list, as of ``select``, that takes the photos of finite ``strength`` [P], of which the weakest are kept after
    all by caps and as the last of their visit; ``reason``: why the others leave. One ranking, units of one photo."""
    score_P = ranked.score_RU.sum(axis=0)
    chosen = Chosen(np.isfinite(strength_P).astype(np.int64), strength_P, score_P)
    fate = _fate_of(ranked, visits, chosen, settings)
    keep = _keep_list(ranked, chosen, fate, settings, "what the scores name")
    return keep.assign(reason=keep[REASON].where(keep[KEPT], reason))


def _keep_list(ranked: Ranked, chosen: Chosen, fate: "_Fate", settings: PruneSettings, taken: str) -> pd.DataFrame:
    photos, unit_P = ranked.photos, ranked.unit_P
    if len(photos) and fate.removed_P.all():
        raise SettingsError(
            f"prune.remove {settings.remove} with {taken} would remove all {len(photos)} training photos"
            "\n  next: a smaller prune.k, or prune.remove photo"
        )
    return photos.assign(
        kept=~fate.removed_P,
        reason=_reasons(fate, chosen.num_queries[unit_P], settings),
        num_queries=chosen.num_queries[unit_P],
        score=chosen.score[unit_P],
        min_score=ranked.score_QP.min(axis=0) if len(ranked.score_QP) else np.nan,
    )[KEEP_LIST.names]


@dataclass(frozen=True)
class _Fate:
    """What becomes of each photo [P]: it leaves, or was chosen and stays by the cap, or as one of the last of its visit."""

    removed_P: Flags
    capped_P: Flags
    kept_back_P: Flags

    def num_units_left(self, ranked: Ranked) -> int:
        """Units of which a photo leaves."""
        return len(np.unique(ranked.unit_P[self.removed_P]))


def _fate_of(ranked: Ranked, visits: pd.DataFrame, chosen: Chosen, settings: PruneSettings) -> _Fate:
    photos, unit_P = ranked.photos, ranked.unit_P
    is_chosen_U = chosen.num_queries > 0
    removed_U = is_chosen_U
    kept_back_P = np.zeros(len(photos), dtype=np.bool)
    if settings.cap_per_group is not None and settings.cap_column is not None:
        group_P, num_G = _groups(photos, visits, settings.cap_column)
        count_UG = np.zeros((len(is_chosen_U), len(num_G)), dtype=np.int64)
        np.add.at(count_UG, (unit_P, group_P), 1)
        removed_U = _within_cap(chosen, count_UG, np.floor(settings.cap_per_group * num_G + 1e-9).astype(np.int64))
    capped_P = (is_chosen_U & ~removed_U)[unit_P]
    removed_P = removed_U[unit_P]
    if settings.remove == "photo":
        kept_back_P = _last_of_visit(removed_P, chosen.strength, photos[VISIT_ID], settings.keep_at_least)
        removed_P = removed_P & ~kept_back_P
    return _Fate(removed_P, capped_P, kept_back_P)


def _groups(photos: pd.DataFrame, visits: pd.DataFrame, column: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cap group [P] of each photo (missing values are a group) and the number of photos of each group [G]."""
    if column not in visits:
        raise SettingsError(
            f"prune.cap_column is {column!r}; wanted: a column of visits.csv, one of "
            + ", ".join(sorted(str(name) for name in visits.columns))
        )
    value = photos[VISIT_ID].map(visits.set_index(VISIT_ID)[column])
    codes = pd.factorize(value, use_na_sentinel=False)[0].astype(np.int64)
    return codes, np.bincount(codes)


def cap_groups(photos: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings) -> NDArray[np.int64]:
    """The cap group of each photo (photo_id, visit_id); one group for all without a cap."""
    if settings.cap_column is None:
        return np.zeros(len(photos), dtype=np.int64)
    return _groups(photos, visits, settings.cap_column)[0]


def _within_cap(chosen: Chosen, count_UG: NDArray[np.int64], may_leave_G: NDArray[np.int64]) -> Flags:
    """Units [U] that leave when no group may lose more than so many photos: strongest first, whole units.

    ``count_UG`` counts the photos of each unit in each group.
    """
    left_G = may_leave_G.copy()
    fits_U = np.zeros(len(count_UG), dtype=np.bool)
    for u in np.argsort(-chosen.strength, kind="stable"):
        if chosen.num_queries[u] > 0 and (count_UG[u] <= left_G).all():
            left_G -= count_UG[u]
            fits_U[u] = True
    return fits_U


def _last_of_visit(removed_P: Flags, strength_P: Floats, visit_id: "pd.Series[str]", keep_at_least: int) -> Flags:
    """Photos [P] that stay although chosen, because their visit would keep too few: the weakest of it."""
    table = pd.DataFrame({VISIT_ID: visit_id, "strength": strength_P, "removed": removed_P})
    may_leave = table.groupby(VISIT_ID)["removed"].transform("size") - keep_at_least
    strongest_first = table.loc[table["removed"]].sort_values("strength", ascending=False, kind="stable")
    place = strongest_first.groupby(VISIT_ID).cumcount().reindex(table.index)
    return (place >= may_leave).to_numpy(np.bool)


def _reasons(fate: _Fate, num_queries_P: NDArray[np.int64], settings: PruneSettings) -> list[str]:
    """Why each photo leaves, or stays although chosen; "" where nothing chose it."""
    one = settings.keep_at_least == 1
    last = "last photo of its visit" if one else f"last {settings.keep_at_least} photos of its visit"
    reasons = []
    fates = zip(fate.removed_P, fate.capped_P, fate.kept_back_P, num_queries_P, strict=True)
    for removed, capped, kept_back, num_queries in fates:
        errors = (
            "all errors together"
            if settings.rule == "together"
            else f"{num_queries} error{'s' if num_queries > 1 else ''}"
        )
        why = f"{_FOR_ERRORS[settings.end]} {errors}" if removed else ""
        why = f"kept: cap on {settings.cap_column}" if capped else why
        reasons.append(f"kept: {last}" if kept_back else why)
    return reasons
