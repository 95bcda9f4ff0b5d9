"""New readings and flags become a revision: labels beside the old ones, photos left out, test visits untouched."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from grasp_psonet.cohort.faults import told
from grasp_psonet.cohort.new_readings import NewReadings, read_new_readings
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.revise_settings import ReviseSettings
from grasp_psonet.cohort.revision import Revision, revise
from grasp_psonet.cohort.settings import SplitSettings
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.tables import Cohort, TableFiles, read_cohort
from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.tables.schemas.revisions import REVISED_LABELS, REVISED_PHOTOS, REVISED_READINGS
from tests.cohort.made_tables import Rows, as_csv

OUTCOME = Outcome()
SCORES = {"a1": 2, "a2": 7, "a3": 12, "a4": 3, "b1": 2, "b2": 8, "c1": 4, "c2": 11, "d1": 6, "d2": 20}
SPLITS = {"a": "train", "b": "val", "c": "test", "d": "train"}
FEWEST = ("visit_id", "reader_id", "pasi")


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    visits: Rows = [["visit_id", "patient_id", "pasi_reader1", "pasi_reader2", "split"]]
    visits += [[visit, visit[0], score, None, SPLITS[visit[0]]] for visit, score in SCORES.items()]
    photos: Rows = [["photo_id", "visit_id", "path"]]
    photos += [[f"{visit}-{n}", visit, f"{visit}-{n}.jpg"] for visit in SCORES for n in (1, 2)]
    for name, rows in {"visits": visits, "photos": photos}.items():
        (tmp_path / f"{name}.csv").write_text(as_csv(rows), encoding="utf-8")
    files = TableFiles(tmp_path / "visits.csv", tmp_path / "photos.csv")
    return read_cohort(files, OUTCOME, SplitSettings(), 0)


def read(
    folder: Path, cohort: Cohort, rows: Rows, header: tuple[str, ...] = FEWEST, flags: Rows | None = None
) -> NewReadings:
    (folder / "new.csv").write_text(as_csv([list(header), *rows]), encoding="utf-8")
    if flags is not None:
        (folder / "flags.csv").write_text(as_csv([["photo_id", "reader_id", "kind"], *flags]), encoding="utf-8")
    place = None if flags is None else folder / "flags.csv"
    return read_new_readings(folder / "new.csv", place, cohort, OUTCOME, TablesSettings())


def revised(new: NewReadings, cohort: Cohort, **settings: Any) -> Revision:
    assert told(new.faults) == []
    revision, faults = revise(cohort, new, OUTCOME, ReviseSettings(**settings))
    assert told(faults) == []
    for table, frame in (
        (REVISED_LABELS, revision.labels),
        (REVISED_PHOTOS, revision.photos),
        (REVISED_READINGS, revision.readings),
    ):
        assert table.faults(frame) == []
    return revision


def test_labels_stand_beside_the_old_ones_and_test_visits_are_told_and_left(tmp_path: Path, cohort: Cohort) -> None:
    new = read(tmp_path, cohort, [["a1", "zoe", 12], ["b2", "zoe", 3], ["c1", "zoe", 30], ["a2", "zoe", 6]])
    found = revised(new, cohort)
    labels = found.labels.set_index("visit_id")
    assert labels.index.tolist() == ["a1", "a2", "b2"]
    assert labels[["old_label", "new_label"]].to_numpy().tolist() == [[0, 2], [1, 1], [1, 0]]
    assert labels["is_changed"].tolist() == [True, False, True]
    assert labels.loc["a1", ["old_score", "new_score", "readers", "num_readings", "round", "rule"]].tolist() == [
        2, 12, "zoe", 1, "new", "adjudicated",
    ]  # fmt: skip
    readings = found.readings.set_index("visit_id")
    assert readings.loc["c1", ["is_used", "why_not"]].tolist() == [False, "test visits are not revised"]
    applied = found.applied_to(cohort, OUTCOME).visits.set_index("visit_id")
    assert applied["severity_reader1"].tolist() == [2, 1, 2, 0, 0, 0, 0, 2, 1, 2]
    assert cohort.visits["severity_reader1"].tolist() == [0, 1, 2, 0, 0, 1, 0, 2, 1, 2], "the study itself stays"


def test_rules_and_older_readings(tmp_path: Path, cohort: Cohort) -> None:
    rows: Rows = [["a1", "zoe", 12, ""], ["a1", "yan", 6, ""], ["a1", "xu", 11, ""], ["a2", "zoe", 2, "reader"]]
    rows += [["a2", "yan", 12, "reader"], ["a2", "wei", 3, "adjudicator"]]
    new = read(tmp_path, cohort, rows, (*FEWEST, "role"))

    def of(**settings: Any) -> list[int]:
        return revised(new, cohort, **settings).labels["new_label"].tolist()

    assert of() == [2, 0]
    assert of(rule="majority") == [2, 0]
    assert of(rule="median", readings="all") == [1, 0]
    assert of(rule="reader:yan") == [1, 2]
    assert revised(new, cohort, readings="all").labels["readers"].tolist() == [
        "reader1, xu, yan, zoe",
        "reader1, wei, yan, zoe",
    ]


def test_two_classes_without_a_score_decide_nothing(tmp_path: Path, cohort: Cohort) -> None:
    rows: Rows = [["a1", "zoe", "mild"], ["a1", "yan", "severe"], ["a3", "zoe", "moderate"]]
    new = read(tmp_path, cohort, rows, ("visit_id", "reader_id", "severity"))
    labels = revised(new, cohort).labels.set_index("visit_id")
    assert labels["new_label"].isna().tolist() == [True, False]
    assert labels["is_changed"].tolist() == [False, True]


def test_flags_leave_photos_of_training_out_by_kind_and_number_of_readers(tmp_path: Path, cohort: Cohort) -> None:
    flags: Rows = [["a1-1", "zoe", "Not skin"], ["a2-1", "zoe", "blur"], ["a2-1", "yan", "blur"]]
    flags += [["b1-1", "zoe", "not_skin"], ["c1-1", "zoe", "not_skin"], ["a1-1", "zoe", "not skin"]]
    new = read(tmp_path, cohort, [["a1", "zoe", 2]], flags=flags)
    found = revised(new, cohort)
    assert found.excluded == {"a1-1"}
    assert found.photos.set_index("photo_id")["why_not"].tolist() == [
        "",
        "no kind of revise.flags",
        "photos are left out of training alone",
        "photos are left out of training alone",
    ]
    assert revised(new, cohort, flags=("blur",), flagged_by=2).excluded == {"a2-1"}
    assert told(revise(cohort, new, OUTCOME, ReviseSettings(flags=("blur",), flagged_by=3))[1]) == [
        "new.csv: nothing that was read changes training: 1 visits keep their label; no photo is left out"
    ]


def test_a_visit_that_nobody_could_assess_leaves_training(tmp_path: Path, cohort: Cohort) -> None:
    header = (*FEWEST, "not_assessable")
    rows: Rows = [["a1", "zoe", "", "too dark"], ["a2", "zoe", "", "too dark"], ["a2", "yan", 2, ""]]
    new = read(tmp_path, cohort, rows, header)
    found = revised(new, cohort, rule="median")
    assert found.excluded == {"a1-1", "a1-2"}
    assert found.labels["visit_id"].tolist() == ["a2"]
    assert not revised(new, cohort, flags=("blur",)).excluded


def test_every_fault_is_told_at_once(tmp_path: Path, cohort: Cohort) -> None:
    rows: Rows = [["a9", "zoe", 3], ["a1", "", 3], ["a2", "zoe", "much"], ["a3", "zoe", ""]]
    flags: Rows = [["a1-9", "zoe", "blur"], ["a1-1", "zoe", ""]]
    assert told(read(tmp_path, cohort, rows, flags=flags).faults) == [
        "new.csv row 3, reader_id is empty: wanted the reader_id of the reading",
        "new.csv row 4, pasi 'much': wanted a number from 0 to 72 (decimal point)",
        "new.csv row 5, reader_id 'zoe': a reading without pasi",
        "new.csv row 2, visit_id 'a9': no such visit in the study",
        "flags.csv row 3, kind is empty: wanted the kind of the flag",
        "flags.csv row 2, photo_id 'a1-9': no such photo in the study",
    ]
    assert told(read(tmp_path, cohort, []).faults) == ["new.csv: no rows below the header"]
    assert told(read(tmp_path, cohort, [["a1", "zoe", 3]], flags=[]).faults) == []


def test_what_changes_nothing_or_empties_a_class_is_refused(tmp_path: Path, cohort: Cohort) -> None:
    same = read(tmp_path, cohort, [["a1", "zoe", 3], ["c1", "zoe", 30]])
    assert told(revise(cohort, same, OUTCOME, ReviseSettings())[1]) == [
        "new.csv: nothing that was read changes training: 1 visits keep their label; 1 readings do not count: test visits "
        "are not revised"
    ]
    emptied = read(tmp_path, cohort, [["a3", "zoe", 3], ["d2", "zoe", 3]])
    assert told(revise(cohort, emptied, OUTCOME, ReviseSettings())[1]) == [
        "new.csv: no training visit would be severe any more"
    ]


def test_splits_by_setting(tmp_path: Path, cohort: Cohort) -> None:
    new = read(tmp_path, cohort, [["a1", "zoe", 12], ["b2", "zoe", 3]])
    assert revised(new, cohort, splits=("train",)).labels["visit_id"].tolist() == ["a1"]
    refused: list[dict[str, Any]] = [{"rule": "reader1"}, {"rule": "mean"}, {"splits": ()}, {"flagged_by": 0}]
    for settings in refused:
        with pytest.raises(SettingsError, match=f"revise.{next(iter(settings))}"):
            ReviseSettings(**settings)


def test_a_revision_of_other_labels_is_refused(tmp_path: Path, cohort: Cohort) -> None:
    found = revised(read(tmp_path, cohort, [["a1", "zoe", 12]]), cohort)
    moved = cohort.visits.assign(severity_reader1=pd.array([1, 1, 2, 0, 0, 1, 0, 2, 1, 2], dtype="Int64"))
    with pytest.raises(StudyError, match=r"labels of 1 visits are not those .* \(first: a1\)"):
        found.applied_to(Cohort(moved, cohort.photos, None), OUTCOME)


def test_of_versions_the_last_counts_and_a_repeat_does_not(tmp_path: Path, cohort: Cohort) -> None:
    header = (*FEWEST, "round", "version", "repeat", "date")
    rows: Rows = [["a1", "zoe", 12, "one", 1, "no", "2026-11-02"], ["a1", "zoe", 7, "one", 2, "no", "2026-11-02"]]
    rows += [["a1", "zoe", 1, "one", 1, "yes", "2026-11-03"]]
    found = revised(read(tmp_path, cohort, rows, header), cohort)
    assert found.labels[["new_label", "round", "date"]].to_numpy().tolist() == [[1, "one", "2026-11-02"]]
    assert found.readings["is_used"].tolist() == [False, True, False]
