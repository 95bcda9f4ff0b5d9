"""The score as a label: what is read, when two readings differ, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.outcomes import outcome_of
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import SeveritySettings, SplitSettings
from grasp_psonet.cohort.tables import Examination, TableFiles, examine
from grasp_psonet.errors import SettingsError, TableError
from grasp_psonet.setting import recorded_tree
from tests.cohort.made_tables import Rows, as_csv

PASI = SeveritySettings(outcome="pasi", noise_points=3.0)
HEAD = ["visit_id", "patient_id", "pasi_reader1", "pasi_reader2", "severity_reader1", "severity_reader2", "split"]
SPLITS = ("train", "val", "test")


def examined(folder: Path, readings: list[list[Any]], severity: SeveritySettings = PASI) -> Examination:
    """``readings``: both scores and both classes of each visit."""
    visits: Rows = [HEAD, *([f"v{n}", f"p{n}", *row, SPLITS[n % 3]] for n, row in enumerate(readings))]
    photos: Rows = [["photo_id", "visit_id", "path"], *([f"f{n}", f"v{n}", f"{n}.jpg"] for n in range(len(readings)))]
    for name, rows in (("visits", visits), ("photos", photos)):
        (folder / f"{name}.csv").write_text(as_csv(rows), encoding="utf-8")
    files = TableFiles(folder / "visits.csv", folder / "photos.csv")
    return examine(files, outcome_of(severity), SplitSettings(), 0)


def faults_of(found: Examination) -> str:
    return "\n".join(told(found.faults))


def test_labels_are_scores_and_strata_their_classes(tmp_path: Path) -> None:
    cohort = examined(tmp_path, [[4.2, 5, "mild", None], [5.1, None, None, None], [30, 28, None, None]]).faultless()
    outcome = cohort.outcome
    assert isinstance(outcome, PasiTotal)
    assert outcome.label_columns == ("pasi_reader1", "pasi_reader2")
    assert cohort.visits["pasi_reader1"].tolist() == [4.2, 5.1, 30]
    assert not [column for column in cohort.visits if "severity" in column], "a class is no trait of a visit"
    assert [outcome.stratum_of(label) for label in cohort.visits["pasi_reader1"]] == [0, 1, 2]
    assert outcome.strata == ("mild", "moderate", "severe")
    assert (outcome.num_outputs, outcome.output_columns) == (1, ["output_score"])


def test_a_class_alone_is_a_label_of_its_own_where_the_setting_says_so(tmp_path: Path) -> None:
    severity = replace(PASI, only_class="interval")
    readings = [[None, None, "moderate", None], [5.1, 7, None, None], [30, None, None, "mild"]] * 2
    readings[3] = [4, 4.5, None, None]
    found = examined(tmp_path, readings, severity)
    cohort = found.faultless()
    outcome, visits = cohort.outcome, cohort.visits
    assert outcome.label_column == "pasi_label"
    assert visits["pasi_label"].tolist() == [-2, 5.1, 30, 4, 5.1, 30], "1 and the number of the class below the range"
    assert visits["pasi_reader1"].isna().tolist() == [True] + 5 * [False], "no score is made up"
    assert outcome.readers_disagree(visits).isna().tolist() == [True, False, True, False, False, True]
    assert [outcome.stratum_of(label) for label in visits["pasi_label"]] == [1, 1, 2, 0, 1, 2]
    assert any(
        "1 of 6 visits have only a class (1 in train, 0 in val, 0 in test)" in note for note in told(found.notes)
    )
    edges = {1.99: True, 2.0: False, 7.0: False, 13.0: False, 13.01: True}  # of 5 to 10, with a noise of 3
    predictions = pd.DataFrame({"predicted": list(edges), "label": -2.0})
    assert outcome.is_error(predictions).tolist() == list(edges.values())
    assert outcome.is_near_cutoff(visits, 1.0).tolist() == [False, True, False, True, True, False]
    readings[0] = readings[3]
    readings[1] = readings[4] = [None, None, "mild", None]
    assert "no visit of split val has a PASI" in faults_of(examined(tmp_path, readings, severity))
    with pytest.raises(SettingsError, match=r"severity\.training_label"):
        replace(severity, training_label="median")


def test_two_numbers_differ_beyond_the_noise_in_either_direction(tmp_path: Path) -> None:
    readings = [[10, 13, None, None], [10, 13.1, None, None], [10, 6.9, None, None], [10, None, None, None]]
    cohort = examined(tmp_path, readings).faultless()
    assert cohort.outcome.readers_disagree(cohort.visits).tolist() == [False, True, True, pd.NA]
    predictions = pd.DataFrame({"predicted": [7.0, 6.99, 13.0, 13.01], "label": 10.0})
    assert cohort.outcome.is_error(predictions).tolist() == [False, True, False, True]


def test_noise_is_estimated_from_visits_read_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first = np.round(rng.uniform(8, 60, 400), 1)
    second = np.round(first + rng.normal(0, 2.0, 400), 1)
    second[:8] = np.where(first[:8] > 30, 1.0, 70.0)  # gross errors
    readings = [[a, b, None, None] for a, b in zip(first, second, strict=True)]
    found = examined(tmp_path, readings, SeveritySettings(outcome="pasi"))
    outcome = found.faultless().outcome
    assert isinstance(outcome, PasiTotal)
    assert outcome.noise == pytest.approx(2.0, abs=0.25)
    assert outcome.noise == pytest.approx(np.quantile(np.abs(first - second), 0.6827))
    assert f"the readers' noise is {outcome.noise:.2f} points of PASI" in "\n".join(told(found.notes))


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ([[10, None, None, None]] * 12, "0 visits were read twice"),
        ([[10, 11, None, None]] * 9, "9 visits were read twice"),
        ([[10, 10, None, None]] * 12, "one and the same score of both readers"),
    ],
)
def test_noise_that_cannot_be_estimated_is_asked_for(tmp_path: Path, readings: list[Any], words: str) -> None:
    found = examined(tmp_path, readings, SeveritySettings(outcome="pasi"))
    assert words in faults_of(found)
    assert "set severity.noise_points" in faults_of(found)
    assert examined(tmp_path, readings).cohort is not None, "told by the setting, the same tables are whole"


def test_noise_is_not_taken_for_known(tmp_path: Path) -> None:
    del tmp_path
    with pytest.raises(AssertionError, match="before the readings are known"):
        PasiTotal(SeveritySettings(outcome="pasi")).differ(1.0, 2.0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([80, None, None, None], "wanted a number from 0 to 72"),
        ([None, 3, None, None], "Reader 1 must have read every visit"),
        ([None, None, "mild", None], "a class without its PASI"),
        ([3, None, None, "severe"], "a class without its PASI"),
        ([3, None, "severe", None], "PASI 3 is mild"),
        ([-1, None, None, None], "wanted a number from 0 to 72"),
        (["nan", None, None, None], "Reader 1 must have read every visit"),
    ],
)
def test_faults_of_readings(tmp_path: Path, row: list[Any], words: str) -> None:
    found = examined(tmp_path, [[4, 5, None, None], [12, 13, None, None], row])
    assert words.replace("PASI 3", "pasi_reader1 3") in faults_of(found)
    assert "4" in faults_of(found), "the row is named"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"outcome": "pasi", "score_column": None}, "severity.score_column"),
        ({"outcome": "pasi", "points_per_unit": 0.0}, "severity.points_per_unit"),
        ({"outcome": "pasi", "points_per_unit": float("inf")}, "severity.points_per_unit"),
        ({"outcome": "pasi", "noise_points": -1.0}, "severity.noise_points"),
        ({"outcome": "pasi", "noise_points": float("nan")}, "severity.noise_points"),
        ({"loss": "squared"}, "severity.loss"),
        ({"noise_points": 3.0}, "severity.noise_points"),
        ({"outcome": "pasy"}, "severity.outcome"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        outcome_of(SeveritySettings(**settings))


def test_studies_made_before_there_were_numbers_stand() -> None:
    recorded = recorded_tree(SeveritySettings())
    assert not {"loss", "points_per_unit", "noise_points"} & recorded.keys()


def test_answers_are_held_within_the_range_and_told_in_words() -> None:
    outcome = PasiTotal(PASI, 3.0)
    np.testing.assert_allclose(outcome.points_of([-0.2, 1.5, 20.0]), [0.0, 7.5, 72.0])
    words = outcome.in_words(pd.DataFrame({"predicted": [0.0, 5.0, 12.345]}))
    assert words["predicted"].tolist() == ["0.0", "5.0", "12.3"]
    assert words["score"].tolist() == [0.0, 5.0, 12.345]
    assert words["predicted_class"].tolist() == ["mild", "mild", "severe"]


def test_a_score_out_of_range_is_no_label() -> None:
    with pytest.raises(TableError, match=r"PASI is 73\.0"):
        PasiTotal(PASI, 3.0).stratum_of(73.0)
