"""The feature store: the vectors of every photo of a study in one memory-mapped file, with an index beside it."""

# Axes: P photos (instances), V variants (0: as it is, from 1: augmented), F feature length, N photos asked for.

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.errors import StageError
from grasp_psonet.tables.columns import ROW, VISIT_ID
from grasp_psonet.tables.schemas.store import FEATURE_INDEX

VECTORS_FILE = "features.npy"
INDEX_FILE = "index.parquet"
CARD_FILE = "encoder.json"


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """``vectors`` [P, 1 + variants, F] float32, read from disk as they are used; ``index`` one row per photo in that order:
    row, photo_id, visit_id, view.

    Variant 0 is the photo as it is, 1 and up are its augmentations. To a batch it is a store of photos like any other
    (``bags.bag.Vectors``).
    """

    vectors: NDArray[Any]
    index: pd.DataFrame

    @property
    def num_variants(self) -> int:
        """Augmentations of each photo; 0 where training sees photos as they are."""
        return int(self.vectors.shape[1]) - 1

    @property
    def feature_length(self) -> int:
        return int(self.vectors.shape[2])

    def __getitem__(self, row: int) -> NDArray[Any]:
        """The feature [F] of one photo as it is."""
        return np.asarray(self.vectors[row, 0])

    def gather(self, rows: Sequence[int], variants: Sequence[int] | None = None) -> NDArray[Any]:
        """The features [N, F] of these rows, each of its variant (default: as it is)."""
        return np.asarray(self.vectors[list(rows), 0 if variants is None else list(variants)])

    def means(self, visit_ids: Sequence[str], normed: bool = False) -> NDArray[np.float64]:
        """The mean feature [visits, F] of all photos of each of these visits, as they are; ``normed``: of their features
        less their own mean and scaled to length 1 (``network.feature_norm: unit_length``).
        """
        read = unit_length if normed else np.asarray
        return np.stack(
            [read(self.vectors[self._rows_of_visit[visit_id], 0]).mean(axis=0, dtype=float) for visit_id in visit_ids]
        )

    @cached_property
    def _rows_of_visit(self) -> dict[str, NDArray[np.int64]]:
        return {str(visit_id): rows.to_numpy() for visit_id, rows in self.index.groupby(VISIT_ID, sort=False)[ROW]}


def unit_length(feature_NF: NDArray[Any]) -> NDArray[np.float64]:
    """Each feature [N, F] less its own mean and scaled to length 1; one that is constant becomes 0."""
    centred_NF = feature_NF - feature_NF.mean(axis=1, keepdims=True, dtype=float)
    length_N1 = np.linalg.norm(centred_NF, axis=1, keepdims=True)
    normed_NF: NDArray[np.float64] = centred_NF / np.maximum(length_N1, 1e-12)
    return normed_NF


def open_features(folder: Path) -> FeatureStore:
    """The store in ``folder``. Raises StageError where a file is missing or the two do not belong together."""
    index = FEATURE_INDEX.read(folder / INDEX_FILE)
    try:
        vectors = np.load(folder / VECTORS_FILE, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise StageError(f"{folder} holds no complete feature store: {error}\n  next: `grasp features`") from None
    if vectors.dtype != np.float32 or vectors.ndim != 3 or len(vectors) != len(index):
        raise StageError(
            f"{folder} does not fit together: {INDEX_FILE} has {len(index)} photos, {VECTORS_FILE} is {vectors.dtype}"
            f" {list(vectors.shape)}\n  next: remove the folder and run `grasp features`"
        )
    return FeatureStore(np.asarray(vectors), index)  # still the map, without what numpy's own class costs at each look
