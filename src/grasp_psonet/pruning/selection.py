"""Which training photos leave: the k at one end of one ranking for all queries, or of each query's own and their union.

The union is the paper's (2.3, 3.3). Axes: Q queries, R rankings (1 or Q), P training photos, U units (photos, visits or
patients), G groups of the cap column.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.errors import SettingsError, StageError, TraceError
from grasp_psonet.pruning.settings import PruneSettings, has_one_ranking

Floats = NDArray[np.float64]
Flags = NDArray[np.bool]
KEEP_COLUMNS = ["photo_id", "visit_id", "kept", "reason", "num_queries", "score", "min_score"]
_FOR_ERRORS = {"harmful": "harmful for", "helpful": "helpful for", "largest": "of large influence on"}


def select(
    scores: pd.DataFrame,
    photos: pd.DataFrame,
    visits: pd.DataFrame,
    k: int,
    settings: PruneSettings,
    are_summed: bool = False,
) -> pd.DataFrame:
    """The keep list: one row per training photo, sorted by photo_id.

    ``scores`` (query_id, photo_id, score; positive helpful, negative harmful) must cover every photo of ``photos``
    (photo_id, visit_id: the training photos present) for every query. With the rule ``each`` the k strongest units of every
    query are chosen, with ``together`` those of the sum over the queries:
    ``harmful`` the most negative, never one of score >= 0; ``helpful`` the most positive, never one of score <= 0;
    ``largest`` the largest absolute score, never 0. A k beyond what is eligible takes all that is eligible. Equal
    scores go by id. The score of a visit or patient is the sum over its photos (influence adds up to first order), and
    k then counts visits or patients. Afterwards photos are kept after all, weakest first: by the cap per group, and
    (``remove: photo``) so that every visit keeps ``keep_at_least``, visits with fewer keeping all. No queries keep everything.
    ``are_summed``: the scores' one query stands for all errors together.

    Columns: photo_id, visit_id, kept, reason, num_queries (rankings that chose the photo, kept after all or not), score
    (what photos leave by: ``ranked_photos``), min_score (the photo's own most harmful score over all queries); both NaN
    without queries. Raises TraceError on NaN scores, StageError
    where scores and photos do not fit together, SettingsError where nothing would be left.
    """
    photos = photos[["photo_id", "visit_id"]].sort_values("photo_id").reset_index(drop=True)
    score_QP = score_matrix(scores, photos["photo_id"])
    unit_P, num_units = _units(photos, visits, settings.remove)
    is_one = has_one_ranking(settings, are_summed)
    chosen = choose(_rankings(score_QP, unit_P, num_units, is_one), k, settings.end)

    removed_U = chosen.num_queries > 0
    capped_P = kept_back_P = np.zeros(len(photos), dtype=np.bool)
    if settings.cap_per_group is not None and settings.cap_column is not None:
        group_P, num_P = _groups(photos, visits, settings.cap_column)
        removed_U = _within_cap(removed_U, chosen.strength, unit_P, group_P, num_P, settings.cap_per_group)
        capped_P = (chosen.num_queries > 0)[unit_P] & ~removed_U[unit_P]
    removed_P = removed_U[unit_P]
    if settings.remove == "photo":
        kept_back_P = _last_of_visit(removed_P, chosen.strength, photos["visit_id"], settings.keep_at_least)
        removed_P = removed_P & ~kept_back_P
    if len(photos) and removed_P.all():
        raise SettingsError(
            f"prune.remove {settings.remove} with k = {k} would remove all {len(photos)} training photos"
            "\n  next: a smaller prune.k, or prune.remove photo"
        )
    num_queries_P = chosen.num_queries[unit_P]
    return photos.assign(
        kept=~removed_P,
        reason=_reasons(removed_P, capped_P, kept_back_P, num_queries_P, settings, is_one),
        num_queries=num_queries_P,
        score=chosen.score[unit_P],
        min_score=score_QP.min(axis=0) if len(score_QP) else np.nan,
    )[KEEP_COLUMNS]


def ranked_photos(
    scores: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings, are_summed: bool
) -> pd.DataFrame:
    """The photos that a large enough k would choose, in the order in which they would leave: photo_id, visit_id, score.

    The score is what the photo's unit is ranked by: the sum over the queries, or (rule ``each``) the one of its query at
    the end of the ranking that is taken. Tables and errors as in ``select``; caps and last photos are not looked at.
    """
    photos = scores[["photo_id", "visit_id"]].drop_duplicates().sort_values("photo_id").reset_index(drop=True)
    unit_P, num_units = _units(photos, visits, settings.remove)
    score_QP = score_matrix(scores, photos["photo_id"])
    score_RU = _rankings(score_QP, unit_P, num_units, has_one_ranking(settings, are_summed))
    chosen = choose(score_RU, num_units, settings.end)
    order_P = np.argsort(-chosen.strength[unit_P], kind="stable")
    is_taken_P = (chosen.num_queries > 0)[unit_P][order_P]
    return photos.assign(score=chosen.score[unit_P]).iloc[order_P[is_taken_P]].reset_index(drop=True)


def _rankings(score_QP: Floats, unit_P: NDArray[np.int64], num_units: int, is_one: bool) -> Floats:
    """What units are ranked by [R, U]: the sums over their photos, of each query or summed over the queries too."""
    score_QU = np.zeros((len(score_QP), num_units))
    np.add.at(score_QU.T, unit_P, score_QP.T)
    return score_QU.sum(axis=0, keepdims=True) if is_one and len(score_QU) else score_QU


@dataclass(frozen=True)
class Chosen:
    """Per unit [U]: how many rankings chose it, its strength at the chosen end, largest over the rankings (-inf without
    any), and the score there, with its sign (NaN without any)."""

    num_queries: NDArray[np.int64]
    strength: Floats
    score: Floats


def choose(score_RU: Floats, k: int, end: str) -> Chosen:
    """The k strongest units of each ranking; units stand in the order of their ids, so equal ones go by id."""
    strength_RU = {"harmful": -score_RU, "helpful": score_RU, "largest": np.abs(score_RU)}[end]
    order_RU = np.argsort(-strength_RU, axis=1, kind="stable")[:, :k]
    is_chosen_RU = np.zeros(score_RU.shape, dtype=np.bool)
    np.put_along_axis(is_chosen_RU, order_RU, True, axis=1)
    is_chosen_RU &= strength_RU > 0
    num_units = score_RU.shape[1]
    if not len(score_RU):
        return Chosen(np.zeros(num_units, dtype=np.int64), np.full(num_units, -np.inf), np.full(num_units, np.nan))
    at_RU = strength_RU.argmax(axis=0)[None]
    strength_U, score_U = (np.take_along_axis(of_RU, at_RU, axis=0)[0] for of_RU in (strength_RU, score_RU))
    return Chosen(is_chosen_RU.sum(axis=0), strength_U, score_U)


def score_matrix(scores: pd.DataFrame, photo_ids: "pd.Series[str]") -> Floats:
    """Scores [Q, P] in the order of ``photo_ids``, queries by id. Raises TraceError on NaN, StageError on a misfit."""
    broken = int((~np.isfinite(scores["score"].to_numpy(np.float64))).sum())
    if broken:
        raise TraceError(f"{broken} of {len(scores)} scores are NaN or infinite\n  next: trace again; see its warnings")
    unknown = scores.loc[~scores["photo_id"].isin(photo_ids), "photo_id"].nunique()
    repeated = int(scores.duplicated(["query_id", "photo_id"]).sum())
    num_queries = scores["query_id"].nunique()
    missing = num_queries * len(photo_ids) - (len(scores) - repeated)
    if unknown or repeated or missing:
        raise StageError(
            f"the scores do not fit the {len(photo_ids)} training photos: {unknown} photos are not among them, "
            f"{repeated} pairs of query and photo occur twice, {missing} are missing\n  next: trace again"
        )
    score_QP = np.empty((num_queries, len(photo_ids)))
    place_of_query = pd.factorize(scores["query_id"], sort=True)[0]
    score_QP[place_of_query, pd.Index(photo_ids).get_indexer(pd.Index(scores["photo_id"]))] = scores["score"]
    return score_QP


def _units(photos: pd.DataFrame, visits: pd.DataFrame, unit: str) -> tuple[NDArray[np.int64], int]:
    """The unit [P] each photo belongs to, numbered in the order of the units' ids."""
    patient = photos["visit_id"].map(visits.set_index("visit_id")["patient_id"])
    name = {"photo": photos["photo_id"], "visit": photos["visit_id"], "patient": patient}[unit]
    codes, names = pd.factorize(name, sort=True)
    return codes.astype(np.int64), len(names)


def _groups(photos: pd.DataFrame, visits: pd.DataFrame, column: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cap group [P] of each photo (missing values are a group) and the number of photos of each group [G]."""
    if column not in visits:
        raise SettingsError(
            f"prune.cap_column is {column!r}; wanted: a column of visits.csv, one of "
            + ", ".join(sorted(str(name) for name in visits.columns))
        )
    value = photos["visit_id"].map(visits.set_index("visit_id")[column])
    codes = pd.factorize(value, use_na_sentinel=False)[0].astype(np.int64)
    return codes, np.bincount(codes)


def cap_groups(photos: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings) -> NDArray[np.int64]:
    """The cap group of each photo (photo_id, visit_id); one group for all without a cap."""
    if settings.cap_column is None:
        return np.zeros(len(photos), dtype=np.int64)
    return _groups(photos, visits, settings.cap_column)[0]


def _within_cap(
    removed_U: Flags,
    strength_U: Floats,
    unit_P: NDArray[np.int64],
    group_P: NDArray[np.int64],
    num_G: NDArray[np.int64],
    cap: float,
) -> Flags:
    """Units that leave when no group may lose more than ``cap`` of its photos: strongest first, whole units."""
    count_UG = np.zeros((len(removed_U), len(num_G)), dtype=np.int64)
    np.add.at(count_UG, (unit_P, group_P), 1)
    left_G = np.floor(cap * num_G + 1e-9).astype(np.int64)
    fits_U = np.zeros(len(removed_U), dtype=np.bool)
    for u in np.argsort(-strength_U, kind="stable"):
        if removed_U[u] and (count_UG[u] <= left_G).all():
            left_G -= count_UG[u]
            fits_U[u] = True
    return fits_U


def _last_of_visit(removed_P: Flags, strength_P: Floats, visit_id: "pd.Series[str]", keep_at_least: int) -> Flags:
    """Photos [P] that stay although chosen, because their visit would keep too few: the weakest of it."""
    table = pd.DataFrame({"visit_id": visit_id, "strength": strength_P, "removed": removed_P})
    may_leave = table.groupby("visit_id")["removed"].transform("size") - keep_at_least
    strongest_first = table.loc[table["removed"]].sort_values("strength", ascending=False, kind="stable")
    place = strongest_first.groupby("visit_id").cumcount().reindex(table.index)
    return (place >= may_leave).to_numpy(np.bool)


def _reasons(
    removed_P: Flags,
    capped_P: Flags,
    kept_back_P: Flags,
    num_queries_P: NDArray[np.int64],
    settings: PruneSettings,
    is_one_ranking: bool,
) -> list[str]:
    """Why each photo leaves, or stays although chosen; "" where nothing chose it."""
    one = settings.keep_at_least == 1
    last = "last photo of its visit" if one else f"last {settings.keep_at_least} photos of its visit"
    reasons = []
    for removed, capped, kept_back, num_queries in zip(removed_P, capped_P, kept_back_P, num_queries_P, strict=True):
        errors = "all errors together" if is_one_ranking else f"{num_queries} error{'s' if num_queries > 1 else ''}"
        why = f"{_FOR_ERRORS[settings.end]} {errors}" if removed else ""
        why = f"kept: cap on {settings.cap_column}" if capped else why
        reasons.append(f"kept: {last}" if kept_back else why)
    return reasons
