"""Holds the tables of a study against what is stated of them."""

from pathlib import Path, PurePosixPath

import pyarrow.parquet as pq

from grasp_psonet.tables.catalogue import TABLES
from grasp_psonet.tables.table import Table


def tables_at(path: PurePosixPath) -> list[Table]:
    """The tables that a file of this path from the study folder can be: one, or none for a file that is no table."""
    return [table for table in TABLES if table.pattern and path.match(table.pattern) and _is_as_deep(path, table)]


def _is_as_deep(path: PurePosixPath, table: Table) -> bool:
    return len(path.parts) == table.pattern.count("/") + 1


def table_faults(study: Path, classes: tuple[str, ...] = ("mild", "moderate", "severe")) -> list[str]:
    """A line for every parquet file that is not exactly one table, and for every fault of one."""
    faults = []
    for path in sorted(study.rglob("*.parquet")):
        name = path.relative_to(study).as_posix()
        found = tables_at(PurePosixPath(name))
        if len(found) != 1:
            faults.append(f"{name}: it is {len(found)} tables")
            continue
        table = found[0].named({"class": classes, "score": ["pasi"]})
        faults += [f"{name}: {fault}" for fault in table.faults(table.read(path))]
        faults += [f"{name}: {c} is no column" for c in pq.read_schema(path).names if table.column(c) is None]
    return faults
