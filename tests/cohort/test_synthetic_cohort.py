"""The synthetic cohort: same seed, same bytes; PASI by hand; readers; skin types; planted shortcut."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.cohort.synthetic.cohort import draw_cohort, plans_of
from grasp_psonet.cohort.synthetic.drawing.skin import FITZPATRICK
from grasp_psonet.cohort.synthetic.pasi import area_score, pasi_of
from grasp_psonet.cohort.synthetic.patients import fitzpatrick_counts
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings
from grasp_psonet.cohort.synthetic.tables import SyntheticTables, draw_tables
from grasp_psonet.errors import TableError
from grasp_psonet.workers import Workers
from tests.long_forms import nightly
from tests.warm_process import warm_context

pytestmark = pytest.mark.long

PAPER_FITZPATRICK = (60, 163, 85, 22, 12, 2)  # patients of types I to VI, section 3.1 of the paper
TINY = SyntheticSettings(num_patients=12, num_visits=24, num_views=4, edge_px=64, val_visits=6, test_visits=6)
LARGE = SyntheticSettings(num_patients=344, num_visits=844, num_views=8, val_visits=64, test_visits=170)
OUTCOME = Outcome()


@pytest.fixture(scope="module")
def large() -> SyntheticTables:
    return draw_tables(LARGE, OUTCOME, seed=1)


def untracked(items: Iterable[int], _title: str, _total: int) -> Iterator[int]:
    return iter(items)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def drawn(folder: Path, seed: int, processes: int) -> dict[str, str]:
    folder.mkdir()
    draw_cohort(TINY, OUTCOME, seed, folder, Workers(processes), untracked)
    return digests(folder)


@pytest.mark.whole
def test_same_seed_gives_the_same_bytes_for_any_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr("grasp_psonet.workers.get_context", lambda method: warm_context())
    alone = drawn(tmp_path / "alone", seed=3, processes=1)
    assert drawn(tmp_path / "together", seed=3, processes=2) == alone
    other = drawn(tmp_path / "other", seed=4, processes=1)
    shared_photos = {name for name in alone if name.endswith(".jpg")} & set(other)
    assert shared_photos
    assert all(other[name] != alone[name] for name in shared_photos)
    assert {"visits.csv", "photos.csv", "views.csv", "truth.parquet", "truth_visits.parquet"} < set(alone)


def test_another_seed_draws_every_photo_with_other_chance():
    keys = [
        {
            key
            for plan in plans_of(draw_tables(TINY, OUTCOME, seed), 64, seed).values()
            for key in (plan.body_key, plan.photo_key)
        }
        for seed in (0, 1)
    ]
    assert keys[0]
    assert not keys[0] & keys[1]


def test_tables_name_the_files_and_the_columns_of_a_study(tmp_path):
    files = drawn(tmp_path / "study", seed=3, processes=1)
    visits, photos = (pd.read_csv(tmp_path / "study" / f"{name}.csv") for name in ("visits", "photos"))
    wanted = "visit_id patient_id study_day pasi_reader1 reader1_id pasi_reader2 reader2_id fitzpatrick split"
    assert list(visits.columns) == [*wanted.split(), "sex", "age", "site", "device"]
    assert set(photos["path"]) == {name for name in files if name.endswith(".jpg")}
    assert photos["photo_id"].is_unique
    assert set(photos["visit_id"]) == set(visits["visit_id"])
    truth = pd.read_parquet(tmp_path / "study" / "truth.parquet")
    assert list(truth["photo_id"]) == list(photos["photo_id"])


@pytest.mark.parametrize(
    ("scores", "pasi"),
    [  # by hand from 0.1 (E+I+D) A head + 0.2 upper limbs + 0.3 trunk + 0.4 lower limbs
        ([[0, 0, 0, 0]] * 4, 0.0),
        ([[4, 4, 4, 6]] * 4, 72.0),
        ([[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], 0.3),
        ([[2, 1, 1, 1], [2, 2, 1, 2], [3, 2, 2, 3], [2, 2, 2, 2]], 0.4 + 2.0 + 6.3 + 4.8),
        ([[0, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0], [3, 2, 2, 2]], 0.4 + 5.6),
    ],
)
def test_pasi_by_hand(scores, pasi):
    assert float(pasi_of(np.array([scores]))[0]) == pytest.approx(pasi, abs=1e-9)


def test_area_score_at_its_thresholds():
    fraction = np.array([0, 0.001, 0.099, 0.10, 0.299, 0.30, 0.499, 0.50, 0.699, 0.70, 0.899, 0.90, 1.0])
    assert area_score(fraction).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_severity_honours_cutoffs_and_ties():
    assert [OUTCOME.class_of_score(pasi) for pasi in (0, 5.0, 5.1, 10.0, 10.1, 72)] == [0, 0, 1, 1, 2, 2]
    upper = Outcome(SeveritySettings(ties=("upper", "upper")))
    assert [upper.class_of_score(pasi) for pasi in (4.9, 5.0, 9.9, 10.0)] == [0, 1, 1, 2]
    for wrong in (float("nan"), -0.1, 72.1):
        with pytest.raises(TableError, match="0 to 72"):
            OUTCOME.class_of_score(wrong)


def test_the_truth_adds_up(large):
    truth = large.truth_visits
    regions = ("head", "upper_limbs", "trunk", "lower_limbs")
    parts = [
        weight
        * truth[[f"{region}_{grade}" for grade in ("erythema", "induration", "desquamation")]].sum(axis=1)
        * truth[f"{region}_area"]
        for weight, region in zip((0.1, 0.2, 0.3, 0.4), regions, strict=True)
    ]
    np.testing.assert_allclose(sum(parts), truth["pasi_true"], atol=1e-6)
    for region in regions:
        assert (area_score(truth[f"{region}_area_fraction"].to_numpy()) == truth[f"{region}_area"]).all()
    shares = truth["severity_true"].value_counts(normalize=True)
    assert 0.33 < shares[0] < 0.43
    assert 0.27 < shares[1] < 0.38
    assert 0.25 < shares[2] < 0.35


def test_photos_show_the_scores_of_their_region(large):
    merged = large.truth[large.truth["fault"] == "none"].merge(large.truth_visits, on="visit_id")
    for region, photos in merged.groupby("body_region"):
        for grade in ("erythema", "induration", "desquamation"):
            assert (photos[grade] == photos[f"{region}_{grade}"]).all()
        by_visit = photos.groupby("visit_id").agg(
            shown=("area_fraction", "mean"), true=(f"{region}_area_fraction", "first")
        )
        assert np.corrcoef(by_visit["shown"], by_visit["true"])[0, 1] > 0.9
        assert abs(by_visit["shown"].mean() / by_visit["true"].mean() - 1) < 0.06


def test_disease_improves_under_treatment(large):
    joined = large.visits.merge(large.truth_visits[["visit_id", "pasi_true"]], on="visit_id").sort_values("study_day")
    courses = joined.groupby("patient_id")["pasi_true"].agg(["first", "last", "size"])
    several = courses[courses["size"] > 1]
    assert (several["last"] <= several["first"]).mean() > 0.85


def test_readers_disagree_on_about_16_percent_mostly_near_the_cutoffs():
    twice = replace(LARGE, num_patients=700, num_visits=1600, num_views=1, doubly_read=1.0, fault_rate=0.0)
    truth = draw_tables(twice, OUTCOME, seed=5).truth_visits
    assert 0.135 < truth["disagree"].mean() < 0.185
    causes = truth.loc[truth["disagree"], "cause"].value_counts(normalize=True)
    assert "none" not in causes
    assert causes["noise near cut-off"] > 0.5
    assert causes.filter(like="gross error").sum() > 0.03
    assert (truth.loc[~truth["disagree"], "cause"] == "none").all()


def test_reader2_scores_all_of_val_and_test_and_part_of_train(large):
    read_twice = large.visits["pasi_reader2"].notna()
    in_train = large.visits["split"] == "train"
    assert read_twice[~in_train].all()
    assert 0.4 < read_twice[in_train].mean() < 0.6
    assert (large.visits.loc[read_twice, "reader2_id"] == "R8").all()
    assert (large.visits.loc[~read_twice, "reader2_id"] == "").all()
    assert set(large.visits["reader1_id"]) == {f"R{number}" for number in range(1, 8)}


def test_skin_types_come_in_the_papers_proportions(large):
    assert tuple(fitzpatrick_counts(344).values()) == PAPER_FITZPATRICK
    assert fitzpatrick_counts(12) == {"I": 2, "II": 4, "III": 3, "IV": 1, "V": 1, "VI": 1}
    per_patient = large.visits.groupby("patient_id")["fitzpatrick"].agg(["first", "nunique"])
    assert (per_patient["nunique"] == 1).all()
    assert [int((per_patient["first"] == name).sum()) for name in FITZPATRICK] == list(PAPER_FITZPATRICK)


def test_small_cohorts_keep_every_class_in_every_split():
    demo = SyntheticSettings(missing_views=0.0, num_views=4)
    for seed in range(2):
        tables = draw_tables(demo, OUTCOME, seed)
        counts = pd.crosstab(tables.visits["split"], tables.truth_visits["severity_true"])
        assert counts.shape == (3, 3)
        assert counts.to_numpy().min() >= 12


def test_splits_hold_whole_patients_and_about_the_visits_asked(large):
    assert large.visits.groupby("patient_id")["split"].agg(lambda splits: len(set(splits))).max() == 1
    counts = large.visits["split"].value_counts()
    assert abs(counts["val"] - 64) <= 4
    assert abs(counts["test"] - 170) <= 4
    dark = large.visits[large.visits["fitzpatrick"].isin(["IV", "V", "VI"])]
    assert dark["split"].value_counts().min() >= 4


@pytest.mark.parametrize(
    ("fault", "severity"), [("colour_cast", "severe"), ("duplicate", "mild"), nightly("wrong_part", "moderate")]
)
def test_the_shortcut_goes_with_one_class_in_training_only(fault, severity):
    settings = replace(LARGE, shortcut=ShortcutSettings(fault=fault, severity=severity), fault_rate=0.2)
    tables = draw_tables(settings, OUTCOME, seed=2)
    label = tables.visits.merge(tables.truth_visits, on="visit_id")[["visit_id", "split", "severity_reader1"]]
    photos = tables.truth.merge(label, on="visit_id")
    carried = photos["fault"] == fault
    assert (carried == photos["is_shortcut"]).all(), "the shortcut's fault is never a random fault"
    planted = photos["severity_reader1"] == OUTCOME.classes.index(severity)
    train = photos["split"] == "train"
    assert not carried[train & ~planted].any()
    by_visit = photos.assign(carried=carried).groupby(["split", "severity_reader1", "visit_id"])["carried"].any()
    rate = by_visit.groupby(["split", "severity_reader1"]).mean()
    assert rate["train", OUTCOME.classes.index(severity)] == pytest.approx(0.8, abs=0.02)
    for split in ("val", "test"):
        assert rate[split].max() - rate[split].min() < 0.06, "validation and test carry it whatever the class"
    assert carried[train & planted].mean() == pytest.approx(0.8 * 0.25, abs=0.05)


def test_random_faults_go_with_no_class(large):
    photos = large.truth.merge(large.truth_visits[["visit_id", "severity_reader1"]], on="visit_id")
    photos = photos[~photos["is_shortcut"]]
    rate = (photos["fault"] != "none").groupby(photos["severity_reader1"]).mean()
    assert rate.between(0.045, 0.075).all()
    assert set(photos["fault"]) == {"none", "under_exposure", "blur", "background", "marker", "wrong_part", "duplicate"}


def test_duplicates_and_wrong_parts_are_what_they_say(large):
    truth = large.truth.set_index("photo_id")
    copies = truth[truth["fault"] == "duplicate"]
    sources = truth.loc[copies["duplicate_of"]]
    assert len(copies) > 20
    assert (sources["visit_id"].to_numpy() == copies["visit_id"].to_numpy()).all()
    assert (sources["fault"] == "none").all()
    assert (sources["drawn_view"].to_numpy() == copies["drawn_view"].to_numpy()).all()
    wrong = truth[truth["fault"] == "wrong_part"]
    assert (wrong["drawn_view"] != wrong["view"]).all()
    assert 0.1 < (wrong["drawn_view"] == "object").mean() < 0.4


def test_no_shortcut_plants_none():
    tables = draw_tables(replace(TINY, shortcut=ShortcutSettings(fault="none")), OUTCOME, seed=0)
    assert not tables.truth["is_shortcut"].any()
