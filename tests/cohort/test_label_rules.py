"""The training label from any number of readings, by rule, and the columns that a round of readings brings."""

import random
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pytest

from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.label_rules import VisitReadings, rule_of
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings, SplitSettings
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.tables import Examination, TableFiles, examine
from grasp_psonet.errors import SettingsError
from tests.cohort.made_tables import PHOTOS, VISITS, Rows, as_csv

FROM_FOUR: Rows = [
    ["visit_id", "reader_id", "pasi", "role"],
    *([f"v{n}", "ana", score, "reader"] for n, score in enumerate((2.5, 12, 4.5, 10.1), start=1)),
    *([f"v{n}", "bo", score, "reader"] for n, score in enumerate((5.1, 11, 5.5, 9), start=1)),
    *([f"v{n}", "cy", score, "reader"] for n, score in enumerate((6.0, 4, 5.9, 12), start=1)),
    ["v4", "dee", 3, "adjudicator"],
]
READERS = TablesSettings(readers=("ana", "bo", "cy"))


def seen(
    folder: Path, visits: Rows, readings: Rows | None, rule: str = "reader1", form: TablesSettings = READERS
) -> Examination:
    for name, rows in {"visits": visits, "photos": PHOTOS, "readings": readings}.items():
        if rows is not None:
            (folder / f"{name}.csv").write_text(as_csv(rows), encoding="utf-8")
    files = TableFiles(
        folder / "visits.csv",
        folder / "photos.csv",
        readings=folder / "readings.csv" if readings is not None else None,
        form=form,
    )
    return examine(files, Outcome(SeveritySettings(training_label=rule)), SplitSettings(), 0)


def bare(rows: Rows) -> Rows:
    """The visits without what readers said."""
    return [[cell for cell, title in zip(row, rows[0], strict=True) if "pasi" not in title] for row in rows]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("majority", [1, 2, 1, 2]),
        ("median", [1, 2, 1, 1]),
        ("adjudicated", [1, 2, 1, 0]),
        ("reader:bo", [1, 2, 1, 1]),
        ("reader:cy", [1, 0, 1, 2]),
    ],
)
def test_the_training_label_follows_the_rule_and_both_readers_stay(
    tmp_path: Path, rule: str, wanted: list[int]
) -> None:
    cohort = seen(tmp_path, bare(VISITS), FROM_FOUR, rule).faultless()
    assert cohort.visits["severity_label"].tolist() == wanted
    assert cohort.visits["severity_reader1"].tolist() == [0, 2, 0, 2]
    assert cohort.visits["severity_reader2"].tolist() == [1, 2, 1, 1]


def test_without_a_rule_there_is_no_further_column(tmp_path: Path) -> None:
    cohort = seen(tmp_path, bare(VISITS), FROM_FOUR).faultless()
    assert "severity_label" not in cohort.visits
    assert Outcome().label_column == "severity_reader1"


def test_two_columns_of_the_visits_are_readings_too(tmp_path: Path) -> None:
    """v1 is 2.5 and 5.1, whose median is 3.8, mild; v4 is 10.1 and 10, whose median 10.05 is severe."""
    cohort = seen(tmp_path, VISITS, None, "median").faultless()
    assert cohort.visits["severity_label"].tolist() == [0, 2, 0, 2]
    further: Rows = [["visit_id", "reader_id", "pasi"], ["v4", "cy", 4], ["v4", "dee", 4]]
    cohort = seen(tmp_path, VISITS, further, "majority").faultless()
    assert cohort.visits["severity_label"].tolist() == [0, 2, 0, 0]


def test_a_visit_without_a_label_by_the_rule_is_a_fault(tmp_path: Path) -> None:
    faults = told(seen(tmp_path, bare(VISITS), FROM_FOUR, "reader:dee").faults)
    assert faults == [
        f"visits.csv row {row}, visit_id 'v{row - 1}': has no training label by severity.training_label reader:dee"
        for row in (2, 3, 4)
    ]
    (unknown,) = told(seen(tmp_path, bare(VISITS), FROM_FOUR, "reader:zoe").faults)
    assert unknown.endswith("no reading is by this reader; the readers are ana, bo, cy, dee")
    own = [[*row, cell] for row, cell in zip(VISITS, ["severity_label", 1, 1, 1, 1], strict=True)]
    (taken,) = told(seen(tmp_path, own, None, "median").faults)
    assert "would be taken for the training label" in taken


@pytest.mark.parametrize("word", ["", "reader2", "reader:", "mean"])
def test_a_word_that_is_no_rule_is_refused(word: str) -> None:
    with pytest.raises(SettingsError, match="training_label"):
        SeveritySettings(training_label=word)


def slow_majority(labels: list[float]) -> float:
    most = max(Counter(labels).values())
    nearest = min(abs(label - median(labels)) for label in labels if labels.count(label) == most)
    return next(x for x in labels if labels.count(x) == most and abs(x - median(labels)) == nearest)


def test_majority_and_median_equal_the_slow_ones() -> None:
    drawn = random.Random(0)
    outcome, several = Outcome(), set()
    for _ in range(500):
        scores = [drawn.choice([1.0, 4.0, 5.0, 5.5, 9.0, 10.0, 10.5, 30.0]) for _ in range(drawn.randint(1, 6))]
        labels = [float(outcome.class_of_score(score)) for score in scores]
        names = tuple(f"r{n}" for n in range(len(scores)))
        visit = VisitReadings(names, ("reader",) * len(scores), tuple(scores), tuple(labels))
        assert rule_of("majority")(visit, outcome) == slow_majority(labels)
        assert rule_of("median")(visit, outcome) == outcome.class_of_score(median(scores))
        several.add((rule_of("majority")(visit, outcome), labels[0]))
    assert len(several) == 9, "the majority never differs from Reader 1: the comparison would prove nothing"


def of_round(*rows: list[Any]) -> Rows:
    return [["visit_id", "reader_id", "pasi", "round", "version", "signed", "role", "repeat", "not_assessable"], *rows]


SIGNED = "2026-11-02T10:00:00Z"


def test_of_a_round_the_last_version_counts_and_a_hidden_repeat_does_not(tmp_path: Path) -> None:
    rows = of_round(
        *([f"v{n}", "ana", 3, "one", 1, SIGNED, "reader", "no", ""] for n in (1, 2, 3, 4)),
        ["v1", "ana", 12, "one", 2, SIGNED, "reader", "no", ""],
        ["v1", "ana", 6, "one", 1, SIGNED, "reader", "yes", ""],
        ["v2", "bo", "", "one", 1, SIGNED, "reader", "no", "all photos dark"],
    )
    found = seen(tmp_path, bare(VISITS), rows, form=TablesSettings(readers=("ana", "bo")))
    assert told(found.faults) == []
    assert found.faultless().visits["pasi_reader1"].tolist() == [12, 3, 3, 3]
    assert found.faultless().visits["pasi_reader2"].isna().all()


def test_faults_of_a_round_are_told_at_once(tmp_path: Path) -> None:
    rows = of_round(
        *([f"v{n}", "ana", 3, "one", 1, SIGNED, "reader", "no", ""] for n in (1, 2, 3, 4)),
        ["v1", "ana", 4, "one", 1, SIGNED, "reader", "no", ""],
        ["v2", "bo", 4, "one", "first", "yesterday", "boss", "perhaps", ""],
        ["v3", "bo", 4, "one", 1, SIGNED, "reader", "no", "dark"],
        ["v4", "bo", "", "one", 1, SIGNED, "reader", "no", "no"],
    )
    faults = told(seen(tmp_path, bare(VISITS), rows, form=TablesSettings(readers=("ana", "bo"))).faults)
    assert [fault.partition(": ")[0] for fault in faults] == [
        "readings.csv row 7, role 'boss'",
        "readings.csv row 7, version 'first'",
        "readings.csv row 7, signed 'yesterday'",
        "readings.csv row 7, repeat 'perhaps'",
        "readings.csv row 9, reader_id 'bo'",
        "readings.csv row 8, not_assessable 'dark'",
        "readings.csv rows 2, 6, visit_id 'v1'",
    ]


def test_signed_gives_the_day_where_no_date_does(tmp_path: Path) -> None:
    rows = of_round(*([f"v{n}", "ana", 3, "one", 1, SIGNED, "reader", "no", ""] for n in (1, 2, 3, 4)))
    readings = seen(tmp_path, bare(VISITS), rows).faultless().readings
    assert readings is not None
    assert set(readings["date"]) == {pd.Timestamp("2026-11-02").date()}
