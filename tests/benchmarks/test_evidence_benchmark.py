"""The evidence benchmark: its simulated truth is that of the product's metrics, and its short form runs."""

import json

import numpy as np
import pytest

from benchmarks import record
from benchmarks.evidence.__main__ import main
from benchmarks.evidence.coverage import POPULATIONS
from benchmarks.evidence.simulated import drawn_study, plain_kappa, pooled_auc, true_figures
from grasp_psonet.evidence.metrics import accuracy, linear_kappa, micro_auc


def test_figures_of_a_population_are_the_metrics_of_a_study() -> None:
    study = drawn_study(POPULATIONS[2], 80, np.random.default_rng(0))
    once = np.ones((1, len(study.patient_V)))
    for (answers,) in study.answers:
        assert pooled_auc(answers) == pytest.approx(micro_auc(answers, once)[0], abs=1e-12)
        assert plain_kappa(answers) == pytest.approx(linear_kappa(answers, once)[0], abs=1e-12)
        assert accuracy(answers, once)[0] > 0.6, "answers by chance: nothing would be compared"


def test_studies_have_the_size_of_the_papers_test_split_and_runs_that_err_alike() -> None:
    rng = np.random.default_rng(1)
    studies = [drawn_study(POPULATIONS[0], 69, rng) for _ in range(50)]
    assert np.mean([len(study.patient_V) for study in studies]) == pytest.approx(170, abs=3)
    for study in studies[:5]:
        assert set(np.bincount(study.patient_V)) <= {1, 2, 3, 4}
    wrong = np.array([[run[0].predicted != run[0].label for run in study.answers] for study in studies[:1]])[0]
    assert np.corrcoef(wrong[0], wrong[1])[0, 1] > 0.2


def test_the_truth_of_seeds_is_the_mean_over_many_trainings() -> None:
    population = POPULATIONS[4]
    truth = true_figures(population, 20_000, np.random.default_rng(2))
    rng = np.random.default_rng(3)
    many = [drawn_study(population, 2000, rng) for _ in range(30)]
    auc = np.array([[[pooled_auc(answers) for answers in run] for run in study.answers] for study in many])
    assert auc.mean(axis=(0, 2)) == pytest.approx(truth.value["auc"], abs=0.004)
    assert auc.std(axis=2, ddof=1).mean(axis=0) == pytest.approx(truth.seed_sd["auc"], rel=0.25)
    assert min(truth.seed_sd["auc"]) > 0.005


@pytest.mark.nightly
def test_the_short_form_runs_and_parts_keep_what_stands(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["evidence"])
    folder = tmp_path / "work"
    main(["--quick", "--folder", str(folder)])
    (path,) = tmp_path.glob("*-evidence-quick.json")
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert all(0.5 < figures[key] <= 1 for key in ("coverage_auc", "coverage_kappa", "coverage_difference"))
    rows = figures["coverage_by_population"]
    assert len(rows) == 2 * 2 * 2 * 2, "populations, metrics, figure and difference, methods"
    assert all(row["coverage"] + row["truth_below"] + row["truth_above"] == pytest.approx(1, abs=1e-3) for row in rows)
    path.unlink()
    main(["--quick", "--folder", str(folder), "--parts", "removals"])
    again = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert again == figures
