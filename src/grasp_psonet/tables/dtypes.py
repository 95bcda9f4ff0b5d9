"""Types of columns: what they are called, what pandas and a parquet file hold for them, and what fits into which."""

from typing import Any, Literal

import pandas as pd
import pyarrow as pa

DType = Literal["text", "bool", "int64", "float32", "float64", "float", "number"]

TEXT: DType = "text"
BOOL: DType = "bool"
INT: DType = "int64"
FLOAT32: DType = "float32"
FLOAT64: DType = "float64"
FLOAT: DType = "float"  # of the precision that the network computes in, 32 or 64 bits
NUMBER: DType = "number"  # a label: whole where it is a class, float64 where it is a number

_ARROW: dict[str, pa.DataType] = {
    "text": pa.large_string(),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
}
# What pandas holds where values may be missing and its plain type has none to say so; floats are NaN there.
NULLABLE: dict[str, Any] = {TEXT: pd.StringDtype(), BOOL: pd.BooleanDtype(), INT: pd.Int64Dtype()}
# What is written without losing anything: a whole number as a float, fewer bits as more.
_FITS = {
    "text": {"text"},
    "bool": {"bool"},
    "int64": {"int64"},
    "float32": {"float32", "int64"},
    "float64": {"float64", "float32", "int64"},
    "float": {"float64", "float32"},
    "number": {"int64", "float64", "float32"},
}
_INFERRED = {
    "string": "text",
    "boolean": "bool",
    "integer": "int64",
    "floating": "float64",
    "mixed-integer-float": "float64",
}


def arrow_type(dtype: DType, found: pa.DataType | None = None) -> pa.DataType:
    """The type in the file; ``found`` decides where the precision is the network's, and whether a label is whole."""
    if dtype == FLOAT:
        return pa.float32() if found == pa.float32() else pa.float64()
    if dtype == NUMBER:
        return pa.int64() if found is not None and pa.types.is_integer(found) else pa.float64()
    return _ARROW[dtype]


def dtype_of_series(values: pd.Series) -> str | None:
    """What a column of a frame holds, as a name of ours; None where it holds no value at all; other types by their own name."""
    if values.isna().all():
        return None
    if values.dtype == object:
        inferred = pd.api.types.infer_dtype(values, skipna=True)
        return _INFERRED.get(inferred, inferred)
    if pd.api.types.is_string_dtype(values):
        return TEXT
    if pd.api.types.is_bool_dtype(values):
        return BOOL
    if pd.api.types.is_integer_dtype(values):
        return INT
    name = str(values.dtype).lower()
    return name if name in ("float32", "float64") else str(values.dtype)


def dtype_of_arrow(found: pa.DataType) -> str | None:
    """What a column of a file holds, as a name of ours; None where it holds no value; other types by their own name."""
    if pa.types.is_null(found):
        return None
    if pa.types.is_dictionary(found):
        return dtype_of_arrow(found.value_type)
    if pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found):
        return TEXT
    if pa.types.is_boolean(found):
        return BOOL
    if pa.types.is_integer(found):
        return INT
    return {"float": "float32", "double": "float64"}.get(str(found), str(found))


def fits(found: str | None, wanted: DType) -> bool:
    """Whether values of this type keep all they say as the wanted one; a column without any value fits everywhere."""
    return found is None or found in _FITS[wanted]
