"""Parquet files as raw tables. Rows are counted as a spreadsheet would show them: the names of the columns are row 1."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from grasp_psonet.cohort.sources.raw import RawTable, unreadable, with_size_of

_MOST_ROWS = 20_000_000
_PLAIN = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_date,
    pa.types.is_timestamp,
    pa.types.is_decimal,
    pa.types.is_null,
)


def read_parquet(path: Path) -> RawTable:
    """The table in a Parquet file; missing values are empty cells. Raises nothing that a file can cause."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if (refused := with_size_of([str(name) for name in schema.names], path.name)) is not None:
                return refused
            if file.metadata.num_rows > _MOST_ROWS:
                return unreadable(path.name, f"{file.metadata.num_rows} rows; a table has at most {_MOST_ROWS}")
            kept = [field.name for field in schema if not field.name.startswith("__index_level_")]
            nested = [field.name for field in schema if not any(is_kind(_value_type(field.type)) for is_kind in _PLAIN)]
            if nested:
                return unreadable(
                    path.name, f"column {nested[0]!r} holds {schema.field(nested[0]).type}; wanted plain values"
                )
            table = file.read().select([schema.names.index(name) for name in kept])
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0].removesuffix(".") or type(error).__name__
        return unreadable(path.name, f"cannot be read as a Parquet file ({reason[:120]})")
    columns = tuple([_cell(value) for value in column.to_pylist()] for column in table.columns)
    rows = [place for place, cells in enumerate(zip(*columns, strict=True)) if any(cell != "" for cell in cells)]
    if len(rows) < table.num_rows:
        columns = tuple([column[place] for place in rows] for column in columns)
    header = tuple(str(name).strip() for name in table.column_names)
    return RawTable(path.name, header, columns, tuple(place + 2 for place in rows))


def _value_type(kind: Any) -> Any:
    """Of a column that lists its values once, their type."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return value.date() if isinstance(value, datetime) else value
