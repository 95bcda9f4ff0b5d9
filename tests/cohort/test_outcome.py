"""The outcome: how readings become classes, what it names, and which scales are refused at birth."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings, SplitSettings
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings
from grasp_psonet.cohort.synthetic.tables import draw_tables
from grasp_psonet.cohort.tables import TableFiles, examine
from grasp_psonet.errors import SettingsError, TableError
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import load, parse, to_yaml

IGA = SeveritySettings(
    classes=(0, 1, 2, 3, 4),
    cutoffs=(0, 1, 2, 3),
    ties=("lower",) * 4,
    score_column="iga",
    score_range=(0, 4),
    class_column="grade",
)


def test_the_default_is_the_papers() -> None:
    outcome = Outcome()
    assert outcome.classes == ("mild", "moderate", "severe")
    assert outcome.num_outputs == 3
    assert outcome.output_columns == ["logit_mild", "logit_moderate", "logit_severe"]
    assert outcome.probability_columns == ["p_mild", "p_moderate", "p_severe"]
    assert outcome.label_columns == ("severity_reader1", "severity_reader2")
    assert outcome.score_columns == ("pasi_reader1", "pasi_reader2")
    assert outcome.score_word == "PASI"


@given(st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True), st.data())
def test_a_class_is_the_number_of_cutoffs_that_a_score_passes(cutoffs: list[int], data: st.DataObject) -> None:
    ties = data.draw(st.lists(st.sampled_from(["lower", "upper"]), min_size=len(cutoffs), max_size=len(cutoffs)))
    names = tuple(f"class {number}" for number in range(len(cutoffs) + 1))
    outcome = Outcome(
        SeveritySettings(
            classes=names, cutoffs=tuple(sorted(map(float, cutoffs))), ties=tuple(ties), score_range=(0, 100)
        )
    )
    found = [outcome.class_of_score(half / 2) for half in range(201)]
    assert found == sorted(found), "a higher score never falls to a lower class"
    assert set(found) == set(range(len(names))), "every class has a score"
    for number, (cutoff, tie) in enumerate(zip(sorted(cutoffs), ties, strict=True)):
        assert outcome.class_of_score(cutoff) == number + (tie == "upper")
        assert outcome.class_of_score(cutoff - 0.25) == number
        assert outcome.class_of_score(cutoff + 0.25) == number + 1


def test_a_scale_of_whole_numbers() -> None:
    outcome = Outcome(IGA)
    assert outcome.classes == ("0", "1", "2", "3", "4")
    assert [outcome.class_of_score(score) for score in range(5)] == [0, 1, 2, 3, 4]
    assert [outcome.class_of_name(name) for name in ("0", "3", "4.0", "5", "4.5", "-1")] == [0, 3, 4, None, None, None]
    for wrong in (-0.1, 4.1, float("nan")):
        with pytest.raises(TableError, match=r"IGA is .*a number from 0 to 4"):
            outcome.class_of_score(wrong)


def test_names_are_known_in_any_case_and_spelling_of_an_umlaut() -> None:
    outcome = Outcome(SeveritySettings(classes=("leicht", "mäßig", "sehr schwer"), score_column=None))
    for cell in ("mäßig", "MÄSSIG", "Ma\u0308ßig"):
        assert outcome.class_of_name(cell) == 1
    assert outcome.class_of_name("Sehr Schwer") == 2
    assert outcome.class_of_name("schwer") is None
    assert outcome.probability_columns[1] == "p_mäßig"
    assert outcome.score_word is None
    assert outcome.score_columns == ()


def test_readers_disagree_is_missing_where_one_did_not_read() -> None:
    visits = pd.DataFrame({"severity_reader1": [0, 1, 2, None], "severity_reader2": [0, 2, None, None]}, dtype="Int64")
    assert Outcome().readers_disagree(visits).tolist() == [False, True, pd.NA, pd.NA]


def test_cutoff_distance_is_that_of_the_nearest() -> None:
    found = Outcome(IGA).cutoff_distance(pd.Series([0.0, 0.4, 1.5, 4.0, np.nan]))
    assert found.tolist()[:4] == pytest.approx([0.0, 0.4, 0.5, 1.0])
    assert np.isnan(found.iloc[4])


@pytest.mark.parametrize(
    ("scale", "points"),
    [
        ({}, 1.0),
        ({"classes": ["low", "high"], "cutoffs": [10], "ties": ["lower"]}, 2.0),
        ({"cutoffs": [5, 72], "ties": ["lower", "upper"]}, 1.0),  # a class of one score is no measure of nearness
        (as_tree(IGA), None),
        (as_tree(IGA) | {"cutoffs": [0.5, 1.5, 2.5, 3.5]}, 0.1),
    ],
)
def test_near_a_cutoff_follows_the_scale(scale: dict[str, Any], points: float | None) -> None:
    outcome = Outcome(parse({"severity": scale}, "test").severity)
    assert outcome.near_cutoff_points() == (None if points is None else pytest.approx(points))
    least, most = outcome.scale.score_range
    scores = pd.Series(np.linspace(least, most, 721))
    visits = pd.DataFrame({outcome.score_columns[0]: scores})
    near = outcome.is_near_cutoff(visits, None)
    if points is None:
        assert not near.any()
    else:
        wanted = [min(abs(score - cutoff) for cutoff in outcome.scale.cutoffs) <= points for score in scores]
        assert near.tolist() == wanted
        assert near.any()
        assert not near.all()
    assert outcome.is_near_cutoff(visits, 72).all(), "a setting goes before the scale"


def test_nothing_is_near_a_cutoff_without_a_score() -> None:
    outcome = Outcome(SeveritySettings(score_column=None))
    visits = pd.DataFrame({"severity_reader1": [0, 1]})
    assert not outcome.is_near_cutoff(visits, None).any()
    assert not outcome.is_near_cutoff(visits, 1.0).any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": ["all"]}, "severity.classes"),
        ({"classes": ["mild", "Mild", "severe"]}, "differ in more than their case"),
        ({"classes": ["mild", "", "severe"]}, "severity.classes is ''"),
        ({"classes": ["mild", " moderate", "severe"]}, "without spaces around"),
        ({"classes": ["mild", "N/A", "severe"]}, "severity.classes is 'N/A'"),
        ({"classes": [False, True], "score_column": None}, "in quotes"),
        ({"classes": ["low", "high"]}, "severity.cutoffs is .*1 value"),
        ({"cutoffs": [5]}, "severity.cutoffs is .*2 value"),
        ({"ties": ["lower"]}, "severity.ties is .*2 of lower and upper"),
        ({"cutoffs": [10, 5]}, "rising values between 0 and 72"),
        ({"cutoffs": [5, 5]}, "rising"),
        ({"cutoffs": [5, 72]}, "scores for every class"),
        ({"cutoffs": [0, 5], "ties": ["upper", "lower"]}, "scores for every class"),
        ({"cutoffs": [5, float("nan")]}, "severity.cutoffs"),
        ({"score_range": [72, 0]}, "severity.score_range"),
        ({"score_range": [0, float("inf")]}, "severity.score_range"),
        ({"score_column": "severity"}, "two different columns"),
        ({"score_column": "label"}, "severity.score_column is 'label'"),
        ({"score_column": ""}, "severity.score_column is ''"),
        ({"class_column": " grade"}, "severity.class_column is ' grade'"),
    ],
)
def test_a_scale_that_cannot_be_is_refused_at_birth(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse({"severity": wrong}, "study.yaml")


def test_cutoffs_at_the_ends_of_the_range_are_taken_where_each_class_has_a_score() -> None:
    SeveritySettings(cutoffs=(0, 72), ties=("lower", "upper"))
    SeveritySettings(classes=("low", "high"), cutoffs=(), ties=(), score_column=None)


def test_a_scale_is_written_and_read_back(tmp_path: Path) -> None:
    settings = parse({"severity": as_tree(IGA)}, "test")
    assert Outcome(settings.severity).classes == ("0", "1", "2", "3", "4")
    (tmp_path / "study.yaml").write_text(to_yaml(settings), encoding="utf-8")
    assert load(tmp_path / "study.yaml") == settings
    plain = load(tmp_path / "none.yaml", {"severity.classes": "0,1", "severity.score_column": "null"})
    assert Outcome(plain.severity).classes == ("0", "1")


def test_faults_name_the_columns_and_classes_of_the_scale(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text(
        "visit_id,patient_id,iga_reader1,grade_reader1,grade_reader2\n"
        "v1,a,3,3.0,moderate\nv2,b,5,,\nv3,c,2,4,\nv4,d,,,1\n"
    )
    (tmp_path / "photos.csv").write_text(
        "photo_id,visit_id,path\n" + "".join(f"p{v},v{v},{v}.jpg\n" for v in range(1, 5))
    )
    files = (tmp_path / "visits.csv", tmp_path / "photos.csv", None)
    assert set(told(examine(TableFiles(*files), Outcome(IGA), SplitSettings(), 0).faults)) == {
        "visits.csv row 3, iga_reader1 '5': wanted a number from 0 to 4 (decimal point)",
        "visits.csv row 2, grade_reader2 'moderate': wanted 0, 1, 2, 3, 4",
        "visits.csv row 4, grade_reader1 '4': iga_reader1 2 is 2 by severity.cutoffs and severity.ties;"
        " correct one of them",
        "visits.csv row 5, iga_reader1 and grade_reader1: empty; Reader 1 must have read every visit",
    }
    faults = told(examine(TableFiles(*files), Outcome(), SplitSettings(), 0).faults)
    assert any("no column 'pasi_reader1' or 'severity_reader1'" in fault for fault in faults)


def test_a_cohort_is_drawn_on_any_cutoffs_of_pasi_and_on_no_other_scale() -> None:
    small = SyntheticSettings(num_patients=12, num_visits=24, num_views=2, val_visits=6, test_visits=6)
    five = SeveritySettings(classes=tuple("abcde"), cutoffs=(2, 5, 10, 15), ties=("lower",) * 4)
    planted = SyntheticSettings(**(vars(small) | {"shortcut": ShortcutSettings(severity="e")}))
    tables = draw_tables(planted, Outcome(five), 0)
    pasi = tables.visits["pasi_reader1"]
    assert (tables.truth_visits["severity_reader1"] == pasi.map(Outcome(five).class_of_score)).all()
    assert tables.truth_visits["severity_reader1"].nunique() == 5
    carrying = tables.truth_visits["carries_shortcut"] & (tables.visits["split"] == "train")
    assert set(tables.truth_visits["severity_reader1"][carrying]) == {4}
    with pytest.raises(SettingsError, match=r"cohort\.shortcut\.severity is 'severe'.*a, b, c, d, e"):
        draw_tables(small, Outcome(five), 0)
    with pytest.raises(SettingsError, match="for a drawn cohort"):
        draw_tables(small, Outcome(IGA), 0)
