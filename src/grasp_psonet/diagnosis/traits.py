"""Traits: what a photo has or has not. Tails of a measure, values of a column, clusters of features.

Axes: P photos, F features.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from grasp_psonet.chance import seed_of
from grasp_psonet.tables.columns import (
    BRIGHTNESS,
    CAST_RED_GREEN,
    CAST_YELLOW_BLUE,
    CONTRAST,
    HEIGHT_PX,
    SHARPNESS,
    WIDTH_PX,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool]
Kind = Literal["measure", "column", "cluster"]

MEASURES = (BRIGHTNESS, CONTRAST, SHARPNESS, CAST_RED_GREEN, CAST_YELLOW_BLUE, WIDTH_PX, HEIGHT_PX)
CLUSTER, HIGH_TAIL, LOW_TAIL, NOT_RECORDED = "cluster", "high", "low", "not recorded"
TAIL = 0.1
"""Share of the photos of a view that is called the high, or the low, tail of a measure."""
_MOST_VALUES = 30  # of a column: more are names of things, not conditions
_FEW_NUMBERS = 10  # different numbers in a column that are compared one by one, not as a measure
_LEAST_CARRIERS = 5
_MOST_DIMENSIONS = 32

_ADJECTIVES = {
    BRIGHTNESS: ("dark", "bright"),
    CONTRAST: ("flat in contrast", "harsh in contrast"),
    SHARPNESS: ("blurred", "sharp or finely textured"),
    CAST_RED_GREEN: ("greenish", "reddish"),
    CAST_YELLOW_BLUE: ("bluish", "yellowish"),
    WIDTH_PX: ("narrow", "wide"),
    HEIGHT_PX: ("low", "tall"),
}


@dataclass(frozen=True, eq=False)
class Trait:
    """``has_P``: the photos that have it. ``name`` is the measure, the column or ``cluster``, ``value`` the tail (high, low),
    the column's value or the cluster's number. ``words`` end the sentence "flagged photos are 3 times as often ...".

    ``measure_P``: the measure itself, NaN where it is not known; None unless it is one.
    """

    kind: Kind
    name: str
    value: str
    words: str
    has_P: Bools
    measure_P: Floats | None = None


def measure_traits(name: str, measure_P: Floats, view_P: NDArray[np.int64]) -> list[Trait]:
    """Both tails of a measure within each view; none where it does not vary. A photo without the measure has neither.

    A tail holds the photos at or beyond the quantile ``TAIL`` of their view, but none that lies at the view's median: where
    more than half of the photos have one value, that value is no tail.
    """
    low_P, high_P = np.zeros(len(measure_P), dtype=np.bool), np.zeros(len(measure_P), dtype=np.bool)
    for view in np.unique(view_P):
        rows = np.flatnonzero((view_P == view) & np.isfinite(measure_P))
        if not len(rows):
            continue
        values = measure_P[rows]
        least, middle, most = np.quantile(values, [TAIL, 0.5, 1 - TAIL])
        low_P[rows] = (values <= least) & (values < middle)
        high_P[rows] = (values >= most) & (values > middle)
    low, high = _ADJECTIVES.get(name, (f"low in {name}", f"high in {name}"))
    share = f"{100 * TAIL:.0f} %"
    return _common(
        [
            Trait("measure", name, LOW_TAIL, f"{low} (lowest {share} of {name} in their view)", low_P, measure_P),
            Trait("measure", name, HIGH_TAIL, f"{high} (highest {share} of {name} in their view)", high_P, measure_P),
        ]
    )


def column_traits(name: str, values: "pd.Series[str]", view_P: NDArray[np.int64]) -> list[Trait]:
    """One trait per value of a column of text; of a column of many different numbers the two tails.

    Missing values are the value "not recorded". None of a column with one value, or with so many that they are names.
    """
    numbers = pd.to_numeric(values, errors="coerce")
    is_number = bool(values.notna().any()) and bool((numbers.notna() == values.notna()).all())
    if is_number and numbers.nunique() > _FEW_NUMBERS:
        return measure_traits(name, numbers.to_numpy(dtype=np.float64, na_value=np.nan), view_P)
    told = values.astype("string").fillna(NOT_RECORDED)
    known = sorted(told.unique())
    if not 1 < len(known) <= _MOST_VALUES:
        return []
    return _common(
        [Trait("column", name, value, f"with {name} {value}", (told == value).to_numpy(np.bool)) for value in known]
    )


def cluster_traits(
    cluster_P: NDArray[np.int64], measures: Mapping[str, Floats], view_P: NDArray[np.int64]
) -> list[Trait]:
    """One trait per cluster (-1: in none), told by the measure in which it is furthest from other photos of the same view."""
    z = {name: _within_view(measure_P, view_P) for name, measure_P in measures.items()}
    traits = []
    for cluster in sorted(set(cluster_P.tolist()) - {-1}):
        has_P = cluster_P == cluster
        words = f"in cluster {cluster} of the features{_told_by(z, has_P)}"
        traits.append(Trait("cluster", CLUSTER, str(cluster), words, has_P))
    return _common(traits)


def clusters_of(feature_PF: Floats, view_P: NDArray[np.int64], num_clusters: int, seed: int) -> NDArray[np.int64]:
    """The cluster [P] of every photo: k-means (k-means++ starts, best of 4) on the 32 leading principal components of features
    less the mean of their view, since a body part would else be most of what is found."""
    centred_PF = np.array(feature_PF, dtype=np.float64)
    for view in np.unique(view_P):
        centred_PF[view_P == view] -= centred_PF[view_P == view].mean(axis=0)
    num_clusters = min(num_clusters, len(np.unique(centred_PF, axis=0)))
    if num_clusters < 2:
        return np.zeros(len(feature_PF), dtype=np.int64)
    with threadpool_limits(1):  # sums over threads come in an order that depends on their number
        value_F, vector_FF = np.linalg.eigh(centred_PF.T @ centred_PF)
        leading = np.argsort(-value_F, kind="stable")[:_MOST_DIMENSIONS]
        found = KMeans(num_clusters, n_init=4, random_state=seed_of("clusters", seed) % 2**32).fit(
            centred_PF @ vector_FF[:, leading]
        )
    return np.asarray(found.labels_, dtype=np.int64)


def _common(traits: Iterable[Trait]) -> list[Trait]:
    """Those that some photos have and some have not."""
    return [trait for trait in traits if _LEAST_CARRIERS <= trait.has_P.sum() <= len(trait.has_P) - _LEAST_CARRIERS]


def _within_view(measure_P: Floats, view_P: NDArray[np.int64]) -> Floats:
    z_P = np.full(len(measure_P), np.nan)
    for view in np.unique(view_P):
        rows = np.flatnonzero((view_P == view) & np.isfinite(measure_P))
        if len(rows) > 1 and (spread := measure_P[rows].std()) > 0:
            z_P[rows] = (measure_P[rows] - measure_P[rows].mean()) / spread
    return z_P


def _told_by(z: Mapping[str, Floats], has_P: Bools) -> str:
    """The measure in which photos differ most from the others, in words; empty where none is told apart."""
    apart = {
        name: float(z_P[has_P & np.isfinite(z_P)].mean() - z_P[~has_P & np.isfinite(z_P)].mean())
        for name, z_P in z.items()
        if np.isfinite(z_P[has_P]).any() and np.isfinite(z_P[~has_P]).any()
    }
    if not apart:
        return ""
    name = max(apart, key=lambda one: abs(apart[one]))
    adjective = _ADJECTIVES.get(name, (f"low in {name}", f"high in {name}"))[apart[name] > 0]
    return f" (most of all {adjective}: {name} {apart[name]:+.1f} standard deviations)"
