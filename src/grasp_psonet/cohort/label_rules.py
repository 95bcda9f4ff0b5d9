"""A visit's training label from all of its readings, by rule: Reader 1's, a majority, a median, an adjudicator's, one person's.

Axes: M readings of one visit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import ADJUDICATED, MAJORITY, MEDIAN, READER1, READER_PREFIX, READERS
from grasp_psonet.tables.columns import (
    DATE,
    LABEL,
    NOT_ASSESSABLE,
    READER1_ID,
    READER2_ID,
    READER_ID,
    REPEAT,
    ROLE,
    SCORE,
    VERSION,
    VISIT_ID,
)

PLACE = "place"  # 1 for the reading of Reader 1 of a visit, 2 for that of Reader 2, and so on; missing for others
READER_ROLE, ADJUDICATOR = "reader", "adjudicator"
ROLES = (READER_ROLE, ADJUDICATOR)
ALL_READINGS = (VISIT_ID, READER_ID, PLACE, ROLE, DATE, SCORE, LABEL)


@dataclass(frozen=True)
class VisitReadings:
    """The readings of one visit, each reader once: names, roles, scores [M] (NaN without one), labels [M].

    ``is_ranked``: they stand in the order of trust, Reader 1 first, so that a tie goes to the first.
    """

    readers: tuple[str, ...]
    roles: tuple[str, ...]
    score_M: tuple[float, ...]
    label_M: tuple[float, ...]
    is_ranked: bool = True


Rule = Callable[[VisitReadings, Outcome], float | None]


def all_readings(visits: pd.DataFrame, further: pd.DataFrame | None, outcome: Outcome) -> pd.DataFrame:
    """Every reading of the study, each reader of a visit once: the columns ``ALL_READINGS``.

    ``visits`` has both readers' labels and scores (where the scale has them); a reader without a name there is called
    reader1 or reader2. ``further``: the readings of a table of their own (``Cohort.readings``); of these, what Reader 1 and
    Reader 2 said stands with the visits. Sorted by visit in the order of ``visits``, then by place.
    """
    parts = [_of_place(visits, outcome, number) for number in (0, 1)]
    if further is not None and len(further):
        others = further[~further[PLACE].isin([1, 2]).fillna(False).to_numpy(bool)]
        label, score = outcome.label_columns[0], outcome.score_columns[:1]
        parts.append(
            pd.DataFrame(
                {
                    VISIT_ID: others[VISIT_ID].astype("string"),
                    READER_ID: others[READER_ID].astype("string"),
                    PLACE: others[PLACE].astype("Int64"),
                    ROLE: others.get(ROLE, pd.Series(READER_ROLE, index=others.index)).astype("string"),
                    DATE: others[DATE].astype(object),
                    SCORE: others[score[0]].astype("Float64") if score and score[0] in others else np.nan,
                    LABEL: others[label].astype("Float64"),
                }
            )
        )
    found = pd.concat([part.astype({SCORE: "Float64"}) for part in parts], ignore_index=True)
    found = found[found[LABEL].notna()]
    order = dict(zip(visits[VISIT_ID], range(len(visits)), strict=True))
    found = found.assign(row=found[VISIT_ID].map(order), by=found[PLACE].fillna(np.iinfo(np.int32).max))
    found = found.sort_values(["row", "by"], kind="stable").drop_duplicates([VISIT_ID, READER_ID])
    return found[list(ALL_READINGS)].reset_index(drop=True)


def _of_place(visits: pd.DataFrame, outcome: Outcome, number: int) -> pd.DataFrame:
    """The readings of Reader 1 (number 0) or Reader 2 (1) of each visit."""
    told = visits.get((READER1_ID, READER2_ID)[number], pd.Series(None, index=visits.index, dtype="string"))
    score = outcome.score_columns[number : number + 1]
    return pd.DataFrame(
        {
            VISIT_ID: visits[VISIT_ID].astype("string"),
            READER_ID: told.astype("string").fillna(READERS[number]),
            PLACE: pd.Series(number + 1, index=visits.index, dtype="Int64"),
            ROLE: pd.Series(READER_ROLE, index=visits.index, dtype="string"),
            DATE: pd.Series(None, index=visits.index, dtype=object),
            SCORE: visits[score[0]].astype("Float64") if score and score[0] in visits else np.nan,
            LABEL: visits[outcome.label_columns[number]].astype("Float64"),
        }
    )


def counted(readings: pd.DataFrame) -> pd.Index:
    """The rows that count: of each reader of a visit the last reading by its date, then its version, then its row.

    Hidden repeats do not count, nor does a visit that a reader could not assess.
    """
    rows = readings
    rows = rows[~rows[REPEAT].fillna(False).astype(bool)] if REPEAT in rows else rows
    rows = rows[rows[NOT_ASSESSABLE].isna()] if NOT_ASSESSABLE in rows else rows
    by = pd.DataFrame({"day": pd.to_datetime(rows[DATE]) if DATE in rows else pd.NaT}, index=rows.index)
    by["version"] = rows[VERSION].astype("Float64").astype(float) if VERSION in rows else np.nan
    rows = rows.loc[by.sort_values(["day", "version"], kind="stable", na_position="first").index]
    return rows.drop_duplicates([VISIT_ID, READER_ID], keep="last").sort_index().index


def labels_by_rule(readings: pd.DataFrame, rule: str, outcome: Outcome) -> "pd.Series[Any]":
    """The label of each visit (its index) that was read; missing where the rule gives none, as where the named reader did not
    read the visit. ``readings``: columns ``ALL_READINGS``, each reader of a visit once.
    """
    decide = rule_of(rule)
    found = {
        str(visit_id): decide(_as_value(group), outcome) for visit_id, group in readings.groupby(VISIT_ID, sort=False)
    }
    return outcome.as_labels(pd.Series(pd.array(list(found.values()), dtype="Float64"), index=list(found)))


def adjudicated_labels(visits: pd.DataFrame, readings: pd.DataFrame, outcome: Outcome) -> "pd.Series[Any]":
    """The label that settled what readers differ about, by visit (its index).

    It is the adjudicator's; of a visit on which Reader 1 and Reader 2 do not differ (``Outcome.readers_disagree``) that of the
    median reading. Missing where they differ and nobody adjudicated, and where one of them did not read. ``readings``: columns
    ``ALL_READINGS``, each reader of a visit once.
    """
    is_alike = (~outcome.readers_disagree(visits)).fillna(False).to_numpy(bool)
    decided = readings.loc[readings[ROLE] == ADJUDICATOR, VISIT_ID]
    known = set(visits.loc[is_alike, VISIT_ID]) | set(decided)
    return labels_by_rule(readings[readings[VISIT_ID].isin(known)], ADJUDICATED, outcome)


def rule_of(name: str) -> Rule:
    """The rule of this name (``severity.training_label``)."""
    if name.startswith(READER_PREFIX):
        wanted = name.removeprefix(READER_PREFIX)
        return lambda visit, _: next(
            (label for reader, label in zip(visit.readers, visit.label_M, strict=True) if reader == wanted), None
        )
    return RULES[name]


def _as_value(group: pd.DataFrame) -> VisitReadings:
    return VisitReadings(
        tuple(map(str, group[READER_ID])),
        tuple(map(str, group[ROLE])),
        tuple(map(float, group[SCORE].astype("Float64").fillna(np.nan).to_numpy(dtype=float, na_value=np.nan))),
        tuple(map(float, group[LABEL])),
        bool(group[PLACE].notna().iloc[0]),
    )


def _first(visit: VisitReadings, _: Outcome) -> float | None:
    return visit.label_M[0] if visit.is_ranked else None


def majority(visit: VisitReadings, _: Outcome) -> float | None:
    """The label given most often; of several, the one nearest to the median of all, then as ``_nearest``."""
    counts = {label: visit.label_M.count(label) for label in visit.label_M}
    return _nearest(visit, [label for label, count in counts.items() if count == max(counts.values())])


def median(visit: VisitReadings, outcome: Outcome) -> float | None:
    """The label of the median score, where every reading has a score; else the median of the labels, and where that lies
    between two classes as ``_nearest``."""
    if outcome.score_columns and not np.isnan(visit.score_M).any():
        return outcome.label_of_score(float(np.median(visit.score_M)))
    return (
        _nearest(visit, list(dict.fromkeys(visit.label_M))) if outcome.is_ordinal else float(np.median(visit.label_M))
    )


def adjudicated(visit: VisitReadings, outcome: Outcome) -> float | None:
    """The adjudicator's label; without one that of the median of the readers."""
    final = [label for role, label in zip(visit.roles, visit.label_M, strict=True) if role == ADJUDICATOR]
    return final[-1] if final else median(visit, outcome)


def _nearest(visit: VisitReadings, labels: list[float]) -> float | None:
    """Of these labels, in the order of the readings, the one nearest to the median of all; of two the first where readings
    stand in an order of trust, else none: the visit is not decided."""
    middle = float(np.median(visit.label_M))
    least = min(abs(label - middle) for label in labels)
    nearest = [label for label in labels if abs(label - middle) == least]
    return nearest[0] if len(nearest) == 1 or visit.is_ranked else None


RULES: Mapping[str, Rule] = {READER1: _first, MAJORITY: majority, MEDIAN: median, ADJUDICATED: adjudicated}
