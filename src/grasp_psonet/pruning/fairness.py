"""Whom pruning takes from: the share of each group's training photos that leaves, beside the rest, and what it warns of.

Patients are drawn as in the evaluation (``evidence/intervals.py``). Axes: N weightings, P patients, G groups of a column,
V photos.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.groups import TYPES, group_names
from grasp_psonet.evidence.intervals import Estimate, Floats, Resamples, estimate_of, replicated_of, resample_patients
from grasp_psonet.evidence.settings import EvaluateSettings, IntervalRule
from grasp_psonet.tables.columns import (
    AGE,
    AGE_BAND,
    DEVICE,
    FITZPATRICK,
    GROUP,
    GROUP_COLUMN,
    HIGH,
    INTERVAL,
    KEPT,
    LOW,
    NUM_PATIENTS,
    NUM_PHOTOS,
    NUM_REMOVED,
    OF_REMOVED,
    PATIENT_ID,
    PHOTO_ID,
    RATIO,
    RATIO_HIGH,
    RATIO_LOW,
    SEX,
    SHARE,
    SITE,
    VIEW,
    VISIT_ID,
    WARNING,
    WHY_NOT,
)

LEAST_RATIO = 1.5  # a group that loses half as much again as the rest; less is told in the table and not warned of
LARGEST_CLASS_SHARE = 0.8  # of the removed photos: then pruning took a class, and not what is wrong within it
MIN_REMOVED = 10  # fewer removed photos fall on one group by chance
_COLUMNS = (FITZPATRICK, SEX, AGE, AGE_BAND, SITE, VIEW, DEVICE)


@dataclass(frozen=True)
class _Counts:
    """Training photos of each patient: in each group of a column and, of these, removed."""

    photos_PG: Floats
    removed_PG: Floats


def removal_by_group(
    keep: pd.DataFrame,
    photos: pd.DataFrame,
    visits: pd.DataFrame,
    outcome: Outcome,
    settings: EvaluateSettings,
    seed: int,
) -> pd.DataFrame:
    """One row per group of training photos: how much of it left, beside the rest of its column, and a warning if there is one.

    Groups are those of the outcome's stratum (the class by Reader 1), skin type (each, I-III, IV-VI), sex, age (quartiles),
    age_band, site, view, device and ``settings.subgroups``, as far as ``photos`` or ``visits`` have the column; missing values
    are the group "not recorded", and the rest of a group is everything else. ``keep`` is a keep list. The interval of a share
    is that of ``settings``; the one of a ratio is wider, as wide as so many groups of a column need to be looked at together
    (Bonferroni). A replicate in which nobody loses a photo counts as a ratio of 1.

    A group is warned of where its ratio is at least 1.5 and the interval lies above 1, a class also where more than 80 % of
    the removed photos are of it; neither where fewer than 10 photos leave. Columns: ``tables.evaluation.REMOVAL`` without run.
    """
    table = _with_columns(keep, photos, visits)
    names, patient_V = np.unique(table[PATIENT_ID].astype(str), return_inverse=True)
    resamples = resample_patients(names.tolist(), settings.replicates, seed, "removal")
    is_removed = ~table[KEPT].to_numpy(np.bool)
    whole = _Counts(_sums(patient_V, [np.ones(len(table), dtype=np.bool)]), _sums(patient_V, [is_removed]))
    rows: list[dict[str, object]] = []
    for column, groups in _columns_of(table, outcome, settings.subgroups):
        counts = _Counts(
            _sums(patient_V, [is_member for _, is_member in groups]),
            _sums(patient_V, [is_member & is_removed for _, is_member in groups]),
        )
        looks = _looks(counts, whole, resamples, settings.interval_rule)
        is_class = column == outcome.label_column
        rows += [
            {GROUP_COLUMN: column, GROUP: group} | _row(look, f"{column} {group}", group if is_class else "")
            for (group, _), look in zip(groups, looks, strict=True)
        ]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Look:
    """What a group lost: ``part`` is its share over the sum of its own and the rest's, ratio / (1 + ratio)."""

    photos: int
    removed: int
    removed_in_all: int
    share: Estimate
    part: Estimate


def _looks(counts: _Counts, whole: _Counts, resamples: Resamples, rule: IntervalRule) -> list[_Look]:
    """Of every group of a column. A ratio may be infinite; its part never is, and intervals move with it."""
    photos_NG, removed_NG = (resamples.weightings @ of_PG for of_PG in (counts.photos_PG, counts.removed_PG))
    all_photos_N1, all_removed_N1 = (resamples.weightings @ of_P1 for of_P1 in (whole.photos_PG, whole.removed_PG))
    share_NG = _divided(removed_NG, photos_NG)
    rest_NG = _divided(all_removed_N1 - removed_NG, all_photos_N1 - photos_NG)
    part_NG = np.where(share_NG + rest_NG == 0, 0.5, _divided(share_NG, share_NG + rest_NG))
    num_groups = photos_NG.shape[1]
    wide = IntervalRule(1 - (1 - rule.confidence) / num_groups, rule.method)
    looks = []
    for g in range(num_groups):
        is_in_P = counts.photos_PG[:, g] > 0
        is_beside_P = whole.photos_PG[:, 0] > counts.photos_PG[:, g]
        own = replace(resamples, num_patients=int(is_in_P.sum()))
        fewer = replace(resamples, num_patients=min(int(is_in_P.sum()), int(is_beside_P.sum())))
        estimate = partial(_estimate, counted=resamples)
        looks.append(
            _Look(
                int(photos_NG[0, g]),
                int(removed_NG[0, g]),
                int(all_removed_N1[0, 0]),
                estimate(share_NG[:, g], own, rule, "no photo"),
                estimate(part_NG[:, g], fewer, wide, "no photo outside of this group"),
            )
        )
    return looks


def _estimate(value_N: Floats, of: Resamples, rule: IntervalRule, why_not: str, counted: Resamples) -> Estimate:
    """An estimate that rests on as many patients as ``of`` counts, by the draws of ``counted``."""
    return estimate_of(replicated_of(value_N, counted), of, rule, why_not)


def _row(look: _Look, name: str, class_name: str) -> dict[str, object]:
    """The numbers of a group and what is warned of; ``class_name`` is empty where it is no class."""
    share, part = look.share, look.part
    ratio, ratio_low, ratio_high = (_ratio_of(end) for end in (part.value, part.low, part.high))
    unbounded = "the rest lost no photo" if ratio is not None and math.isinf(ratio) else ""
    return {
        NUM_PHOTOS: look.photos,
        NUM_REMOVED: look.removed,
        SHARE: share.value,
        LOW: share.low,
        HIGH: share.high,
        OF_REMOVED: look.removed / look.removed_in_all if look.removed_in_all else None,
        RATIO: _finite(ratio),
        RATIO_LOW: _finite(ratio_low),
        RATIO_HIGH: _finite(ratio_high),
        NUM_PATIENTS: share.num_patients,
        INTERVAL: part.interval,
        WHY_NOT: unbounded or part.why_not or share.why_not,
        WARNING: _warning(look, name, class_name),
    }


def _warning(look: _Look, name: str, class_name: str) -> str:
    ratio, low, high = (_ratio_of(end) for end in (look.part.value, look.part.low, look.part.high))
    if look.removed_in_all < MIN_REMOVED or ratio is None or ratio < LEAST_RATIO:
        return ""
    of_removed = look.removed / look.removed_in_all
    if class_name and of_removed > LARGEST_CLASS_SHARE:
        return (
            f"{look.removed} of the {look.removed_in_all} removed photos ({100 * of_removed:.0f} %) are {class_name}:"
            " what was removed may be a class, and not what is wrong within it"
        )
    if low is None or low <= 1:
        return ""
    lost = f"{name} loses {look.removed} of {look.photos} training photos ({100 * look.removed / look.photos:.1f} %)"
    if math.isinf(ratio):
        return f"{lost}, the rest none"
    most = "no bound" if high is None or math.isinf(high) else f"{high:.1f}"
    return f"{lost}, {ratio:.1f} times the share of the rest (interval {low:.1f} to {most})"


def _with_columns(keep: pd.DataFrame, photos: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """The training photos with every column of both tables, those of ``photos`` before those of ``visits``."""
    own = photos.drop(columns=VISIT_ID).drop_duplicates(PHOTO_ID)
    table = keep[[PHOTO_ID, VISIT_ID, KEPT]].merge(own, on=PHOTO_ID, how="left", validate="1:1")
    new = [column for column in visits.columns if column not in table or column == VISIT_ID]
    return table.merge(visits[new], on=VISIT_ID, how="left", validate="m:1")


_Group = tuple[str, NDArray[np.bool]]


def _columns_of(table: pd.DataFrame, outcome: Outcome, subgroups: Sequence[str]) -> Iterator[tuple[str, list[_Group]]]:
    """Each column that makes groups, with their names and members; a single group has no rest and is left out."""
    label = table[outcome.label_column].map(outcome.stratum_of, na_action="ignore")
    of_class = [
        (name, (label == stratum).to_numpy(np.bool, na_value=False)) for stratum, name in enumerate(outcome.strata)
    ]
    yield outcome.label_column, [(name, is_member) for name, is_member in of_class if is_member.any()]
    for column in dict.fromkeys((*_COLUMNS, *subgroups)):
        if column not in table or column == outcome.label_column:
            continue
        text = group_names(table, column)
        values = sorted(text.unique())
        groups = [(value, (text == value).to_numpy(np.bool)) for value in values]
        if column == FITZPATRICK:
            halves = {"I-III": TYPES[:3], "IV-VI": TYPES[3:]}
            groups = [(name, text.isin(types).to_numpy(np.bool)) for name, types in halves.items()] + groups
        groups = [(name, is_member) for name, is_member in groups if is_member.any()]
        if len(values) > 1:
            yield column, groups


def _sums(patient_V: NDArray[np.int64], flags: Sequence[NDArray[np.bool]]) -> Floats:
    """How many photos of each patient bear each flag [P, len(flags)]."""
    columns = [np.bincount(patient_V, flag).astype(np.float64) for flag in flags]
    return np.stack(columns, axis=1)


def _divided(top: Floats, bottom: Floats) -> Floats:
    value: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return value


def _ratio_of(part: float | None) -> float | None:
    """The ratio of two shares from the part of the first in their sum; infinite where the second is 0."""
    if part is None:
        return None
    return part / (1 - part) if part < 1 else math.inf


def _finite(value: float | None) -> float:
    """NaN, as a missing number stands in a table, where there is none or it has no bound."""
    return value if value is not None and math.isfinite(value) else math.nan
