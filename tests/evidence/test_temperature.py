"""Temperature scaling against a grid of plain sums."""

import math

import numpy as np

from grasp_psonet.evidence.calibration import class_calibration_error, fit_temperature, with_temperature


def _said(temperature: float, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too sure by this factor, and labels drawn from what they should have said."""
    rng = np.random.default_rng(2)
    true_VC = rng.normal(size=(count, 3)) * 1.5
    p_VC = with_temperature(true_VC, 1.0)
    labels = np.array([rng.choice(3, p=p) for p in p_VC])
    return true_VC * temperature, labels


def test_the_temperature_is_that_of_the_least_loss() -> None:
    logit_VC, label_V = _said(2.5)

    def loss(t: float) -> float:
        total = 0.0
        for logits, label in zip(logit_VC.tolist(), label_V.tolist(), strict=True):
            total -= logits[label] / t - math.log(sum(math.exp(logit / t) for logit in logits))
        return total

    grid = np.linspace(1.5, 4, 251)
    best = grid[np.argmin([loss(t) for t in grid])]
    assert abs(fit_temperature(logit_VC, label_V) - best) < 0.02
    assert 2.1 < best < 2.9


def test_it_lowers_the_calibration_error_and_moves_no_answer() -> None:
    logit_VC, label_V = _said(3.0)
    p_VC = with_temperature(logit_VC, fit_temperature(logit_VC, label_V))
    as_said = with_temperature(logit_VC, 1.0)
    assert (p_VC.argmax(axis=1) == as_said.argmax(axis=1)).all()
    assert class_calibration_error(p_VC, label_V) < 0.5 * class_calibration_error(as_said, label_V)
    np.testing.assert_allclose(p_VC.sum(axis=1), 1)


def test_answers_that_are_always_right_stay_within_bounds() -> None:
    logit_VC = np.eye(3)[[0, 1, 2, 0]]
    assert 0.05 <= fit_temperature(logit_VC, np.array([0, 1, 2, 0])) < 0.06
    assert np.isfinite(with_temperature(np.array([[800.0, 0.0]]), 0.05)).all()
