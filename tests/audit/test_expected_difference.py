"""Numbers that another reading would not confirm: planted gross errors are found, and probabilities are what they say."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from grasp_psonet.audit.doubts import doubts_of
from grasp_psonet.audit.expected_disagreement import expected_difference
from grasp_psonet.audit.out_of_fold_rankings import out_of_fold_rankings
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import SeveritySettings

UNTOLD = PasiTotal(SeveritySettings(outcome="pasi"))


def cohort(num: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Visits half of which were read twice, predicted numbers, and whether Reader 1's is grossly wrong."""
    rng = np.random.default_rng(seed)
    root = np.sqrt(rng.gamma(2.2, 4.0, num).clip(0.3, 60))
    is_gross = rng.random(num) < 0.06

    def read(is_slip: np.ndarray) -> np.ndarray:
        place = np.where(is_slip, rng.permutation(root), root + rng.normal(0, 0.2, num))
        return np.round(np.maximum(place, 0) ** 2, 1).clip(0, 72)

    first, second = read(is_gross), read(rng.random(num) < 0.06)
    visits = pd.DataFrame({"visit_id": [f"v{i:04d}" for i in range(num)], "pasi_reader1": first})
    visits["patient_id"] = visits["visit_id"]
    visits["pasi_reader2"] = np.where(rng.random(num) < 0.5, second, np.nan)
    predicted = np.maximum(root + rng.normal(0, 0.4, num), 0) ** 2
    apart = np.abs(first - root**2)
    return visits, predicted, apart


def test_gross_errors_come_first_and_probabilities_are_calibrated() -> None:
    visits, predicted, apart = cohort()
    outcome = UNTOLD.among(visits)
    found = expected_difference(visits, predicted, outcome).set_index("visit_id").loc[visits["visit_id"]]
    assert found.notna().all(axis=None)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all(axis=None)
    is_far = apart > 2 * outcome.noise_points
    assert is_far.sum() >= 10
    assert roc_auc_score(is_far, found["gross_error"]) > 0.9
    assert found["gross_error"].mean() == pytest.approx(is_far.mean(), abs=0.03)
    differs = outcome.readers_disagree(visits)
    twice = differs.notna()
    assert found.loc[twice.to_numpy(), "expected_disagreement"].mean() == pytest.approx(
        float(differs[twice].mean()), abs=0.06
    )


def test_every_ranking_of_a_number_finds_planted_errors() -> None:
    visits, predicted, apart = cohort()
    outcome = UNTOLD.among(visits)
    told = pd.DataFrame({"visit_id": visits["visit_id"], "output_score": predicted / outcome.scale.points_per_unit})
    feature = np.sqrt(predicted)[:, None] + np.random.default_rng(1).normal(0, 0.05, (len(visits), 3))
    rankings = out_of_fold_rankings(visits, told.sample(frac=1, random_state=0), feature, outcome)
    assert rankings["visit_id"].tolist() == visits["visit_id"].tolist()
    np.testing.assert_allclose(rankings["out_of_fold_residual"], np.abs(predicted - visits["pasi_reader1"]))
    is_far = apart > 2 * outcome.noise_points
    for name in ("out_of_fold_residual", "gross_error", "expected_disagreement"):
        assert roc_auc_score(is_far, rankings[name]) > 0.75, name
    assert {"cutoff_nearness", "class_only", "neighbour_ratio", "threshold_flip"} <= set(rankings)
    near = np.abs(visits["pasi_reader1"].to_numpy()[:, None] - [5.0, 10.0]).min(axis=1) < 0.5
    is_far_above = visits["pasi_reader1"].to_numpy() > 14
    assert rankings.loc[near, "threshold_flip"].mean() > 2 * rankings.loc[is_far_above, "threshold_flip"].mean()


def test_doubts_are_points_beyond_the_noise() -> None:
    outcome = PasiTotal(SeveritySettings(outcome="pasi"), 3.0)
    found = doubts_of(outcome, np.array([[2.0], [2.0], [-1.0], [20.0]]), np.array([12.0, 14.0, 0.0, 72.0]))
    np.testing.assert_allclose(found.distance_D, [2.0, 4.0, 0.0, 0.0])
    np.testing.assert_allclose(found.margin_D, [-1.0, 1.0, -3.0, -3.0])
    assert found.is_right_D.tolist() == [True, False, True, True]
