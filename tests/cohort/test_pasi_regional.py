"""The parts of PASI as labels: what is read, areas in per cent, and photos whose region is not known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grasp_psonet.cohort.components import components_of
from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.pasi_regional import PasiRegional
from grasp_psonet.cohort.settings import SeveritySettings, SplitSettings
from grasp_psonet.cohort.tables import Examination, TableFiles, examine
from grasp_psonet.errors import SettingsError
from tests.cohort.made_tables import Rows, as_csv

SCALE = SeveritySettings(outcome="pasi", form="regional", noise_points=3.0)
OUTCOME = outcome_of(SCALE)
PARTS = components_of(OUTCOME, "_reader1")
VIEWS: Rows = [["code", "body_region"], ["F", "Head"], ["A", "upper limbs"], ["T", "trunk"], ["L", "lower-limbs"]]
ONES = [1] * 16


def examined(
    folder: Path, rows: list[list[Any]], columns: tuple[str, ...] = PARTS, views: Rows | None = VIEWS, view: str = "T"
) -> Examination:
    """``rows``: the printed total and the parts of each visit."""
    splits = ("train", "val", "test")
    visits: Rows = [["visit_id", "patient_id", "split", "pasi_reader1", *columns]]
    visits += [[f"v{n}", f"p{n}", splits[n % 3], *row] for n, row in enumerate(rows)]
    photos: Rows = [["photo_id", "visit_id", "path", "view"]]
    photos += [[f"f{n}", f"v{n}", f"{n}.jpg", "LTA"[n % 3] if n else view] for n in range(len(rows))]
    for name, table in (("visits", visits), ("photos", photos), ("views", views or [["code"], ["T"]])):
        (folder / f"{name}.csv").write_text(as_csv(table), encoding="utf-8")
    files = TableFiles(folder / "visits.csv", folder / "photos.csv", folder / "views.csv")
    return examine(files, OUTCOME, SplitSettings(), 0)


def test_parts_are_labels_and_may_be_missing_where_the_total_is_told(tmp_path: Path) -> None:
    found = examined(tmp_path, [["", *ONES], [12.5, *[""] * 16], [20, 4, *[""] * 15]])
    cohort = found.faultless()
    assert isinstance(cohort.outcome, PasiRegional)
    assert cohort.visits["pasi_reader1"].tolist() == [3, 12.5, 20]
    parts = cohort.visits[list(cohort.outcome.part_columns)].to_numpy(float)
    assert np.isfinite(parts).sum(axis=1).tolist() == [16, 0, 1]
    assert parts[0].tolist() == ONES
    assert any("no photo of the study shows head" in line for line in told(found.notes))


def test_areas_in_per_cent_become_degrees_and_may_not_contradict_them(tmp_path: Path) -> None:
    percent = tuple(name.replace("_area_", "_area_percent_") for name in PARTS)
    row = [1, 1, 1, 0, 1, 1, 1, 9.9, 1, 1, 1, 10, 1, 1, 1, 95]
    cohort = examined(tmp_path, [["", *row], [3, *[""] * 16], [4, *[""] * 16]], percent).faultless()
    areas = cohort.visits[[name for name in PARTS if "_area_" in name]].to_numpy(float)
    assert areas[0].tolist() == [0, 1, 2, 6]
    assert cohort.visits["pasi_reader1"][0] == pytest.approx(0.2 * 3 * 1 + 0.3 * 3 * 2 + 0.4 * 3 * 6)
    both = (*PARTS, "trunk_area_percent_reader1")
    rows = [["", *ONES, 9], ["", *ONES, 40], ["", *ONES, 140]]
    faults = told(examined(tmp_path, rows, both).faults)
    assert len(faults) == 2
    assert any(
        "row 3, trunk_area_percent_reader1 '40': per cent of the skin, and another degree" in one for one in faults
    )
    assert any("row 4, trunk_area_percent_reader1 '140': wanted per cent of the skin" in one for one in faults)


def test_faults_of_parts_and_regions(tmp_path: Path) -> None:
    rows = [["", *ONES], ["", *ONES], ["", *ONES]]
    wrong = told(examined(tmp_path, [[5, *ONES], *rows[1:]]).faults)
    assert wrong == ["visits.csv row 2, pasi_reader1 '5': its parts give 3; correct one of them"]
    no_view = told(examined(tmp_path, rows, view="X").faults)
    assert any("no such code" in one for one in no_view)
    no_region = told(examined(tmp_path, rows, views=[*VIEWS[:3], ["T", "belly"], VIEWS[4]]).faults)
    assert any(
        "photos.csv" in one and "counts to none of head, upper_limbs, trunk, lower_limbs" in one for one in no_region
    )
    none = told(examined(tmp_path, rows, views=[["code"], ["F"], ["A"], ["T"], ["L"]]).faults)
    assert any("no views.csv says which they show" in one for one in none)


def test_what_form_regional_refuses() -> None:
    for changes in (
        {"form": "regional"},
        {"outcome": "pasi", "form": "regional", "training_label": "median"},
        {"outcome": "pasi", "parts_weight": 2.0},
    ):
        with pytest.raises(SettingsError):
            SeveritySettings(**changes)
    with pytest.raises(SettingsError, match="score_range"):
        outcome_of(SeveritySettings(outcome="pasi", form="regional", score_range=(0.0, 100.0)))
