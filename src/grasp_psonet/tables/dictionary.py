"""The data dictionary: every table and column in words, as docs/data-dictionary.md.

``python -m grasp_psonet.tables.dictionary docs/data-dictionary.md`` writes the page anew.
"""

import sys
from pathlib import Path

from grasp_psonet.tables.catalogue import TABLES
from grasp_psonet.tables.table import Column, Table

_HEAD = """# Data dictionary

Every table that a study holds, generated from `src/grasp_psonet/tables/`: what is written is checked against it, and what is
read too. For the commands that make the files see [your study](your-study.md), for signs and scales
[what the numbers mean](numbers.md).

A name in angle brackets stands for several columns: `p_<class>` is one per class (`p_mild`, `p_moderate`, ...). Scores and
classes of readers are called as the settings of `severity` say: `<score>_reader1` is `pasi_reader1` and `<grade>_reader1` is
`severity_reader1` by default. Classes as numbers count from 0, the lowest first. Types are those in a file, numbers with their
bits (`float`: the bits that the network computes in); "may be missing" says that a value may be, "optional" that the whole
column may be. Parquet files have their columns in this order, and no others.
"""
_GROUPS = (
    ("The tables you bring", "", ".csv"),
    ("What a study makes", "", ".parquet"),
    ("What Python and `grasp predict` hand over", "These are no files of a study.", ""),
)


def dictionary_page() -> str:
    """The whole page in Markdown."""
    parts = [_HEAD]
    for title, text, ending in _GROUPS:
        tables = [table for table in TABLES if Path(table.pattern).suffix == ending]
        parts += [f"## {title}\n", *([text + "\n"] if text else []), *(_section(table) for table in tables)]
    return "\n".join(parts)


def _section(table: Table) -> str:
    heading = f"`{table.pattern.replace('*', 'NAME')}`" if table.pattern else _sentence(table.title)
    told = f"{_sentence(table.title)}. " if table.pattern else ""
    made = f" Made by `{table.made_by}`." if table.made_by else ""
    rows = [f"| `{column.name}` | {_kind(column)} | {column.unit} | {column.meaning} |" for column in table.columns]
    further = ["", table.further] if table.further else []
    lines = [f"### {heading}", "", f"{told}One row per {table.row}.{made}", ""]
    lines += ["| column | type | unit or values | meaning |", "|---|---|---|---|", *rows, *further, ""]
    return "\n".join(lines)


def _kind(column: Column) -> str:
    notes = ["optional"] * column.optional + ["may be missing"] * column.nullable
    return ", ".join([column.dtype, *notes])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def main() -> int:
    """Writes the page to the file named on the command line."""
    if len(sys.argv) != 2:
        sys.stderr.write("python -m grasp_psonet.tables.dictionary FILE.md\n")
        return 2
    Path(sys.argv[1]).write_text(dictionary_page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
