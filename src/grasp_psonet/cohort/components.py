"""PASI by its parts: grades and area of four regions, from which the total is worked out, or checked where it is told."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.cohort.cells import DECIMAL_WORDS, number_of, parse_score, parsed
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic.pasi import AREA_MAX, GRADE_MAX, PASI_MAX, SUB_SCORES, area_score, pasi_of
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.tables.columns import AREA, AREA_PERCENT
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

_ROUNDING = 0.0501  # totals are told to one decimal


def components_of(outcome: Outcome, suffix: str = "") -> tuple[str, ...]:
    """Columns of the parts of a score, by region: head_erythema and so on; none where the score is not PASI."""
    is_pasi = outcome.scale.score_column is not None and outcome.scale.score_range == (0.0, PASI_MAX)
    return tuple(f"{region}_{part}{suffix}" for region in BODY_REGIONS for part in SUB_SCORES) if is_pasi else ()


def with_total(table: TextTable, outcome: Outcome, suffix: str = "") -> tuple[TextTable, list[Fault]]:
    """The table with the total of a reader's parts, where it has such parts, in rows that tell all sixteen.

    Faults: columns of parts that are missing, parts out of range, a row with some of its parts, and a total that contradicts
    them by more than its rounding.
    """
    names = components_of(outcome, suffix)
    table, faults = _with_areas(table, outcome, suffix)
    there = [name for name in names if name in table.text]
    if not there:
        return table, faults
    column = f"{outcome.scale.score_column}{suffix}"
    lacking = [name for name in names if name not in table.text]
    if lacking and _told_total(table, column).isna().any():
        problem = f"no column {', '.join(map(repr, lacking))} beside {table.title(there[0])!r}"
        return table, [
            *faults,
            Fault(problem, table.name, remedy="PASI takes erythema, induration, desquamation, area of 4 regions"),
        ]
    parts, found = parts_of(table, outcome, suffix)
    faults += found
    wrong = {
        name: [row for fault in found if fault.column == table.title(name) for row in fault.rows] for name in names
    }
    told_wrong = pd.DataFrame({name: parts.index.isin(rows) for name, rows in wrong.items()}, index=parts.index)
    table = replace(table, notes=(*table.notes, *_odd_parts(table, parts, suffix)))
    is_whole = parts.notna().all(axis=1)
    told = _told_total(table, column)
    faults += _of_gaps(table, parts[there], told_wrong[there], told.notna().to_numpy())
    total_V = pasi_of(parts[is_whole].to_numpy().reshape(-1, len(BODY_REGIONS), len(SUB_SCORES)))
    by_parts = pd.Series(np.nan, index=np.arange(len(table.text)))
    by_parts[is_whole.to_numpy()] = total_V
    apart = ((told - by_parts).abs() > _ROUNDING).to_numpy()
    if apart.any():
        faults += _contradictions(table, column, by_parts, apart)
    cells = [
        f"{total:g}".replace(".", table.decimal) if is_new else cell
        for total, is_new, cell in zip(
            by_parts,
            (told.isna() & by_parts.notna()).to_numpy(),
            table.text[column] if column in table.text else [""] * len(told),
            strict=True,
        )
    ]
    titles = dict(table.titles) | ({} if column in table.text else {column: f"{column} by its parts"})
    return _replaced(table, column, cells, titles), faults


def parts_of(table: TextTable, outcome: Outcome, suffix: str = "") -> tuple[pd.DataFrame, list[Fault]]:
    """A reader's parts of each row as numbers, missing where they are not told; with the faults of cells out of range."""
    values, faults = {}, []
    for name in components_of(outcome, suffix):
        is_area = name.removesuffix(suffix).endswith(AREA)
        most = AREA_MAX if is_area else GRADE_MAX
        parse = partial(_whole if is_area else parse_score, least=0, most=most, decimal=table.decimal)
        wanted = f"a {'whole ' if is_area else ''}number from 0 to {most} ({DECIMAL_WORDS[table.decimal]})"
        values[name], found = parsed(table, name, parse, wanted, "float64")
        faults += found
    return pd.DataFrame(values, index=table.text.index), faults


def percents_of(outcome: Outcome, suffix: str = "") -> tuple[str, ...]:
    """Columns of the areas in per cent of a region's skin, which may stand in place of their degrees: head_area_percent."""
    return tuple(f"{region}_{AREA_PERCENT}{suffix}" for region in BODY_REGIONS) if components_of(outcome) else ()


def _with_areas(table: TextTable, outcome: Outcome, suffix: str) -> tuple[TextTable, list[Fault]]:
    """The table with the degree of every area that is told in per cent. Faults: what is no per cent, and a degree beside it
    that says otherwise."""
    faults: list[Fault] = []
    for region, percent in zip(BODY_REGIONS, percents_of(outcome, suffix), strict=False):
        if percent not in table.text:
            continue
        parse = partial(parse_score, least=0, most=100, decimal=table.decimal)
        wanted = f"per cent of the skin, a number from 0 to 100 ({DECIMAL_WORDS[table.decimal]})"
        told, found = parsed(table, percent, parse, wanted, "float64")
        degree = pd.Series([f"{area_score(np.array(value / 100))}" if value >= 0 else "" for value in told], told.index)
        column = f"{region}_{AREA}{suffix}"
        beside = table.text[column] if column in table.text else pd.Series("", table.text.index)
        number = beside.map(partial(number_of, decimal=table.decimal))
        against = (degree != "") & number.notna() & (number != pd.to_numeric(degree))
        problem = f"per cent of the skin, and another degree of area in {table.title(column)}"
        remedy = "0 is none, 1 below 10 %, 2 below 30 %, 3 below 50 %, 4 below 70 %, 5 below 90 %, 6 from there"
        faults += [*found, *value_faults(table, percent, against, problem, remedy)]
        titles = {} if column in table.text else {column: f"{column} by {table.title(percent)}"}
        cells = beside.where(beside != "", degree).tolist()
        table = _replaced(table, column, cells, dict(table.titles) | titles)
    return table, faults


def _replaced(table: TextTable, column: str, cells: list[str], titles: dict[str, str]) -> TextTable:
    text = table.text.assign(**{column: pd.Series(cells, index=table.text.index, dtype=object)})
    return replace(table, text=text, titles=titles)


def _told_total(table: TextTable, column: str) -> "pd.Series[float]":
    """The total where the file has one that can be read; what cannot is told where scores are read."""
    if column not in table.text:
        return pd.Series(np.nan, index=np.arange(len(table.text)))
    parse = partial(parse_score, least=0, most=PASI_MAX, decimal=table.decimal)
    return parsed(table, column, parse, "", "float64")[0].reset_index(drop=True)


def _whole(cell: str, least: float, most: float, decimal: str) -> float | None:
    """A degree of the area, which stands for a range of per cent: there is nothing between two."""
    value = parse_score(cell, least, most, decimal)
    return value if value is not None and value.is_integer() else None


def _odd_parts(table: TextTable, parts: pd.DataFrame, suffix: str) -> list[Fault]:
    """Notes on grades between two whole ones, which PASI does not have, and on regions whose area and grades contradict."""
    notes = []
    for region in BODY_REGIONS:
        area = f"{region}_{AREA}{suffix}"
        grades = [f"{region}_{part}{suffix}" for part in SUB_SCORES if part != AREA]
        if not {area, *grades} <= set(table.text):
            continue
        for name in grades:
            problem = "a grade between two whole ones, which PASI does not have; it is counted as it stands"
            notes += value_faults(table, name, parts[name].mod(1) > 0, problem, "write 0, 1, 2, 3 or 4, or leave it")
        signs = parts[grades].sum(axis=1)
        problem = "area 0 beside signs above 0: the region counts nothing"
        notes += value_faults(table, area, (parts[area] == 0) & (signs > 0), problem, "correct the area, or the signs")
        problem = "an area beside signs that are all 0: the region counts nothing"
        is_bare = (parts[area] > 0) & (signs == 0) & parts[grades].notna().all(axis=1)
        notes += value_faults(table, area, is_bare, problem, "correct the area, or the signs")
    return notes


def _of_gaps(
    table: TextTable, parts: pd.DataFrame, told_wrong: pd.DataFrame, has_total: "np.ndarray[Any, Any]"
) -> list[Fault]:
    """Rows that tell some of their parts and no total: one of the others would be too low. A wrong cell is no gap."""
    is_gap = parts.isna() & ~told_wrong
    has_gap = is_gap.any(axis=1) & ~is_gap.all(axis=1) & ~has_total
    return [
        fault
        for name in parts.columns
        for fault in value_faults(
            table,
            name,
            has_gap & is_gap[name],
            "a part of PASI is missing",
            "fill it, or empty all parts of the row",
        )
    ]


def _contradictions(table: TextTable, column: str, by_parts: "pd.Series[float]", apart: np.ndarray) -> list[Fault]:
    """One fault per total that its parts give."""
    cells = table.text[column][apart]
    totals = by_parts[apart].set_axis(cells.index)
    return [
        Fault(
            f"its parts give {total:g}; correct one of them",
            table.name,
            table.title(column),
            tuple(same.index),
            tuple(cells[(totals == total).to_numpy()]),
        )
        for total, same in totals.groupby(totals, sort=False)
    ]
