"""PASI by its parts: the total is that of the formula, and parts that are missing, out of range or contradict it are told."""

from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from grasp_psonet.cohort.components import components_of, with_total
from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.cohort.text_table import TextTable
from tests.cohort.made_tables import Rows
from tests.cohort.test_own_names import seen

PARTS = components_of(Outcome(), "_reader1")
parts = st.lists(st.tuples(*([st.integers(0, 4)] * 3 + [st.integers(0, 6)]) * 4), min_size=1, max_size=5)


def plain_pasi(cells: tuple[int, ...]) -> float:
    """The formula as Fredriksson and Pettersson wrote it, in tenths."""
    head, upper, trunk, lower = (cells[place : place + 4] for place in range(0, 16, 4))
    regions = zip((1, 2, 3, 4), (head, upper, trunk, lower), strict=True)
    return sum(tenths * (e + i + d) * area for tenths, (e, i, d, area) in regions) / 10


@settings(max_examples=40, deadline=None)
@given(parts)
def test_the_total_is_that_of_the_parts(rows: list[tuple[int, ...]]) -> None:
    table = TextTable(
        "visits.csv", pd.DataFrame([list(map(str, row)) for row in rows], columns=list(PARTS), dtype=object)
    )
    summed, faults = with_total(table, Outcome(), "_reader1")
    assert faults == []
    assert [float(cell) for cell in summed.text["pasi_reader1"]] == [plain_pasi(row) for row in rows]


def test_faults_of_parts(tmp_path: Path) -> None:
    def row(visit: str, total: Any, cells: list[Any]) -> list[Any]:
        return [visit, visit, total, *cells]

    ones = [1] * 16  # 3 in each region
    visits: Rows = [["visit_id", "patient_id", "pasi_reader1", *PARTS]]
    visits += [row("v1", "", ones), row("v2", 3.04, ones), row("v3", "", ones), row("v4", 12.5, [""] * 16)]
    found = seen(tmp_path, visits)
    assert told(found.faults) == []
    assert found.cohort is not None
    assert found.cohort.visits["pasi_reader1"].tolist() == [3, 3.04, 3, 12.5]
    assert not set(PARTS) & set(found.cohort.visits)
    visits[2] = row("v2", 4, ones)
    assert told(seen(tmp_path, visits).faults) == [
        "visits.csv row 3, pasi_reader1 '4': its parts give 3; correct one of them"
    ]
    visits[2] = row("v2", "", [5, *ones[1:]])
    assert told(seen(tmp_path, visits).faults)[0] == (
        "visits.csv row 3, head_erythema_reader1 '5': wanted a number from 0 to 4 (decimal point)"
    )
    visits[2] = row("v2", "", [1, 1, 1, 2.5, *ones[4:]])
    assert told(seen(tmp_path, visits).faults)[0] == (
        "visits.csv row 3, head_area_reader1 '2.5': wanted a whole number from 0 to 6 (decimal point)"
    )
    visits[2], visits[3] = row("v2", "", [5, *ones[1:]]), row("v3", "", ["", *ones[1:]])
    both = told(seen(tmp_path, visits).faults)
    assert "visits.csv row 4, head_erythema_reader1 is empty: a part of PASI is missing" in both[1], "told beside row 3"
    visits[3] = row("v3", "", ones)
    visits[2] = row("v2", "", ["", *ones[1:]])
    assert "visits.csv row 3, head_erythema_reader1 is empty: a part of PASI is missing" in told(
        seen(tmp_path, visits).faults
    )
    lacking = [[*line[:3], *line[4:]] for line in visits]
    assert told(seen(tmp_path, lacking).faults)[0] == (
        "visits.csv: no column 'head_erythema_reader1' beside 'head_induration_reader1'"
    )


def test_grades_between_whole_ones_and_areas_that_contradict_their_signs_are_noted(tmp_path: Path) -> None:
    visits: Rows = [["visit_id", "patient_id", "pasi_reader1", *PARTS]]
    ones = [1] * 16
    for number, head in enumerate(([2.5, 1, 1, 2], [1, 1, 1, 0], [0, 0, 0, 3], [0, 0, 0, 0], [1, 1, 1, 1])):
        visits.append([f"v{number + 1}", f"a{number}", "", *head, *ones[4:]])
    notes = [note for note in told(seen(tmp_path, visits[:5]).notes) if "_reader1" in note]
    assert told(seen(tmp_path, visits[:5]).faults) == []
    assert notes == [
        "visits.csv row 2, head_erythema_reader1 '2.5': a grade between two whole ones, which PASI does not have; it is "
        "counted as it stands",
        "visits.csv row 3, head_area_reader1 '0': area 0 beside signs above 0: the region counts nothing",
        "visits.csv row 4, head_area_reader1 '3': an area beside signs that are all 0: the region counts nothing",
    ]


def test_parts_are_those_of_pasi_alone() -> None:
    iga = SeveritySettings(score_column="iga", score_range=(0, 4), cutoffs=(1, 3))
    assert components_of(Outcome(iga)) == ()
