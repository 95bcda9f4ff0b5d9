"""A table as a value: where it stands, one row per what, and its columns; written and read through this value alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from grasp_psonet.errors import StageError, TableError
from grasp_psonet.files import write_whole
from grasp_psonet.tables.dtypes import INT, NULLABLE, DType, arrow_type, dtype_of_arrow, dtype_of_series, fits

_PLACE = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Column:
    """One column. A name with a word in angle brackets, ``p_<class>``, stands for one column per class.

    ``unit`` is a unit, a range, or the values that occur. ``nullable``: values may be missing, and ``meaning`` says when.
    ``optional``: the whole column may be absent.
    """

    name: str
    dtype: DType
    meaning: str
    unit: str = ""
    nullable: bool = False
    optional: bool = False

    @property
    def place(self) -> str | None:
        """The word in angle brackets; None for a single column."""
        found = _PLACE.search(self.name)
        return found[1] if found else None

    def matches(self, name: str) -> bool:
        """Whether a column of this name is this one, or one of these."""
        before, bracket, after = self.name.partition(f"<{self.place}>")
        if not bracket:
            return name == self.name
        return name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)


@dataclass(frozen=True)
class Table:
    """``pattern`` is its path from the study folder (a ``*`` for the name of a run, a trace or a keep list) and empty for a
    table that Python hands over; ``row`` says what one row is. Columns stand in this order. ``further`` says what becomes of
    a user's own columns; None where there may be none. ``made_by`` is the command that makes the file anew.
    """

    title: str
    pattern: str
    row: str
    columns: tuple[Column, ...]
    made_by: str = ""
    further: str | None = None

    @property
    def names(self) -> list[str]:
        """The names of its columns, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column | None:
        """The column of this name; a single one goes before one of many."""
        single = self._single.get(name)
        return single or next((column for column in self.columns if column.place and column.matches(name)), None)

    @cached_property
    def _single(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns if column.place is None}

    def named(self, names: Mapping[str, Iterable[object]]) -> "Table":
        """The table with its columns spelled out: names ``{"class": ("mild", "severe")}`` give p_mild and p_severe.

        Words in angle brackets that ``names`` does not have stay as they are.
        """
        columns: list[Column] = []
        for column in self.columns:
            if column.place is None or column.place not in names:
                columns.append(column)
                continue
            spelled = (column.name.replace(f"<{column.place}>", str(name)) for name in names[column.place])
            columns += [replace(column, name=name) for name in spelled]
        return replace(self, columns=tuple(columns))

    def faults(self, frame: pd.DataFrame) -> list[str]:
        """What keeps a frame from being this table: columns missing, unknown or out of order, wrong types, missing values."""
        names = [str(name) for name in frame.columns]
        faults = self._faults_of_names(names)
        if faults:
            return faults
        for name in names:
            column = self.column(name)
            if column is None:
                continue
            found, missing = dtype_of_series(frame[name]), frame[name].isna()
            if not fits(found, column.dtype):
                faults.append(f"{name} is {found}; wanted: {column.dtype}")
            elif missing.any() and not column.nullable:
                first = int(missing.to_numpy().argmax())
                faults.append(f"{name} is missing in {int(missing.sum())} of {len(frame)} rows, first in row {first}")
        return faults

    def write(self, frame: pd.DataFrame, path: Path) -> None:
        """Writes the frame as a parquet file, whole or not at all. Raises TableError listing all that is wrong with it."""
        if faults := self.faults(frame):
            raise TableError(
                f"{path.name} cannot be written as {self.title}\n  "
                + "\n  ".join(faults)
                + "\n  next: give it the columns that docs/data-dictionary.md states"
            )
        table = pa.table({str(name): self._array_of(frame[name]) for name in frame.columns})
        write_whole(path, lambda beside: pq.write_table(table, beside, write_page_checksum=True))

    def read(self, path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The table in this file, or these of its columns; types are those stated here, whoever wrote the file.

        Columns that the table does not know are passed over. Raises StageError where the file is missing, damaged, or
        another table.
        """
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                wanted = self._wanted(file.schema_arrow, columns, path)
                table = file.read(columns=wanted).select(wanted)
                groups = (file.metadata.row_group(index) for index in range(file.num_row_groups))
                if not sum(group.num_rows for group in groups) == file.metadata.num_rows == table.num_rows:
                    raise self._unreadable(path, "its parts tell different numbers of rows")  # no checksum covers them
                return self._frame_of(table, path)
        except FileNotFoundError:
            raise self._unreadable(path, "there is no such file") from None
        except (OSError, ValueError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0].removesuffix(".") or type(error).__name__
            raise self._unreadable(path, f"it is no whole parquet file ({reason})") from None

    def _wanted(self, schema: pa.Schema, columns: Sequence[str] | None, path: Path) -> list[str]:
        """The columns to read. Raises StageError where the file lacks one, or holds another type."""
        known = [name for name in schema.names if self.column(name) is not None]
        names = known if columns is None else list(columns)
        faults = self._faults_of_names(known) if columns is None else []
        for name in [] if faults else names:
            wanted, places = self._known(name).dtype, schema.get_all_field_indices(name)
            holds = dtype_of_arrow(schema.field(places[0]).type) if places else None
            if len(places) != 1:
                faults.append(f"it has {len(places) or 'no'} column {name!r}")
            elif not fits(holds, wanted):
                faults.append(f"{name} is {holds}; wanted: {wanted}")
        if faults:
            raise self._unreadable(path, "; ".join(faults))
        return names

    def _frame_of(self, table: pa.Table, path: Path) -> pd.DataFrame:
        """The frame, each column of the type stated. Raises StageError on values missing where there may be none."""
        by_name: Mapping[str, Column] = {name: self._known(name) for name in table.column_names}
        missing = {name: table[name].null_count for name, column in by_name.items() if not column.nullable}
        if faults := [f"{name} is missing in {count} rows" for name, count in missing.items() if count]:
            raise self._unreadable(path, "; ".join(faults))
        fields = [(name, arrow_type(column.dtype, table.schema.field(name).type)) for name, column in by_name.items()]
        table = table.cast(pa.schema(fields)).replace_schema_metadata(None)
        frame: pd.DataFrame = table.to_pandas()
        for name, column in by_name.items():
            dtype = INT if pa.types.is_integer(table[name].type) else column.dtype
            if column.nullable and dtype in NULLABLE:  # whole numbers with gaps became floats, truths objects
                frame[name] = table[name].to_pandas(types_mapper=lambda _, dtype=dtype: NULLABLE[dtype])
        return frame

    def _array_of(self, values: pd.Series) -> pa.Array:
        """The values as they stand in the file."""
        holds = {"float32": pa.float32(), "int64": pa.int64()}.get(str(values.dtype).lower())
        kind = arrow_type(self._known(str(values.name)).dtype, holds)
        if values.isna().all():
            return pa.nulls(len(values), kind)
        return pa.array(values, type=kind, from_pandas=True)

    def _known(self, name: str) -> Column:
        column = self.column(name)
        assert column is not None, f"{self.title} has no column {name}"
        return column

    def _faults_of_names(self, names: Sequence[str]) -> list[str]:
        doubled = sorted({name for name in names if names.count(name) > 1})
        faults = [f"column {name!r} stands {names.count(name)} times" for name in doubled]
        single = [column for column in self.columns if column.place is None and not column.optional]
        faults += [f"it has no column {column.name!r}" for column in single if column.name not in names]
        if self.further is None:
            faults += [f"column {name!r} is none of its own" for name in names if self.column(name) is None]
        if faults:
            return faults
        places = [self.columns.index(self._known(name)) for name in names if self.further is None]
        return [f"its columns are out of order: {', '.join(names)}"] if places != sorted(places) else []

    def _unreadable(self, path: Path, what: str) -> StageError:
        again = f", or make it anew with `{self.made_by}`" if self.made_by else ""
        return StageError(f"{path} cannot be read as {self.title}: {what}\n  next: bring the file back{again}")
