"""Lists as workbooks: every value as it was, no cell a formula, the same bytes from the same list."""

import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.report.sprites import thumbnail
from grasp_psonet.report.workbook import write_workbook

HOSTILE = ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "bell\x07", "v-0012", "0012"]


@pytest.fixture
def frame() -> pd.DataFrame:
    numbers = [0.25, None, -3.0e-5, np.nan, 5, 6.5, 7, 8]
    return pd.DataFrame({"=visit": HOSTILE, "score": numbers, "rank": range(8)})


def test_no_cell_is_a_formula_and_every_value_stands(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_workbook(frame, tmp_path / "list.xlsx")
    rows = list(openpyxl.load_workbook(tmp_path / "list.xlsx").active.iter_rows())
    assert [cell.value for cell in rows[0]] == ["'=visit", "score", "rank"]
    assert not any(cell.data_type == "f" for row in rows for cell in row)
    texts = [row[0].value for row in rows[1:]]
    assert texts[-2:] == ["v-0012", "0012"]
    assert all(text.lstrip().startswith("'") for text in texts[:5])
    assert texts[5] == "bell"
    assert [row[1].value for row in rows[1:]] == [0.25, None, -3.0e-5, None, 5, 6.5, 7, 8]
    assert [row[2].value for row in rows[1:]] == list(range(8))


def test_the_same_list_gives_the_same_bytes(frame: pd.DataFrame, tmp_path: Path) -> None:
    for name in ("one.xlsx", "two.xlsx"):
        write_workbook(frame, tmp_path / name)
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()
    assert openpyxl.load_workbook(tmp_path / "one.xlsx").properties.modified.year == 2000


def test_thumbnails_stand_in_their_rows(frame: pd.DataFrame, tmp_path: Path) -> None:
    picture = thumbnail(np.full((9, 9, 3), (200, 30, 30), np.uint8), 24)
    write_workbook(frame, tmp_path / "list.xlsx", {0: picture, 3: picture})
    sheet = openpyxl.load_workbook(tmp_path / "list.xlsx").active
    assert [image.anchor._from.row + 1 for image in sheet._images] == [2, 5]
    assert Image.open(io.BytesIO(sheet._images[0]._data())).size == (24, 24)
    assert sheet.cell(2, 2).value.startswith("'=")
    assert sheet.cell(2, 1).value is None
