"""The photos of train and validation with everything that is known of them, and their traits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.diagnosis.permutation import Photos
from grasp_psonet.diagnosis.traits import (
    MEASURES,
    Floats,
    Trait,
    cluster_traits,
    clusters_of,
    column_traits,
    measure_traits,
)
from grasp_psonet.errors import StageError
from grasp_psonet.tables.columns import (
    KEY,
    NEAR_DUPLICATE_OF,
    PATH,
    PATIENT_ID,
    PHOTO_ID,
    SPLIT,
    VIEW,
    VISIT_ID,
)

STRATUM = "stratum"  # class by Reader 1, a number from 0
_NO_TRAITS = (PHOTO_ID, VISIT_ID, PATIENT_ID, PATH, KEY, SPLIT)
_NEAR_DUPLICATE = "near-duplicate of another photo of its visit"


@dataclass(frozen=True, eq=False)
class DescribedPhotos:
    """``table``: one row per photo of train and val in the order of ids, with visit, patient, split, stratum, view and the
    columns of both tables; ``measures`` and ``feature_PF`` (None without features) in the same order. Of a test visit nothing
    is looked at.
    """

    table: pd.DataFrame
    columns: tuple[str, ...]
    measures: dict[str, Floats]
    feature_PF: Floats | None = None

    @property
    def photo_ids(self) -> NDArray[np.object_]:
        return self.table[PHOTO_ID].to_numpy(dtype=object)

    @property
    def is_train(self) -> NDArray[np.bool]:
        """Whether each photo [P] is of the train split; the others are of validation."""
        return (self.table[SPLIT] == "train").to_numpy(np.bool)

    @property
    def view(self) -> NDArray[np.int64]:
        """Codes of the views [P]; photos whose view is not told are of one view."""
        return _codes(self.table[VIEW].astype("string").fillna(""))

    @property
    def label(self) -> NDArray[np.int64]:
        """The class of each photo's visit [P], a number from 0."""
        return self.table[STRATUM].to_numpy(np.int64)

    def flagged(self, photo_ids: Sequence[str]) -> Photos:
        """The photos with these training photos flagged. Raises StageError for an id that is none."""
        is_flagged_P = np.isin(self.photo_ids, np.asarray(list(photo_ids), dtype=object)) & self.is_train
        if is_flagged_P.sum() != len(set(photo_ids)):
            unknown = sorted(set(photo_ids) - set(self.photo_ids[is_flagged_P]))
            raise StageError(
                f"{len(unknown)} flagged photos are no training photos, first {unknown[0]}\n  next: prune again"
            )
        visit_P, patient_P = (_codes(self.table[name]) for name in (VISIT_ID, PATIENT_ID))
        return Photos(is_flagged_P, self.label, self.view, visit_P, patient_P)


def describe(
    photos: pd.DataFrame,
    visits: pd.DataFrame,
    outcome: Outcome,
    quality: pd.DataFrame | None = None,
    features: tuple[pd.DataFrame, Floats] | None = None,
) -> DescribedPhotos:
    """Puts the tables of a study together. ``quality``: the index of the photo store; ``features``: photo_id and the vectors
    [P, F] in its order. Raises StageError where one of them lacks a photo.
    """
    visits = visits[visits[SPLIT].isin(["train", "val"])]
    left_out = outcome.own_columns
    told_twice = [name for name in photos.columns if name in visits.columns and name != VISIT_ID]
    table = photos[photos[VISIT_ID].isin(visits[VISIT_ID])].sort_values(PHOTO_ID).reset_index(drop=True)
    table = table.merge(visits.drop(columns=told_twice), on=VISIT_ID, how="left", validate="m:1")
    table[STRATUM] = table[outcome.label_column].map(outcome.stratum_of).astype(np.int64)
    if VIEW not in table:
        table[VIEW] = pd.Series(pd.NA, index=table.index, dtype="string")
    columns = [name for name in table.columns if name not in (*_NO_TRAITS, *left_out, STRATUM)]
    measures: dict[str, Floats] = {}
    if quality is not None:
        told = _in_order(quality, table[PHOTO_ID], "the photo store")
        measures = {name: told[name].to_numpy(np.float64) for name in MEASURES if name in told}
        table[_NEAR_DUPLICATE] = np.where(told[NEAR_DUPLICATE_OF].isna(), "no", "yes")
        columns.append(_NEAR_DUPLICATE)
    feature_PF = None
    if features is not None:
        index, vector_PF = features
        places = pd.Series(np.arange(len(index)), index=index[PHOTO_ID].to_numpy(dtype=object), name=PHOTO_ID)
        rows = _in_order(places.rename("row").rename_axis(PHOTO_ID).reset_index(), table[PHOTO_ID], "the feature store")
        feature_PF = np.asarray(vector_PF[rows["row"].to_numpy(np.int64)], dtype=np.float64)
    return DescribedPhotos(table, tuple(columns), measures, feature_PF)


def traits_of(described: DescribedPhotos, num_clusters: int, seed: int) -> list[Trait]:
    """Every trait of the photos: measures, columns, clusters of features (``num_clusters`` of them; 0 for none)."""
    view_P = described.view
    traits: list[Trait] = []
    for name, measure_P in described.measures.items():
        traits += measure_traits(name, measure_P, view_P)
    for name in described.columns:
        traits += column_traits(name, described.table[name], view_P)
    if described.feature_PF is not None and num_clusters:
        cluster_P = clusters_of(described.feature_PF, view_P, num_clusters, seed)
        traits += cluster_traits(cluster_P, described.measures, view_P)
    return traits


def _in_order(table: pd.DataFrame, photo_ids: "pd.Series[str]", where: str) -> pd.DataFrame:
    found = table.set_index(PHOTO_ID).reindex(photo_ids)
    absent = photo_ids[~photo_ids.isin(table[PHOTO_ID])]
    if len(absent):
        raise StageError(
            f"{where} lacks {len(absent)} of {len(photo_ids)} photos, first {absent.iloc[0]}\n  next: `grasp run`"
        )
    return found


def _codes(values: "pd.Series[str]") -> NDArray[np.int64]:
    return pd.factorize(values, sort=True)[0].astype(np.int64)
