"""Calibration error by hand, and of what is calibrated by its making."""

import numpy as np
import pytest

from grasp_psonet.evidence.calibration import calibration_error, class_calibration_error


def test_by_hand() -> None:
    p, happened = np.array([0.9, 0.1, 0.2, 0.8]), np.array([True, False, False, False])
    assert calibration_error(p, happened, 2) == pytest.approx((0.15 + 0.35) / 2)
    assert calibration_error(p, happened, 1) == pytest.approx(0.25)
    assert calibration_error(p, happened, 100) == pytest.approx((0.1 + 0.1 + 0.2 + 0.8) / 4)
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0, bool)))
    p_VC = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert class_calibration_error(p_VC, np.array([0, 0]), 1) == pytest.approx(0.65 - 0.5)


def test_true_probabilities_are_calibrated_and_bold_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 20_000)
    happened = rng.random(20_000) < p
    assert calibration_error(p, happened) < 0.015
    assert calibration_error(np.round(p), happened) > 0.2
