"""What photos are ranked by: one ranking for all queries, or each query's own; and the k at one end of each.

Axes: Q queries, R rankings (1 or Q), P training photos, U units that leave (photos, visits or patients).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.errors import StageError, TraceError
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.tables.columns import GROUP, PATIENT_ID, PHOTO_ID, QUERY_ID, SCORE, VISIT_ID

Floats = NDArray[np.float64]
Flags = NDArray[np.bool]


def ranked_photos(
    scores: pd.DataFrame, photos: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings
) -> pd.DataFrame:
    """The photos that a large enough k would choose, in the order in which they would leave: photo_id, visit_id, score.

    The score is what the photo's unit is ranked by: the sum over the queries, or (rule ``each``) the one of its query at
    the end of the ranking that is taken; less the median of its group where photos have one. Tables and errors as in
    ``select``; caps and last photos are not looked at.
    """
    ranked = rank(scores, photos, visits, settings)
    chosen = choose(ranked.score_RU, ranked.num_units, settings.end)
    order_P = np.argsort(-chosen.strength[ranked.unit_P], kind="stable")
    is_taken_P = (chosen.num_queries > 0)[ranked.unit_P][order_P]
    found = ranked.photos[[PHOTO_ID, VISIT_ID]].assign(score=chosen.score[ranked.unit_P])
    return found.iloc[order_P[is_taken_P]].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Ranked:
    """What photos are chosen by. ``photos`` sorted by id; per photo its own scores [Q, P], its unit [P] and group [P] (all 0
    where photos are compared with all others); the rankings of units [R, U]."""

    photos: pd.DataFrame
    score_QP: Floats
    unit_P: NDArray[np.int64]
    group_P: NDArray[np.int64]
    score_RU: Floats

    @property
    def num_units(self) -> int:
        return int(self.score_RU.shape[1])


def rank(scores: pd.DataFrame, photos: pd.DataFrame, visits: pd.DataFrame, settings: PruneSettings) -> Ranked:
    """Scores (query_id, photo_id, score) as rankings of units. ``photos`` (photo_id, visit_id) may have a column ``group``:
    from each score the median of its group is taken off, so that what all photos of a class have in common ranks none.

    Raises TraceError on NaN scores, StageError where scores and photos do not fit together.
    """
    photos = photos.sort_values(PHOTO_ID).reset_index(drop=True)
    score_QP = score_matrix(scores, photos[PHOTO_ID])
    unit_P, num_units = units_of(photos, visits, settings.remove)
    group_P = (
        pd.factorize(photos[GROUP], sort=True)[0].astype(np.int64)
        if GROUP in photos
        else np.zeros(len(photos), dtype=np.int64)
    )
    is_one = settings.rule == "together" and len(score_QP) > 0
    score_RP = score_QP.sum(axis=0, keepdims=True) if is_one else score_QP
    score_RP = centred(score_RP, group_P) if GROUP in photos else score_RP
    return Ranked(photos, score_QP, unit_P, group_P, summed_by_unit(score_RP, unit_P, num_units))


def centred(score_RP: Floats, group_P: NDArray[np.int64]) -> Floats:
    """Scores less the median of their group, ranking by ranking [R, P]."""
    found_RP = score_RP.copy()
    for group in np.unique(group_P):
        rows = group_P == group
        found_RP[:, rows] -= np.median(score_RP[:, rows], axis=1, keepdims=True)
    return found_RP


def summed_by_unit(score_RP: Floats, unit_P: NDArray[np.int64], num_units: int) -> Floats:
    """Sums of each unit's photos [R, U]."""
    score_RU = np.zeros((len(score_RP), num_units))
    np.add.at(score_RU.T, unit_P, score_RP.T)
    return score_RU


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
    broken = int((~np.isfinite(scores[SCORE].to_numpy(np.float64))).sum())
    if broken:
        raise TraceError(f"{broken} of {len(scores)} scores are NaN or infinite\n  next: trace again; see its warnings")
    unknown = scores.loc[~scores[PHOTO_ID].isin(photo_ids), PHOTO_ID].nunique()
    repeated = int(scores.duplicated([QUERY_ID, PHOTO_ID]).sum())
    num_queries = scores[QUERY_ID].nunique()
    missing = num_queries * len(photo_ids) - (len(scores) - repeated)
    if unknown or repeated or missing:
        raise StageError(
            f"the scores do not fit the {len(photo_ids)} training photos: {unknown} photos are not among them, "
            f"{repeated} pairs of query and photo occur twice, {missing} are missing\n  next: trace again"
        )
    score_QP = np.empty((num_queries, len(photo_ids)))
    place_of_query = pd.factorize(scores[QUERY_ID], sort=True)[0]
    score_QP[place_of_query, pd.Index(photo_ids).get_indexer(pd.Index(scores[PHOTO_ID]))] = scores[SCORE]
    return score_QP


def units_of(photos: pd.DataFrame, visits: pd.DataFrame, unit: str) -> tuple[NDArray[np.int64], int]:
    """The unit [P] each photo belongs to, numbered in the order of the units' ids."""
    patient = photos[VISIT_ID].map(visits.set_index(VISIT_ID)[PATIENT_ID])
    name = {"photo": photos[PHOTO_ID], "visit": photos[VISIT_ID], "patient": patient}[unit]
    codes, names = pd.factorize(name, sort=True)
    return codes.astype(np.int64), len(names)
