"""The groups a figure is stated for: everyone, skin types, and any column of the visits table."""

import difflib
from collections.abc import Iterator, Sequence

import pandas as pd

from grasp_psonet.errors import EvidenceError
from grasp_psonet.tables.columns import FITZPATRICK

TYPES = ("I", "II", "III", "IV", "V", "VI")
NOT_RECORDED = "not recorded"
_MOST_VALUES = 8  # a numeric column with more different values is cut at its quartiles


def groups_of(visits: pd.DataFrame, subgroups: Sequence[str]) -> Iterator[tuple[str, str, "pd.Series[bool]"]]:
    """(group_column, group, is_member per row of ``visits``): all; Fitzpatrick I-III, IV-VI, each type; each subgroup.

    All six types appear even where nobody has them, so that "not estimable" can be read. Numeric columns with more
    than 8 different values are cut at their quartiles over ``visits``. Raises EvidenceError on an unknown column.
    """
    yield "all", "all", pd.Series(True, index=visits.index)
    if FITZPATRICK in visits:
        kind = _as_text(visits[FITZPATRICK])
        yield "fitzpatrick", "I-III", kind.isin(TYPES[:3])
        yield "fitzpatrick", "IV-VI", kind.isin(TYPES[3:])
        yield from (("fitzpatrick", group, kind == group) for group in TYPES)
        if (kind == NOT_RECORDED).any():
            yield "fitzpatrick", NOT_RECORDED, kind == NOT_RECORDED
    for column in subgroups:
        if column == "fitzpatrick":
            continue
        text = group_names(visits, column)
        yield from ((column, group, text == group) for group in dict.fromkeys(_in_order(visits, column, text)))


def group_names(visits: pd.DataFrame, column: str) -> "pd.Series[str]":
    """The name of each row's group; missing values are the group "not recorded". Raises EvidenceError."""
    if column not in visits:
        near = difflib.get_close_matches(column, [str(name) for name in visits.columns], n=1, cutoff=0.5)
        raise EvidenceError(
            f"evaluate.subgroups names {column!r}, which visits.csv does not have"
            + (f"; did you mean {near[0]!r}?" if near else "")
            + f"\n  next: choose among {', '.join(sorted(str(name) for name in visits.columns))}"
        )
    values = visits[column]
    if pd.api.types.is_string_dtype(values):  # further columns are read as text
        numbers = pd.to_numeric(values, errors="coerce")
        values = numbers if numbers.notna().equals(values.notna()) else values
    if (
        pd.api.types.is_numeric_dtype(values)
        and not pd.api.types.is_bool_dtype(values)
        and values.nunique() > _MOST_VALUES
    ):
        return _as_text(pd.qcut(values.astype("Float64").astype(float), 4, duplicates="drop"))
    return _as_text(values)


def _in_order(visits: pd.DataFrame, column: str, text: "pd.Series[str]") -> list[str]:
    """Names sorted by the value they stand for, "not recorded" last."""
    order = visits[column].astype(str) if visits[column].dtype == object else visits[column]
    return list(text.loc[order.sort_values(kind="stable", na_position="last").index])


def _as_text(values: "pd.Series[str]") -> "pd.Series[str]":
    return values.astype(object).where(values.notna(), NOT_RECORDED).astype(str)
