"""The audit benchmark: its arithmetic on tables made by hand, its grounds, and one small run of all of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks.audit import __main__ as command
from benchmarks.audit.figures import Table, best_rival, calibration, means, paired, paired_by_patient, rows_of
from benchmarks.audit.ground import DrawnGround, Readers
from benchmarks.audit.influence import harm_of_learned
from benchmarks.audit.second_readings import FLIPPED, RealGround, read_patients
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic.settings import ShortcutSettings, SyntheticSettings
from grasp_psonet.out_of_fold.predict import ProbeInputs
from grasp_psonet.out_of_fold.probe import Probe, principal_axes
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import features_task
from tests.small_study import write_study

SMALL = SyntheticSettings(24, 48, 4, edge_px=64, val_visits=12, test_visits=9, shortcut=ShortcutSettings("none"))
KEYS = {
    *("gross_errors_found_at_30", "disagreements_found_at_30", "disagreements_auroc", "best_rival_at_30"),
    *("class_only_at_30", "paper_at_30", "flips_found_at_30_real", "disagreements_auroc_real", "calibration_error"),
    "seeds",
}


def table(suspicion: list[float], rival: list[float], differs: list[bool], seed: int = 0) -> Table:
    """Ten visits of five patients, all reported."""
    num = len(differs)
    rows = pd.DataFrame(
        {
            "visit_id": [f"v{v}" for v in range(num)],
            "patient_id": [f"p{v // 2}" for v in range(num)],
            "label_reader1": [v % 2 for v in range(num)],
            "gross_error": suspicion,
            "self_confidence": rival,
            "class_only": [float(v % 2) for v in range(num)],
            "expected_disagreement": np.linspace(0, 1, num),
            "differs": differs,
            "is_wrong": differs,
            "is_gross": False,
            "is_reported": True,
        }
    )
    return Table(rows, {"seed": seed, "cohort": "one", "encoder": "any", "part": "drawn"})


DIFFERS = [True, True, True, False, False, False, False, False, False, False]
FALLING = [float(10 - v) for v in range(10)]


def test_a_perfect_list_finds_all_and_an_inverted_one_nothing() -> None:
    rows = pd.DataFrame(list(rows_of(table(FALLING, FALLING[::-1], DIFFERS))))
    found = means(rows, "disagreements")
    assert found.at["gross_error", "found_at_30"] == 1
    assert found.at["gross_error", "auroc"] == 1
    assert found.at["self_confidence", "found_at_30"] == 0
    assert found.at["class_only", "within_class_auroc"] == 0.5
    assert best_rival(rows) == "self_confidence"
    assert means(rows, "gross_errors").empty, "nothing to be found is no figure"


def test_differences_are_paired_by_seed_and_by_patient() -> None:
    tables = [table(FALLING, FALLING[::-1] if seed else FALLING, DIFFERS, seed) for seed in range(8)]
    rows = pd.DataFrame([row for one in tables for row in rows_of(one)])
    told = paired(rows, "gross_error", "self_confidence", "disagreements")
    assert told["difference"] == pytest.approx(7 / 8)
    assert told["low"] < 7 / 8 < told["high"] == 1
    few = paired(rows[rows["seed"] < 4], "gross_error", "self_confidence", "disagreements")
    assert (few["difference"], few["low"]) == (0.75, None), "four seeds make no interval"
    same = paired_by_patient(tables[:1], "gross_error", "self_confidence", "differs", "auroc")
    assert (same["difference"], same["low"], same["high"]) == (0, 0, 0)
    worst = paired_by_patient(tables[1:], "gross_error", "self_confidence", "differs", "auroc")
    assert worst["difference"] == 1


def test_only_reported_visits_count() -> None:
    one = table(FALLING, FALLING, DIFFERS)
    hidden = one.rows.assign(is_reported=[False] * 3 + [True] * 7)
    rows = pd.DataFrame(list(rows_of(replace(one, rows=hidden))))
    assert (rows["wanted"] == 0).all()
    assert calibration([replace(one, rows=hidden)])["visits"] == 7


def test_readers_are_drawn_anew_and_photos_stay(tmp_path: Path) -> None:
    ground = DrawnGround(tmp_path, 3, SMALL)
    few, many = (ground.visits(Readers(rate, has_shortcut=False)) for rate in (0.02, 0.5))
    assert (few["pasi_true"] == many["pasi_true"]).all()
    assert many["is_gross"].sum() > 3 * max(1, few["is_gross"].sum())
    assert (many["is_wrong"] <= many["is_gross"]).all()
    assert many["is_wrong"].sum() > 0
    once = many["pasi_reader2"].isna()
    assert 0 < once.sum() < len(many)
    assert many.loc[once, "differs"].any(), "what a second reader would say is known of visits read once too"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RealGround:
    """A study of features with its settings file, half of whose patients were tuned on."""
    job = write_study(tmp_path_factory.mktemp("real") / "study", {"machine": {"processes": 1}})
    job.study.settings_file.write_text("machine: {processes: 1}\n", encoding="utf-8")
    run_task(features_task(job))
    return RealGround(job.study.folder, frozenset(f"p{p:02d}" for p in range(12)))


def test_flips_change_as_many_classes_as_they_say_and_nothing_else(real: RealGround) -> None:
    as_read = real.job.cohort.visits["severity_reader1"].to_numpy(int)
    for kind in ("classes", "scores"):
        copies = [real.flipped(draw, kind).visits for draw in (0, 1)]
        for visits in copies:
            changed = visits["severity_reader1"].to_numpy(int) != as_read
            assert changed.sum() == round(FLIPPED * len(visits))
            assert (changed == visits["is_wrong"].to_numpy(bool)).all()
            assert visits["severity_reader2"].isna().all()
        assert (copies[0]["is_wrong"] != copies[1]["is_wrong"]).any()
    scored = real.flipped(0, "scores")
    classes = scored.visits["pasi_reader1"].map(Outcome().class_of_score)
    assert (classes == scored.visits["severity_reader1"]).all(), "a score that contradicts its class"
    assert real.flipped(0, "classes").scale.score_column is None


def test_patients_tuned_on_teach_and_are_not_reported(real: RealGround) -> None:
    visits = real.as_read().visits
    reported = visits[visits["is_reported"]]
    assert not set(reported["patient_id"]) & real.tuned_on
    assert reported["pasi_reader2"].notna().all()
    assert (reported["split"] == "train").all(), "a visit that training never sees has no rankings of training"
    assert (visits.loc[visits["split"] == "train", "patient_id"].isin(real.tuned_on)).any()


def test_patients_are_named_or_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("p1\np2\n", encoding="utf-8")
    assert read_patients([str(tmp_path / "ids.txt")]) == read_patients(["p1", "p2"]) == {"p1", "p2"}


def test_influence_of_the_probe_is_what_leaving_out_does() -> None:
    rng = np.random.default_rng(0)
    label_V = np.arange(60) % 3
    feature_VF = rng.normal(size=(60, 4)) + label_V[:, None] * np.array([1.0, 0.5, 0, 0])
    visits = pd.DataFrame({"visit_id": [f"v{v}" for v in range(60)], "patient_id": [f"p{v}" for v in range(60)]})
    inputs = ProbeInputs(visits.assign(severity_reader1=label_V), feature_VF, Outcome())
    learned, held_out = inputs.rows(np.arange(60) < 45), inputs.rows(np.arange(60) >= 45)
    axes = principal_axes(learned.feature_VF)

    def losses(kept: np.ndarray) -> tuple[np.ndarray, Probe]:
        x_VK, y_V = axes(learned.feature_VF)[kept], learned.strata[kept]
        fit = LogisticRegression(C=1.0, max_iter=5000, tol=1e-10).fit(x_VK, y_V)
        probe = Probe(axes, fit.coef_.T, fit.intercept_, 1.0)
        return -np.log(probe(held_out.feature_VF)[np.arange(15), held_out.strata]), probe

    everything, probe = losses(np.ones(45, bool))
    harm_HL = harm_of_learned(probe, learned, held_out)
    true_HL = np.stack([everything - losses(np.arange(45) != i)[0] for i in range(45)], axis=1)
    assert np.corrcoef(harm_HL.ravel(), true_HL.ravel())[0, 1] > 0.98
    assert np.abs(true_HL).max() > 1e-3


@pytest.mark.nightly
def test_a_small_run_makes_every_key_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.record.RESULTS", tmp_path / "results")
    words = ["--quick", "--seeds", "1", "--folder", str(tmp_path / "work")]
    command.main(words)
    (path,) = (tmp_path / "results").glob("*-audit-quick.json")
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert set(figures) >= KEYS
    assert figures["seeds"] == [1]
    assert figures["study"].startswith("skipped")
    assert figures["flips_found_at_30_real"] is None
    assert figures["paper_at_30"] is not None
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.parquet")}
    command.main(words)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.parquet")} == times
