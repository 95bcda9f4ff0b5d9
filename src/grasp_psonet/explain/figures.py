"""What the maps of a study say together: means over photos with intervals over patients, before and after pruning."""

# Axes: R replicates, V photos.

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.evidence.intervals import Floats, figure, resample_patients
from grasp_psonet.evidence.settings import IntervalRule
from grasp_psonet.tables.columns import (
    AGAINST,
    BACKGROUND_AREA,
    BACKGROUND_SHARE,
    DELETION,
    DELETION_GAIN,
    DELETION_RANDOM,
    INSERTION,
    INSERTION_GAIN,
    INSERTION_RANDOM,
    METHOD,
    METRIC,
    NUM_LEFT_OUT,
    NUM_PHOTOS,
    NUM_VISITS,
    PHOTO_ID,
    PLAQUE_AREA,
    PLAQUE_SHARE,
    REASON,
    RUN,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.explain import MAP_FIGURES

NO_MASK = "no mask of the plaques is known"
NO_HEAT = "no map has heat"
NOT_MEASURED = "no map has heat, or explain.random_orders is 0"
_COMPARED = (PLAQUE_SHARE, BACKGROUND_SHARE, DELETION_GAIN, INSERTION_GAIN)
_AREA_OF = {PLAQUE_AREA: PLAQUE_SHARE, BACKGROUND_AREA: BACKGROUND_SHARE}
_MASKED = (PLAQUE_SHARE, BACKGROUND_SHARE, PLAQUE_AREA, BACKGROUND_AREA)
_KEY = [REASON, VISIT_ID, PHOTO_ID]
_HAS_MASK = "has_mask"


@dataclass(frozen=True)
class Resampling:
    """How the intervals are made: bootstrap replicates, rule, and the seed that draws patients."""

    replicates: int
    rule: IntervalRule
    seed: int


def map_figures(
    maps: pd.DataFrame, faithfulness: pd.DataFrame, patient_of: Mapping[str, str], how: Resampling
) -> pd.DataFrame:
    """The table ``tables.explain.MAP_FIGURES``. The run of the first map is the one that others are compared with.

    ``maps`` and ``faithfulness`` as the tables of these names, ``patient_of``: the patient of every visit. A figure of a run is
    the mean over the photos whose map has heat; a comparison is the mean of the paired differences over the photos whose maps
    both have. Whole patients are drawn for the intervals.
    """
    table = _with_gains(maps[maps[METHOD].notna()], faithfulness)
    rows: list[dict[str, Any]] = []
    for reason in ("all", *dict.fromkeys(table[REASON])):
        of_reason = table if reason == "all" else table[table[REASON] == reason]
        for method, of_method in of_reason.groupby(METHOD, sort=False):
            for place, value_V in _figures(of_method):
                why_not = _why_not(place[METRIC], of_method)
                rows.append({REASON: reason, METHOD: method} | place | _estimate(value_V, why_not, patient_of, how))
    return pd.DataFrame(rows, columns=MAP_FIGURES.names)


def _with_gains(maps: pd.DataFrame, faithfulness: pd.DataFrame) -> pd.DataFrame:
    """The maps with what they gain on random order; areas only where there is a share to hold them against."""
    keys = [*_KEY, RUN, METHOD]
    table = maps.merge(faithfulness, on=keys, how="left", validate="one_to_one")
    table[DELETION_GAIN] = table[DELETION_RANDOM] - table[DELETION]
    table[INSERTION_GAIN] = table[INSERTION] - table[INSERTION_RANDOM]
    table[_HAS_MASK] = table[PLAQUE_AREA].notna()
    for area, share in _AREA_OF.items():
        table[area] = table[area].where(table[share].notna())
    return table


def _figures(of_method: pd.DataFrame) -> "Iterator[tuple[dict[str, str], pd.Series[float]]]":
    """Run, run compared with, metric; and the value of every photo (missing where it has none), by reason, visit and photo."""
    runs = list(dict.fromkeys(of_method[RUN]))
    for metric in (*_COMPARED, *_AREA_OF):
        by_run = {run: rows.set_index(_KEY)[metric].astype(float) for run, rows in of_method.groupby(RUN, sort=False)}
        for run in runs:
            yield {RUN: run, AGAINST: "", METRIC: metric}, by_run[run]
        for run in runs[1:] if metric in _COMPARED else ():
            yield {RUN: run, AGAINST: runs[0], METRIC: metric}, by_run[run] - by_run[runs[0]]


def _estimate(
    value_V: "pd.Series[float]", why_not: str, patient_of: Mapping[str, str], how: Resampling
) -> dict[str, Any]:
    known_V = value_V.dropna()
    values = known_V.to_numpy()

    def mean(weight_RV: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # a replicate without a photo has no mean
            mean_R: Floats = weight_RV @ values / weight_RV.sum(axis=1)
        return mean_R

    patients = [patient_of[visit_id] for visit_id in known_V.index.get_level_values(VISIT_ID)]
    resamples = resample_patients(patients, how.replicates, "maps", how.seed)
    numbers = asdict(figure(mean, resamples, how.rule, why_not))
    return numbers | {NUM_PHOTOS: numbers.pop(NUM_VISITS), NUM_LEFT_OUT: len(value_V) - len(known_V)}


def _why_not(metric: str, of_method: pd.DataFrame) -> str:
    """Why this figure does not exist, should it not."""
    if metric not in _MASKED:
        return NOT_MEASURED
    return NO_HEAT if of_method[_HAS_MASK].any() else NO_MASK
