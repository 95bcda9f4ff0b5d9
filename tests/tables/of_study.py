"""Holds the tables of a study against what is stated of them."""

from pathlib import Path, PurePosixPath

import pyarrow.parquet as pq

from grasp_psonet.tables.catalogue import tables_at


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
