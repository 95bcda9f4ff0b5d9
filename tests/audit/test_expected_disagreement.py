"""Expected disagreement: by throwing dice, on planted readers, and what a reader's scale makes of it."""

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.audit.expected_disagreement import disagreement, expected_disagreement
from grasp_psonet.audit.latent_scale import class_edges_of_scores, score_step
from grasp_psonet.audit.reader_model import ReaderModel
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.calibration import calibration_error
from tests.reference.second_reading import interval, second_readings

OUTCOME = Outcome()


@pytest.mark.parametrize(
    ("predicted", "reading", "own_class"),
    [
        (2.0, (2.1, 2.3), (-np.inf, 2.25)),
        (3.0, (1.8, 2.0), (-np.inf, 2.25)),
        (2.6, (2.25, 3.2), (2.25, 3.2)),
        (3.6, (3.2, np.inf), (3.2, np.inf)),
    ],
)
def test_integral_equals_dice(predicted: float, reading: tuple[float, float], own_class: tuple[float, float]) -> None:
    model = ReaderModel(intercept=0.1, slope=0.9, spread=0.5, noise=0.3, gross=0.08, mean=2.5, sd=0.9)
    found = disagreement(model, np.array([predicted]), interval(*reading), interval(*own_class))
    gross, flip = second_readings(model, predicted, reading, own_class, 500_000)
    assert min(gross, flip) > 0.005, "one part vanishes: the comparison would prove little"
    assert found.gross_error[0] == pytest.approx(gross, abs=0.015)
    assert found.threshold_flip[0] == pytest.approx(flip, abs=0.015)


def cohort(num: int, seed: int, gross: float = 0.05) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Visits read twice (two thirds told to the model), out-of-fold predictions, and what Reader 2 would say of all."""
    rng = np.random.default_rng(seed)
    true = rng.gamma(2.2, 4.0, num).clip(0.3, 60)
    u = np.sqrt(true)

    def read() -> np.ndarray:
        is_slip = rng.random(num) < gross
        place = np.where(is_slip, rng.permutation(u), u + rng.normal(0, 0.25, num))
        return np.round(np.maximum(place, 0) ** 2, 1).clip(0, 72)

    first, second = read(), read()
    visits = pd.DataFrame({"visit_id": [f"v{i:04d}" for i in range(num)], "pasi_reader1": first})
    visits["pasi_reader2"] = np.where(rng.random(num) < 2 / 3, second, np.nan)
    for name in ("reader1", "reader2"):
        told = visits[f"pasi_{name}"].dropna().map(OUTCOME.class_of_score)
        visits[f"severity_{name}"] = told.reindex(visits.index).astype("Int64")
    place = u + rng.normal(0, 0.5, num)
    p_above = 1 / (1 + np.exp(-4 * (place[:, None] - np.sqrt([5.0, 10.0]))))
    p = np.column_stack([1 - p_above[:, 0], p_above[:, 0] - p_above[:, 1], p_above[:, 1]])
    predictions = pd.DataFrame(p, columns=OUTCOME.probability_columns)
    predictions.insert(0, "visit_id", visits["visit_id"])
    other = visits["severity_reader1"].to_numpy() != np.array([OUTCOME.class_of_score(s) for s in second])
    truth = pd.DataFrame(
        {
            "disagrees": other,
            "class_is_wrong": visits["severity_reader1"].to_numpy() != [OUTCOME.class_of_score(s) for s in true],
        }
    )
    return visits, predictions.assign(score=place**2), truth


@pytest.mark.parametrize("has_scores", [True, False])
def test_planted_readers_are_expected_to_disagree_as_often_as_they_do(has_scores: bool) -> None:
    visits, predictions, truth = cohort(600, 3)
    if not has_scores:
        predictions = predictions.drop(columns="score")
    found = expected_disagreement(visits, predictions, OUTCOME)
    total = found["expected_disagreement"].to_numpy()
    assert 0.12 < truth["disagrees"].mean() < 0.4
    assert calibration_error(total, truth["disagrees"].to_numpy(), num_bins=6) < 0.05
    assert np.allclose(total, found["gross_error"] + found["threshold_flip"])
    first = np.argsort(-total)[:180]
    assert truth["disagrees"].to_numpy()[first].sum() / truth["disagrees"].sum() > (0.55 if has_scores else 0.45)
    wrong = np.argsort(-found["gross_error"].to_numpy())[:180]
    assert truth["class_is_wrong"].to_numpy()[wrong].sum() / truth["class_is_wrong"].sum() > 0.55


def test_without_a_second_reading_the_stated_prior_speaks() -> None:
    visits, predictions, truth = cohort(300, 5)
    visits["pasi_reader2"] = np.nan
    visits["severity_reader2"] = pd.array([pd.NA] * len(visits), dtype="Int64")
    found = expected_disagreement(visits, predictions, OUTCOME)["expected_disagreement"]
    assert abs(found.mean() - truth["disagrees"].mean()) < 0.1


def test_order_of_visits_changes_nothing() -> None:
    visits, predictions, _ = cohort(80, 1)
    found = expected_disagreement(visits, predictions, OUTCOME).set_index("visit_id")
    other = expected_disagreement(
        visits.sample(frac=1, random_state=0), predictions.sample(frac=1, random_state=1), OUTCOME
    ).set_index("visit_id")
    assert np.allclose(found, other.loc[found.index], atol=1e-3)


def test_one_class_alone_has_no_scale() -> None:
    visits, predictions, _ = cohort(60, 1)
    visits["severity_reader1"] = visits["severity_reader1"] * 0
    with pytest.raises(EvidenceError, match="one class alone"):
        expected_disagreement(visits, predictions.drop(columns="score"), OUTCOME)


def test_class_edges_lie_between_the_scores_that_can_be_given() -> None:
    whole = Outcome(SeveritySettings(cutoffs=(3.0, 6.0), ties=("upper", "lower"), score_range=(0.0, 12.0)))
    assert score_step(np.array([0.0, 3, 12, np.nan])) == 1
    assert score_step(np.array([0.1, 3, 12])) == 0.1
    assert score_step(np.array([0.5, 3, 12])) == 0.5
    assert class_edges_of_scores(1.0, whole)[1:-1] ** 2 == pytest.approx([2.5, 6.5])
    between = Outcome(SeveritySettings(cutoffs=(2.4, 5.7), score_range=(0.0, 12.0)))
    assert class_edges_of_scores(1.0, between)[1:-1] ** 2 == pytest.approx([2.5, 5.5])
