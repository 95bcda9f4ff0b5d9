"""The probe against scikit-learn on whole features; nothing of a held-out visit reaches its prediction."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.out_of_fold.predict import ProbeInputs, averaged, out_of_fold_predictions
from grasp_psonet.out_of_fold.probe import PENALTIES, fit_probe, fit_score_probe
from grasp_psonet.out_of_fold.settings import OutOfFoldSettings

OUTCOME = Outcome()


def planted(num: int = 60, length: int = 90, seed: int = 0) -> ProbeInputs:
    """Features of another unit each, whose first two tell the score."""
    rng = np.random.default_rng(seed)
    score_V = rng.uniform(0, 20, num)
    feature_VF = rng.normal(0, 1, (num, length))
    feature_VF[:, :6] += (score_V[:, None] - 10) / 5
    feature_VF = feature_VF * rng.uniform(0.1, 50, length) + rng.normal(0, 100, length)
    feature_VF[:, -1] = 3.0
    visits = pd.DataFrame(
        {
            "visit_id": [f"v{v:03d}" for v in range(num)],
            "patient_id": [f"p{v // 2}" for v in range(num)],
            "pasi_reader1": score_V,
            "severity_reader1": pd.Series([OUTCOME.class_of_score(s) for s in score_V], dtype="Int64"),
        }
    )
    return ProbeInputs(visits, feature_VF, OUTCOME)


def test_principal_axes_change_no_prediction() -> None:
    given = planted()
    patient_ids = given.visits["patient_id"].tolist()
    z_VF = StandardScaler().fit_transform(given.feature_VF)
    probe = fit_probe(given.feature_VF, given.strata, 3, patient_ids, 0)
    plain = LogisticRegression(C=1 / probe.penalty, max_iter=5000, tol=1e-8).fit(z_VF, given.strata)
    assert np.allclose(probe(given.feature_VF), plain.predict_proba(z_VF), atol=2e-3)
    number = fit_score_probe(given.feature_VF, given.scores, given.strata, patient_ids, 0)
    ridge = Ridge(alpha=number.penalty).fit(z_VF, given.scores)
    assert np.allclose(number(given.feature_VF), ridge.predict(z_VF), atol=1e-6)
    assert np.ptp(number(given.feature_VF)) > 5


def test_noise_gets_a_stronger_penalty_than_signal() -> None:
    given = planted(num=120)
    patient_ids = given.visits["patient_id"].tolist()
    noise_VF = np.random.default_rng(1).normal(size=given.feature_VF.shape)
    of_noise, of_signal = (
        fit_probe(feature_VF, given.strata, 3, patient_ids, 0).penalty for feature_VF in (noise_VF, given.feature_VF)
    )
    assert of_noise > of_signal
    assert {of_noise, of_signal} <= set(PENALTIES)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0, 0, 0], [0, 2, 0, 2, 0, 2]])
def test_absent_classes_get_probability_zero(labels: list[int]) -> None:
    feature_VF = np.random.default_rng(0).normal(size=(6, 4))
    p_VC = fit_probe(feature_VF, np.array(labels), 3, list("aabbcc"), 0)(feature_VF)
    absent = [c for c in range(3) if c not in labels]
    assert (p_VC[:, absent] == 0).all()
    assert np.allclose(p_VC.sum(axis=1), 1)


def test_what_is_held_out_changes_nothing_but_itself() -> None:
    """A visit's own feature and label, however wild, leave the prediction of its fold's other visits as it was."""
    given, settings = planted(), OutOfFoldSettings(folds=3, repeats=1)
    before = out_of_fold_predictions(given, settings, 0).set_index("visit_id")
    fold_V = before.loc[given.visits["visit_id"], "fold"].to_numpy()
    spoilt_VF = given.feature_VF.copy()
    chosen = int(np.flatnonzero(fold_V == 0)[0])
    spoilt_VF[chosen] *= 1e4
    visits = given.visits.assign(pasi_reader1=given.visits["pasi_reader1"].mask(given.visits.index == chosen, 72.0))
    after = out_of_fold_predictions(ProbeInputs(visits, spoilt_VF, OUTCOME), settings, 0).set_index("visit_id")
    assert (after["fold"] == before["fold"]).all()
    others = [name for name, f in before["fold"].items() if f == 0 and name != given.visits["visit_id"][chosen]]
    told = [*OUTCOME.probability_columns, "score"]
    assert np.array_equal(after.loc[others, told], before.loc[others, told])
    elsewhere = before.index[before["fold"] != 0]
    assert not np.allclose(after.loc[elsewhere, told], before.loc[elsewhere, told]), "it did reach where it may"


def test_repeats_are_averaged_and_each_holds_every_visit_once() -> None:
    given = planted(num=24)
    table = out_of_fold_predictions(given, OutOfFoldSettings(folds=4, repeats=2), 3)
    assert table.groupby("repeat")["visit_id"].nunique().tolist() == [24, 24]
    mean = averaged(table, OUTCOME)
    one = table[table["visit_id"] == "v003"]
    assert mean.set_index("visit_id").loc["v003", "p_mild"] == pytest.approx(one["p_mild"].mean())
    assert np.allclose(mean[OUTCOME.probability_columns].sum(axis=1), 1)
    assert np.corrcoef(mean["score"], given.visits["pasi_reader1"])[0, 1] > 0.6
