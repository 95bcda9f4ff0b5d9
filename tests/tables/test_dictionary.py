"""The data dictionary in docs/ is what the tables say, and names every column."""

from pathlib import Path

from grasp_psonet.tables import columns
from grasp_psonet.tables.catalogue import TABLES
from grasp_psonet.tables.dictionary import dictionary_page
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

PAGE = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


def test_the_page_is_what_the_tables_say() -> None:
    wanted = dictionary_page()
    assert PAGE.read_text(encoding="utf-8") == wanted, (
        "write it anew: python -m grasp_psonet.tables.dictionary docs/data-dictionary.md"
    )
    for table in TABLES:
        for column in table.columns:
            assert f"| `{column.name}` |" in wanted


def test_every_column_has_a_constant_and_a_meaning() -> None:
    constants = [value for name, value in vars(columns).items() if name.isupper()]
    assert len(constants) == len(set(constants))
    for table in TABLES:
        for column in table.columns:
            assert len(column.meaning) > 3
            assert ("missing" in column.meaning) >= (column.nullable and table.pattern.endswith(".parquet")), (
                column.name
            )
            is_of_region = column.name.startswith(tuple(f"{region}_" for region in BODY_REGIONS))
            assert column.place or is_of_region or column.name in constants, column.name
