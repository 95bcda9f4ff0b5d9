"""Frames that are right by a table's own statement, with every kind of value, missing ones included."""

import numpy as np
import pandas as pd

from grasp_psonet.tables.table import Column, Table

NAMES = {"class": ("mild", "schwer, sehr", "0"), "score": ("pasi",), "figure": ("auc",), "name": ("score",)}


def frame_of(table: Table, num_rows: int, seed: int = 0) -> pd.DataFrame:
    """A frame of this table with its columns spelled out."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({column.name: _values(column, num_rows, rng) for column in table.named(NAMES).columns})


def _values(column: Column, num_rows: int, rng: np.random.Generator) -> pd.Series:
    is_missing = rng.random(num_rows) < 0.3 if column.nullable else np.zeros(num_rows, dtype=bool)
    match ("int64", "float64")[int(rng.integers(2))] if column.dtype == "number" else column.dtype:
        case "text":
            texts = pd.Series([f"é {number}, \u202e\n" for number in rng.integers(0, 99, num_rows)], dtype="str")
            return texts.astype("string").mask(is_missing) if column.nullable else texts
        case "bool":
            truths = pd.Series(rng.random(num_rows) < 0.5, dtype="bool")
            return truths.astype("boolean").mask(is_missing) if column.nullable else truths
        case "int64":
            numbers = pd.Series(rng.integers(-(2**62), 2**62, num_rows), dtype="int64")
            return numbers.astype("Int64").mask(is_missing) if column.nullable else numbers
        case _:
            dtype = {"float": "float32", "number": "float64"}.get(column.dtype, column.dtype)
            return pd.Series(rng.normal(0, 1e6, num_rows).astype(dtype)).mask(is_missing)
